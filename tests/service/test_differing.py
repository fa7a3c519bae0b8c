"""Two takes held against each other: at one loudness, at one rate, as far as both go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.service import differing as module
from studio.service.differing import differing


def write(path: Path, gain: float = 1.0, rate: int = 16000, seconds: float = 3.0, channels: int = 1) -> Path:
    time = np.arange(round(seconds * rate)) / rate
    sweep = gain * 0.3 * np.sin(2 * np.pi * (200 * time + 300 * time**2))
    sf.write(path, np.repeat(sweep[:, None], channels, axis=1), rate, subtype="FLOAT")
    return path


def test_the_same_take_is_no_different_however_loud(tmp_path: Path) -> None:
    one, quiet = write(tmp_path / "a.wav"), write(tmp_path / "b.wav", gain=0.25)
    same = differing(one, one)
    assert not same.difference.decibels.any()
    assert (same.louder_lu, same.cut) == (0.0, False)
    seen = differing(one, quiet)
    assert seen.louder_lu == pytest.approx(-12.04, abs=0.05)
    assert np.abs(seen.difference.decibels).max() < 0.7, "brought to one loudness"


def test_rates_and_channels_may_differ(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.wav"), write(tmp_path / "b.wav", rate=48000, channels=2, seconds=2)
    seen = differing(one, other).difference
    assert seen.top_hz == 8000
    assert seen.length_s == pytest.approx(2, abs=0.02)
    assert seen.alike() > 0.97
    assert seen.lag_s == pytest.approx(0, abs=0.001)


def test_of_long_ones_the_beginning_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_S", 2.0)
    seen = differing(write(tmp_path / "a.wav"), write(tmp_path / "b.wav"))
    assert seen.cut
    assert seen.difference.length_s == pytest.approx(2, abs=0.02)


def test_silence_has_no_loudness_and_what_is_no_sound_is_told(tmp_path: Path) -> None:
    silent = write(tmp_path / "a.wav", gain=0)
    seen = differing(silent, write(tmp_path / "b.wav"))
    assert seen.louder_lu is None
    assert seen.difference.places()
    (tmp_path / "c.wav").write_text("no sound")
    for path in (tmp_path / "c.wav", tmp_path / "gone.wav"):
        with pytest.raises(InvalidRequestError, match="choose another take"):
            differing(silent, path)
