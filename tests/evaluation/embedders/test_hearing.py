"""What is heard of files is kept by their content and by whose weights heard it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.evaluation.embedders import hearing
from studio.evaluation.embedders.hearing import HearingCache, hear


class Ear:
    """Hears a second at a time: its level, and how often it crosses zero."""

    name, sample_rate, width, source, licence, version = "ear", 16000, 2, "", "", "1"

    def __init__(self) -> None:
        self.heard = 0

    def embed(self, samples: np.ndarray) -> np.ndarray:
        self.heard += 1
        seconds = np.array_split(samples, max(1, len(samples) // 16000))
        return np.array(
            [[np.abs(s).mean(), np.mean(np.diff(np.sign(s)) != 0)] for s in seconds], dtype=np.float32
        )


class Critic(Ear):
    """One that also knows three classes, by level, and reads captions by their length."""

    name, labels = "critic", ("a", "b", "c")

    def logits(self, samples: np.ndarray) -> np.ndarray:
        return np.array([1.0, 10 * np.abs(samples).mean(), 0.0], np.float32)

    def both(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.embed(samples), self.logits(samples)

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[1.0, len(text)] for text in texts], np.float32)


def write(path: Path, seconds: float = 2.0, level: float = 0.1, seed: int = 0, rate: int = 16000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).standard_normal(round(seconds * rate))
    sf.write(path, np.clip(level * noise, -1, 1), rate)
    return path


def test_a_file_is_heard_once(tmp_path: Path) -> None:
    cache, ear = HearingCache(tmp_path / "kept"), Critic()
    path = write(tmp_path / "a.wav")
    first = cache.hear(ear, path)
    again = cache.hear(ear, write(tmp_path / "copy.wav"))  # of the same content
    assert ear.heard == 1
    for name in ("vectors", "logits", "halves"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    assert again.peak == pytest.approx(first.peak)
    cache.hear(ear, write(tmp_path / "a.wav", seed=1))  # another sound of the same name
    other = Critic()
    other.version = "2"
    cache.hear(other, path)
    assert (ear.heard, other.heard) == (2, 1)


def test_what_was_kept_and_is_damaged_is_heard_anew(tmp_path: Path) -> None:
    cache, ear = HearingCache(tmp_path / "kept"), Ear()
    path = write(tmp_path / "a.wav")
    first = cache.hear(ear, path)
    place = cache.place(ear, path)
    for damage in (b"", b"no tensors", place.read_bytes()[:-5]):
        place.write_bytes(damage)
        np.testing.assert_array_equal(cache.hear(ear, path).vectors, first.vectors)
    assert ear.heard == 4


def test_a_long_file_is_heard_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.wav", 7.2)
    whole = hear(Critic(), path)
    monkeypatch.setattr(hearing, "BLOCK_S", 2.0)
    monkeypatch.setattr(hearing, "_LEAST_S", 1.5)
    ear = Critic()
    parts = hear(ear, path)
    assert ear.heard == 3  # two of 2 s, and one of 3.2 s: no rest is heard alone
    assert parts.vectors.shape == whole.vectors.shape == (7, 2)
    assert parts.logits == pytest.approx(whole.logits, abs=1e-3)
    assert parts.halves is not None
    assert parts.halves.shape == (2, 3)


def test_halves_are_of_the_clips_own(tmp_path: Path) -> None:
    samples = np.concatenate([np.full(8000, 0.1), np.full(8000, 0.5)])
    sf.write(tmp_path / "a.wav", samples, 16000)
    heard = hear(Critic(), tmp_path / "a.wav")
    assert heard.halves is not None
    np.testing.assert_allclose(heard.halves[:, 1], [1.0, 5.0], rtol=1e-3)


def test_a_file_that_is_no_sound_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(InvalidRequestError, match="Can't read"):
        HearingCache(tmp_path).hear(Ear(), tmp_path / "a.wav")
    with pytest.raises(InvalidRequestError, match="Can't read"):
        HearingCache(tmp_path).hear(Ear(), tmp_path / "none.wav")
    (tmp_path / "full").write_text("a file where a folder should be")
    with pytest.raises(InvalidRequestError, match="choose another folder"):
        HearingCache(tmp_path / "full").hear(Ear(), write(tmp_path / "b.wav"))
