"""Speech as clips of sound, and how the vocoder's batches hold it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.recipes.data.clips import Corpus
from studio.recipes.networks.vocoder import CROP_SAMPLES, SPOKEN, spoken_crops
from studio.recipes.speech.spoken import spoken_corpus
from tests.recipes.speech.speech_fakes import tone_voices

CLIP_S = 2.0


def read(folder: Path, clips: int = 6) -> Corpus:
    return spoken_corpus(folder, tone_voices(), (), clips, CLIP_S)


def test_voices_take_turns_and_each_clip_begins_with_a_sentence_of_its_own(tmp_path: Path) -> None:
    made = read(tmp_path / "spoken")
    assert made.labels == [["woman"], ["man"]] * 3
    said = [one for (one,) in made.captions]
    assert len(set(said)) == 6
    assert made.audio.shape == (6, 32_000)
    for clip, text in zip(made.audio, said, strict=True):
        assert np.count_nonzero(clip) > len(text.split(". ")[0].replace(" ", "")) * 0.04 * 16_000 / 2
    assert made.audio.std(axis=1).min() > 0.02 * 32767  # as loud as read for the voice model


def test_what_was_read_is_kept_and_the_same_anywhere(tmp_path: Path) -> None:
    first, again = read(tmp_path / "one"), read(tmp_path / "two")
    assert np.array_equal(first.audio, again.audio)
    stamp = (tmp_path / "one" / "audio.npy").stat().st_mtime_ns
    assert len(read(tmp_path / "one", clips=4)) == 6
    assert (tmp_path / "one" / "audio.npy").stat().st_mtime_ns == stamp
    assert len(read(tmp_path / "one", clips=8)) == 8


def test_a_reading_that_broke_off_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import studio.recipes.speech.spoken as recipe

    calls = []

    def breaks(samples: np.ndarray) -> np.ndarray:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return np.zeros_like(samples, np.int16)

    with monkeypatch.context() as patch:
        patch.setattr(recipe, "to_int16", breaks)
        with pytest.raises(KeyboardInterrupt):
            read(tmp_path / "spoken")
    assert np.array_equal(read(tmp_path / "spoken").audio, read(tmp_path / "whole").audio)


def test_half_of_the_speech_lies_over_the_corpus(tmp_path: Path) -> None:
    """Over a corpus that is a constant: what is added to speech shows in the mean."""
    np.save(tmp_path / "audio.npy", np.full((1, 32_000), 16_384, np.int16))
    (tmp_path / "labels.json").write_text('[["pad"]]')
    speech = read(tmp_path / "spoken")
    drawn = [spoken_crops(torch.Generator().manual_seed(i), speech, Corpus(tmp_path)) for i in range(40)]
    crops = torch.stack(drawn)
    assert crops.shape == (40, SPOKEN, CROP_SAMPLES)
    means = crops.mean(2).abs()
    assert means[:, : SPOKEN // 2].max() < 0.01, "speech alone"
    assert means[:, SPOKEN // 2 :].min() > 0.01, "over the corpus"
    assert crops.abs().max() <= 1.0
    levels = crops[:, : SPOKEN // 2].square().mean(2).sqrt()
    assert levels.max() > 2 * levels.median() or levels.min() < 0.5 * levels.median(), "of many levels"
