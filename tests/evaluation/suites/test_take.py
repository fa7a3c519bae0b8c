"""One take looked through: what is planted in a file is told, whatever the file's rate and channels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.evaluation.embedders.base import Samples, Vectors
from studio.evaluation.suites.take import TakeLook, look_through
from studio.evaluation.suites.take_plot import draw_take


class Ears:
    """Hears how bright a sound is, and takes texts for what they say of that."""

    name = "ears"
    width = 2
    source = licence = "-"

    def __init__(self, sample_rate: int = 16000) -> None:
        self.sample_rate = sample_rate

    def embed(self, samples: Samples) -> Vectors:
        power = np.abs(np.fft.rfft(samples)) ** 2 + 1e-12
        half = len(power) // 2
        return np.array([[power[:half].sum(), power[half:].sum()]], np.float32)

    def embed_text(self, texts: Sequence[str]) -> Vectors:
        return np.array([[0, 1] if "bright" in text else [1, 0] for text in texts], np.float32)


class Deaf(Ears):
    """Reads no text."""

    embed_text = None  # type: ignore[assignment]


def noise(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    return 0.05 * np.random.default_rng(0).standard_normal((round(seconds * rate), channels))


def looked(path: Path, ears: Ears | None = None, prompt: str | None = None) -> TakeLook:
    *steps, look = look_through(path, ears or Ears(), prompt)
    assert steps == sorted(steps)
    assert all(isinstance(step, float) and 0 <= step <= 1 for step in steps)
    assert isinstance(look, TakeLook)
    return look


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 2), (44100, 2)])
def test_what_was_planted_is_told_at_any_rate(tmp_path: Path, rate: int, channels: int) -> None:
    sound = noise(40, rate, channels)
    sound[5 * rate, 0] += 0.8
    sound[12 * rate : 12 * rate + rate // 50] = 0
    sound[20 * rate : 22 * rate] = 0
    sf.write(tmp_path / "take.wav", sound, rate, subtype="FLOAT")
    look = looked(tmp_path / "take.wav")

    assert (look.sample_rate, look.channels) == (rate, channels)
    assert look.duration_s == pytest.approx(40)
    assert look.clicks_s == [pytest.approx(5, abs=1e-3)]
    assert [(span.at_s, span.length_s) for span in look.dropouts] == [pytest.approx((12, 0.02), abs=1e-3)]
    assert [(span.at_s, span.length_s) for span in look.silence] == [pytest.approx((20, 2), abs=0.06)]
    assert look.bandwidth_hz == pytest.approx(rate / 2, rel=0.01)
    assert (look.mono is None) == (channels == 1)
    assert look.level.short_term_lufs.max() == pytest.approx(look.level.integrated_lufs, abs=0.3)


@pytest.mark.slow
def test_a_take_that_grows_brighter_drifts_and_leaves_its_prompt(tmp_path: Path) -> None:
    rate = 16000
    sound = noise(45, rate)[:, 0]
    dull = np.convolve(sound, np.ones(8) / 8, mode="same")
    share = np.linspace(0, 1, len(sound))
    sf.write(tmp_path / "take.wav", (1 - share) * dull + share * np.diff(sound, prepend=0), rate)
    for ears in (Ears(), Ears(8000)):
        look = looked(tmp_path / "take.wav", ears, prompt="a dull sound")
        assert look.drift is not None
        assert look.drift.rises
        assert look.prompt is not None
        assert look.prompt.falls
    steady = tmp_path / "steady.wav"
    sf.write(steady, sound, rate)
    found = looked(steady).drift
    assert found is not None
    assert not found.rises


def test_a_short_file_and_a_silent_one_say_what_they_can(tmp_path: Path) -> None:
    sf.write(tmp_path / "short.wav", noise(1, 16000), 16000)
    sf.write(tmp_path / "silent.flac", np.zeros((3 * 8000, 2)), 8000)
    short, silent = looked(tmp_path / "short.wav"), looked(tmp_path / "silent.flac")

    assert short.drift is short.repetition.share is None
    assert short.seams == silent.seams == silent.clicks_s == []
    assert silent.as_json()["level"]["integrated_lufs"] is silent.as_json()["mono"] is None
    assert silent.silence_share == pytest.approx(1, abs=0.05)
    for look in (short, silent):
        draw_take(look, tmp_path / "plot.png")
        assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_samples_that_are_no_numbers_are_counted_and_taken_for_silence(tmp_path: Path) -> None:
    sound = noise(6, 16000)
    sound[1000:1100] = np.nan
    sound[50_000] = np.inf
    sf.write(tmp_path / "take.wav", sound, 16000, subtype="FLOAT")
    look = looked(tmp_path / "take.wav")

    assert look.broken_samples == 101
    assert np.isfinite(look.level.integrated_lufs)
    assert len(look.dropouts) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "Can't read"), (b"RIFF and no more", "Can't read"), (None, "holds no sound")],
)
def test_what_is_no_sound_ends_in_one_sentence(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "take.wav"
    if content is None:
        sf.write(path, np.zeros(0), 16000)
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidRequestError, match=says):
        looked(path)
    with pytest.raises(InvalidRequestError, match="Can't read"):
        looked(tmp_path / "none.wav")


def test_a_prompt_needs_an_embedder_that_reads(tmp_path: Path) -> None:
    sf.write(tmp_path / "take.wav", noise(1, 16000), 16000)
    with pytest.raises(InvalidRequestError, match="reads no text"):
        looked(tmp_path / "take.wav", Deaf(), prompt="rain")


def test_a_reader_that_leaves_ends_the_work(tmp_path: Path) -> None:
    sf.write(tmp_path / "take.wav", noise(30, 16000), 16000)
    steps = look_through(tmp_path / "take.wav", Ears())
    next(steps)
    steps.close()
    assert list(steps) == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_blocks_that_were_read(tmp_path: Path) -> None:
    import tracemalloc

    peaks = []
    for seconds in (60, 240):
        path = tmp_path / f"{seconds}.wav"
        sf.write(path, noise(seconds, 8000), 8000)
        steps = look_through(path, Ears())
        tracemalloc.start()
        for step in steps:
            if isinstance(step, float) and step >= 0.9:
                break
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        steps.close()
    # What is added is the spectrogram: 6.4 kB a second, held twice while it is joined.
    assert peaks[1] - peaks[0] < 180 * 6400 * 2 + 1e6
