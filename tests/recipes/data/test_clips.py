"""Drawing from a corpus: everything can be drawn, and nothing but what was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from studio.recipes.data.clips import Corpus, build_corpus, draw
from studio.recipes.text.phrases import describe_clip

LABELS = [["rain"], ["bell"], ["rain", "bell"], ["dog"]]


def a_corpus(folder: Path) -> Corpus:
    np.save(folder / "audio.npy", np.arange(4, dtype=np.int16)[:, None].repeat(100, 1) * 1000)
    (folder / "labels.json").write_text(json.dumps(LABELS))
    return Corpus(folder)


def test_a_draw_covers_what_it_may_choose_from_and_nothing_else() -> None:
    generator = torch.Generator().manual_seed(0)
    assert set(draw(generator, 200, 4, None)) == {0, 1, 2, 3}
    assert set(draw(generator, 200, 4, [1, 3])) == {1, 3}


def test_clips_are_found_by_any_of_their_families(tmp_path: Path) -> None:
    corpus = a_corpus(tmp_path)
    assert corpus.holding({"bell"}) == [1, 2]
    assert corpus.holding({"bell", "dog"}) == [1, 2, 3]
    assert corpus.holding({"wind"}) == []


def test_crops_come_from_the_clips_they_name(tmp_path: Path) -> None:
    samples, clips = a_corpus(tmp_path).crops(torch.Generator().manual_seed(1), 50, 10, among=[2, 3])
    assert samples.shape == (50, 10)
    assert set(clips) == {2, 3}
    assert torch.allclose(samples[:, 0] * 32767.0, 1000.0 * torch.tensor(clips))


def test_a_corpus_ends_with_its_scenes(tmp_path: Path) -> None:
    corpus = build_corpus(tmp_path, 2, 3, duration_s=1.0, workers=1)
    assert corpus.audio.shape == (5, 16000)
    assert [len(heard) for heard in corpus.labels[2:]] == [2, 2, 2]
    for seed, heard in enumerate(corpus.labels):
        assert [voice.family for voice in describe_clip(seed, heard, 1.0).voices] == heard
    assert len(build_corpus(tmp_path, 2, 3)) == 5, "made once"
