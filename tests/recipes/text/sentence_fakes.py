"""A sentence encoder without weights: what is spelt alike means alike. The real one is for training only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from studio.recipes.text.sentence_encoder import SENTENCE_WIDTH

WORDS = ["table", "green", "seven", "hail", "thump", "gargle"]


class LetterEncoder:
    """Reads a text as its pairs of letters."""

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        vectors = np.full((len(texts), SENTENCE_WIDTH), 1e-3, np.float32)
        for row, text in zip(vectors, texts, strict=True):
            codes = np.array([ord(letter) for letter in text.lower()], np.int64)
            np.add.at(row, (codes[:-1] * 31 + codes[1:]) % SENTENCE_WIDTH, 1)
        return torch.nn.functional.normalize(torch.from_numpy(vectors), dim=-1)

    def words(self) -> list[str]:
        return WORDS
