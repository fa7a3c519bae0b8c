"""The caption tower's whole recipe on a handful of clips: every text finds its meaning, the folder opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, ClapModel

from studio.modules.text import tokenize
from studio.recipes.data.clips import build_corpus, cache_mels
from studio.recipes.text import clap
from studio.recipes.text.clap_model import PROJECTION
from studio.training.loop import LoopOptions
from tests.recipes.text.sentence_fakes import WORDS, LetterEncoder


@pytest.mark.slow
def test_the_whole_recipe_makes_a_clap_once_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clap, "BANK_TEXTS", 60)
    corpus = build_corpus(tmp_path / "corpus", 5, 3, duration_s=3.0, workers=1)
    mels, folder = cache_mels(corpus), tmp_path / "clap"

    def train(max_minutes: float | None = None) -> ClapModel | None:
        run = clap.ClapRun(
            tmp_path / "run",
            *(
                LoopOptions(tmp_path / "run" / part, steps, max_minutes=max_minutes)
                for part, steps in (("audio", 2), ("head", 3), ("text", 2))
            ),
        )
        return clap.train_clap(corpus, mels, LetterEncoder(), WORDS, folder, run, phrases=40)

    assert train(0) is None, "the audio tower has made one step"
    assert not (folder / "config.json").exists()
    made = train()
    assert made is not None
    again, tokenizer = ClapModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    tokens = tokenize(tokenizer, ["heavy rain and a dog", "a dog"])
    with torch.no_grad():
        vectors = [model.eval().get_text_features(**tokens).pooler_output for model in (made, again)]
    torch.testing.assert_close(*vectors)
    assert vectors[0].shape == (2, PROJECTION)
    assert np.isfinite(vectors[0].numpy()).all()
