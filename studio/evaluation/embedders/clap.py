"""LAION's CLAP: sounds and texts in one space (Wu et al. 2023), by transformers' `ClapModel`.

The space of CLAP's score. A clip of ten seconds or less is heard as a whole, repeated as often as it fits and
followed by silence; of a longer one as many windows of ten seconds as fit are heard, spread evenly over it,
where LAION's own code takes one by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from studio.backends.companions import CLAP, Companion
from studio.backends.components import load_network, load_tokenizer, quieten
from studio.backends.hub import companion_folder
from studio.core.errors import ModelNotFoundError
from studio.evaluation.embedders.base import Samples, Vectors
from studio.evaluation.embedders.laion import FILE, REPOSITORY, load_laion
from studio.evaluation.embedders.weights import digest, find, on_hub

SAMPLE_RATE = 48000
WINDOW_S = 10
MAX_TOKENS = 77
FUSED = "clap-fused"
MUSIC = "clap-music"
REPOSITORIES = {
    "clap": CLAP,
    FUSED: Companion("laion/clap-htsat-fused", ("config.json", "tokenizer_config.json")),
}
ROBERTA = Companion("FacebookAI/roberta-base", ("config.json",), ("*.json", "*.txt"))
_LOWEST_HZ, _HIGHEST_HZ = 50, 14000  # of all that LAION published
_BATCH = 8


class Clap:
    """One of LAION's CLAPs."""

    sample_rate = SAMPLE_RATE

    def __init__(self, name: str, weights: str | None, device: torch.device) -> None:
        """Read its weights.

        Args:
            name: of `REPOSITORIES`, or `MUSIC`.
            weights: a folder as transformers writes it, or a repository on the Hub; of `MUSIC` LAION's
                file, beside which RoBERTa's vocabulary may lie. By default where the Hub's library has them.
            device: where to run it.

        Raises:
            ModelNotFoundError: they are not here.
            WeightsError: they are damaged or another network's.
        """
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

        quieten()
        self.name = name
        if name == MUSIC:
            path = _laion_file(weights)
            vocabulary = _vocabulary(path.parent)
            self._model, self.source, self.licence = load_laion(path), REPOSITORY, "CC0-1.0, as its code"
        else:
            vocabulary = _folder(name, weights)
            self._model = load_network(ClapModel, vocabulary, torch.device("cpu"), torch.float32)
            self.source, self.licence = REPOSITORIES[name].repository, "Apache-2.0"
        self._model = self._model.to(device).eval()
        self._device = device
        self._tokenizer = load_tokenizer(AutoTokenizer, vocabulary)
        self._truncation = "fusion" if self._model.config.audio_config.enable_fusion else "rand_trunc"
        self._features = ClapFeatureExtractor(
            frequency_min=_LOWEST_HZ, frequency_max=_HIGHEST_HZ, truncation=self._truncation
        )
        self.width = int(self._model.config.projection_dim)
        self.version = digest(self._model)

    @torch.inference_mode()
    def embed(self, samples: Samples) -> Vectors:
        """Samples [n] at 48 kHz → unit vectors [windows, D]."""
        rows = spread_windows(samples, WINDOW_S * SAMPLE_RATE)
        heard = [self._hear(rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)]
        return torch.cat(heard).cpu().numpy()

    @torch.inference_mode()
    def embed_text(self, texts: Sequence[str]) -> Vectors:
        """Texts → unit vectors [n, D]; what is beyond 77 tokens is not read."""
        read = []
        for start in range(0, len(texts), _BATCH):
            tokens = self._tokenizer(
                list(texts[start : start + _BATCH]),
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
                return_tensors="pt",
            ).to(self._device)
            read.append(_unit(self._model.get_text_features(**tokens)))
        return torch.cat(read).cpu().numpy()

    def _hear(self, rows: Sequence[Samples]) -> Tensor:
        features = self._features(list(rows), sampling_rate=SAMPLE_RATE, return_tensors="pt")[
            "input_features"
        ]
        # No window is longer than ten seconds; the extractor would call one so by chance, for the sake of a
        # training on several machines.
        longer = torch.zeros(len(rows), 1, dtype=torch.bool, device=self._device)
        return _unit(self._model.get_audio_features(features.float().to(self._device), is_longer=longer))


def spread_windows(samples: Samples, length: int) -> list[Samples]:
    """As many windows as fit, evenly over the samples; all of them, where none does."""
    count = max(1, len(samples) // length)
    starts = np.linspace(0, max(0, len(samples) - length), count).astype(int)
    return [samples[start : start + length] for start in starts]


def _unit(found: Any) -> Tensor:
    vectors = getattr(found, "pooler_output", found)
    return functional.normalize(vectors.float(), dim=-1)


def _folder(name: str, weights: str | None) -> Path:
    """Where a repository lies: a folder of the user's, another repository, or the Hub's cache."""
    companion = REPOSITORIES[name]
    hub = companion.repository
    if weights is not None and (place := Path(weights)).exists():
        if not (place / "config.json").is_file():
            raise ModelNotFoundError(
                f"{weights} is no folder of a CLAP: give one that holds config.json and what else "
                f"huggingface.co/{hub} has."
            )
        return place
    if weights is not None and (repository := on_hub(weights)):
        return companion_folder(Companion(repository[0], companion.shows))
    if weights is not None:
        raise ModelNotFoundError(
            f"There is no folder {weights}: give one that holds what huggingface.co/{hub} has, "
            f"or --weights {name}={hub} to get it from the Hub."
        )
    if (here := companion.place()) is None:
        raise ModelNotFoundError(
            f"CLAP's weights are not here: get them from the Hub by --weights {name}={hub}, or name a "
            f"folder that holds what huggingface.co/{hub} has, by --weights {name}=FOLDER."
        )
    return here


def _laion_file(weights: str | None) -> Path:
    from studio.backends.companions import cached

    place = cached(REPOSITORY, [FILE]) or Path.home() / ".cache" / "laion_clap"
    hint = f"--weights {MUSIC}={REPOSITORY} gets it from the Hub"
    return find(MUSIC, weights, FILE, (place,), f"LAION's CLAP is at huggingface.co/{REPOSITORY} ({hint})")


def _vocabulary(beside: Path) -> Path:
    """RoBERTa's vocabulary: beside LAION's file, or what the Hub's cache has of it."""
    if (beside / "vocab.json").is_file() or (beside / "tokenizer.json").is_file():
        return beside
    for companion in (ROBERTA, CLAP):
        if (place := companion.place()) is not None:
            return place
    raise ModelNotFoundError(
        f"LAION's file brings no vocabulary: put vocab.json and merges.txt of "
        f"huggingface.co/{ROBERTA.repository} beside it, in {beside}."
    )
