"""The pocket models' own CLAP as an embedder: it reads the captions of their families, and no others.

The models were conditioned on its caption tower, so that its score says whether they follow what they were
taught by, and nothing about real sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from studio.backends.clap import load_clap
from studio.backends.components import load_tokenizer
from studio.dsp.mel import HOP_SAMPLES, log_mel
from studio.evaluation.embedders.base import Samples, Vectors
from studio.evaluation.embedders.weights import digest
from studio.modules.text import tokenize

WINDOW_FRAMES = 256


class PocketClap:
    """Windows of 2.56 s, one after the other; a shorter clip is repeated to fill its only one."""

    name = "clap-pocket"
    sample_rate = 16000
    source = "assets/pocket/audioldm"
    licence = "Apache-2.0"

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Read both towers from a pocket checkpoint's folder.

        Raises:
            WeightsError: they are missing or damaged.
        """
        from transformers import AutoTokenizer

        self._model = load_clap(folder, device)
        self._tokenizer = load_tokenizer(AutoTokenizer, folder / "tokenizer")
        self._device = device
        self.width = int(self._model.config.projection_dim)
        self.version = digest(self._model)

    @torch.inference_mode()
    def embed(self, samples: Samples) -> Vectors:
        """Samples [n] at 16 kHz → unit vectors [windows, D]."""
        whole = np.resize(samples, max(len(samples), WINDOW_FRAMES * HOP_SAMPLES)).astype(np.float32)
        mel = log_mel(torch.tensor(whole, device=self._device))
        rows = mel[: len(mel) // WINDOW_FRAMES * WINDOW_FRAMES].reshape(-1, 1, WINDOW_FRAMES, mel.shape[-1])
        vectors = self._model.get_audio_features(input_features=rows).pooler_output
        return functional.normalize(vectors, dim=-1).cpu().numpy()

    @torch.inference_mode()
    def embed_text(self, texts: Sequence[str]) -> Vectors:
        """Texts → unit vectors [n, D]."""
        tokens = tokenize(self._tokenizer, list(texts)).to(self._device)
        vectors = self._model.get_text_features(**tokens).pooler_output
        return functional.normalize(vectors, dim=-1).cpu().numpy()
