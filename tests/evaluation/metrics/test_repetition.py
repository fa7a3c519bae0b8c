"""Repetition: what is planted is found where it was put, and noise repeats nothing."""

from __future__ import annotations

import numpy as np
import pytest

from studio.evaluation.metrics.frames import FrameMeter
from studio.evaluation.metrics.repetition import repetition, self_similarity

RATE = 16000


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise whose level wanders, as a texture's does."""
    rng = np.random.default_rng(seed)
    steps = np.exp(rng.normal(0, 0.8, round(seconds * 20) + 2))
    level = np.interp(np.arange(round(seconds * RATE)), np.arange(len(steps)) * RATE / 20, steps)
    return (0.05 * level * rng.standard_normal(len(level))).astype(np.float32)


def frames_of(sound: np.ndarray) -> np.ndarray:
    meter = FrameMeter()
    meter.push(sound.astype(np.float32))
    return meter.frames()


def test_seconds_that_come_again_are_found_with_where_they_come_from() -> None:
    sound = noise(40)
    sound[25 * RATE : 31 * RATE] = sound[round(4.37 * RATE) : round(10.37 * RATE)]  # off every grid
    found = repetition(frames_of(sound))

    assert [(one.at_s, one.length_s) for one in found.again] == [(25.0, 6.0)]
    assert found.again[0].from_s == pytest.approx(4.37, abs=0.03)
    assert found.share == pytest.approx(6 / 39, abs=0.001)


def test_they_are_found_at_another_level_too() -> None:
    sound = noise(30)
    sound[20 * RATE : 24 * RATE] = 0.5 * sound[6 * RATE : 10 * RATE]

    assert [one.at_s for one in repetition(frames_of(sound)).again] == [20.0]


def test_noise_repeats_nothing() -> None:
    found = repetition(frames_of(noise(40)))

    assert found.share == 0
    assert found.lags == []


def test_a_loop_is_like_itself_after_its_length() -> None:
    found = repetition(frames_of(np.tile(noise(4), 8)))

    assert found.lags[0][0] == pytest.approx(4.0, abs=0.02)
    assert found.lags[0][1] > 0.9
    assert found.share is not None
    assert found.share > 0.85


def test_the_autocorrelation_is_that_of_its_definition() -> None:
    rows = np.random.default_rng(1).standard_normal((600, 4))
    rows[250:] += rows[:-250]
    rows -= rows.mean(axis=0)
    (lag_s, strength), *_ = self_similarity(rows)

    assert lag_s == pytest.approx(250 * 0.02)
    assert strength == pytest.approx(np.mean(rows[:-250] * rows[250:]) / np.mean(rows**2), rel=1e-6)


@pytest.mark.parametrize("sound", [np.zeros(20 * RATE), np.zeros(400), noise(1)])
def test_what_has_nothing_to_be_known_by_says_so(sound: np.ndarray) -> None:
    assert repetition(frames_of(sound)).share is None
