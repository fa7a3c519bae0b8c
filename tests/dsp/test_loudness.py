"""Loudness against the figures of BS.1770 and EBU Tech 3341, and against another meter where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.dsp.loudness import LoudnessMeter, k_weighting

RATE = 16000


def sine(level_db: float, seconds: float, rate: int = RATE, hz: float = 997.0) -> np.ndarray:
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * hz / rate * np.arange(round(seconds * rate)))


def measured(*parts: np.ndarray, rate: int = RATE) -> float:
    meter = LoudnessMeter(rate)
    for part in parts:
        meter.push(part)
    return meter.integrated()


def test_the_filters_are_the_recommendation_s_own_at_48_khz() -> None:
    shelf, high_pass = k_weighting(48000)
    table = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585]
    np.testing.assert_allclose(shelf, table, atol=1e-8)
    np.testing.assert_allclose(high_pass, [1, -2, 1, 1, -1.99004745483398, 0.99007225036621], atol=1e-8)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("level_db", [0.0, -20.0, -60.0])
def test_a_sine_of_one_kilohertz(rate: int, level_db: float) -> None:
    assert measured(sine(level_db, 5, rate), rate=rate) == pytest.approx(level_db - 3.01, abs=0.05)


def test_what_is_ten_lu_below_the_rest_does_not_count() -> None:
    """EBU Tech 3341, case 3, in one channel: 10 s at −36, 60 s at −23, 10 s at −36."""
    loud, soft = sine(-20, 60), sine(-33, 10)
    assert measured(soft, loud, soft) == pytest.approx(measured(loud), abs=0.1)


def test_silence_has_no_loudness() -> None:
    assert measured() == -np.inf
    assert measured(np.zeros(RATE)) == -np.inf
    assert measured(sine(0, 0.2)) == -np.inf, "shorter than a block"


@given(cuts=st.lists(st.integers(0, 3 * RATE), max_size=8))
@settings(max_examples=20, deadline=None)
def test_how_it_is_cut_changes_nothing(cuts: list[int]) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 3 * RATE)
    parts = np.split(sound, sorted(cuts))
    assert measured(*parts) == pytest.approx(measured(sound), abs=1e-9)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_another_meter_reads_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sound = rng.normal(0, 0.1, 12 * RATE) * np.repeat(rng.uniform(0.02, 1, 12), RATE)
    path = tmp_path / "noise.wav"
    sf.write(path, sound, RATE, "FLOAT")
    said = subprocess.run(
        ["ffmpeg", "-hide_banner", "-i", path, "-af", "ebur128=framelog=verbose", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    found = re.search(r"I:\s+(-?[\d.]+) LUFS", said)
    assert found is not None
    assert measured(sound) == pytest.approx(float(found[1]), abs=0.15)
