"""The caption tower's whole recipe on a handful of clips: every text finds its meaning, the folder opens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, ClapModel

from studio.modules.text import tokenize
from studio.recipes.data.clips import build_corpus, cache_mels
from studio.recipes.text import clap, phrases

WORDS = ["table", "green", "seven", "hail", "thump", "gargle"]


class LetterEncoder:
    """Reads a text as its pairs of letters; the real one is a package for training only."""

    width = 384

    def embed(self, texts: Sequence[str], batch: int = 128) -> torch.Tensor:
        vectors = torch.full((len(texts), self.width), 1e-3)
        for row, text in zip(vectors, texts, strict=True):
            for first, second in zip(text.lower(), text.lower()[1:], strict=False):
                row[(ord(first) * 31 + ord(second)) % self.width] += 1
        return torch.nn.functional.normalize(vectors, dim=-1)

    def words(self) -> list[str]:
        return WORDS


@pytest.mark.slow
def test_the_whole_recipe_makes_a_clap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clap, "SentenceEncoder", LetterEncoder)
    monkeypatch.setattr(clap, "HEAD_STEPS", 3)
    monkeypatch.setattr(clap, "BANK_TEXTS", 60)
    for module in (clap, phrases):
        monkeypatch.setattr(module, "dictionary", lambda: WORDS)
    corpus = build_corpus(tmp_path / "corpus", 5, 3, duration_s=3.0, workers=1)
    folder = tmp_path / "clap"
    made = clap.train_clap(corpus, cache_mels(corpus), folder, tmp_path / "run", 2, 2, phrases=40)
    again, tokenizer = ClapModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    tokens = tokenize(tokenizer, ["heavy rain and a dog", "a dog"])
    with torch.no_grad():
        vectors = [model.eval().get_text_features(**tokens).pooler_output for model in (made, again)]
    torch.testing.assert_close(*vectors)
    assert vectors[0].shape == (2, clap.PROJECTION)
    assert np.isfinite(vectors[0].numpy()).all()
