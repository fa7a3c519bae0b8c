"""Windows around joins: where they lie, what they say of a step, what they say of two sides."""

from __future__ import annotations

import numpy as np
import pytest

from studio.evaluation.metrics.joins import (
    around,
    around_end,
    crossfaded,
    cut,
    described,
    level_alike,
    step,
)

RATE = 16000


def noise(seed: int, seconds: float = 2.0, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).astype(np.float32)


def test_a_step_in_the_middle_is_larger_than_the_others_and_one_elsewhere_is_not() -> None:
    steady, quiet = noise(0), noise(1, level=0.01)
    assert step(steady) == pytest.approx(1, abs=0.5)
    assert step(cut(steady, quiet, RATE)) > 4
    assert step(cut(steady, quiet, RATE // 2)) < 1
    assert step(cut(steady, quiet, 3 * RATE // 2)) < 1
    assert step(crossfaded(steady, quiet, RATE, 0.5)) < 3
    assert step(np.zeros(2 * RATE, np.float32)) == pytest.approx(1)


def test_a_course_is_told_by_its_maximum_and_by_what_differs_across_its_middle() -> None:
    course = np.zeros((11, 2), np.float32)
    course[:5, 0], course[6:, 0] = 1.0, 3.0
    course[5, 1] = 9.0  # the moment of the join belongs to no side
    np.testing.assert_allclose(described(course), [3, 9, 2, 0, 2, 0])
    course[0, 1], course[10, 1] = 5.0, 0.0
    np.testing.assert_allclose(described(course), [3, 9, 2, 0, 2, 1])
    np.testing.assert_allclose(described(course[::-1]), described(course))
    with pytest.raises(ValueError, match="4 moments"):
        described(course[:4])


def test_windows_lie_around_their_place() -> None:
    sound = np.arange(5 * RATE, dtype=np.float32)
    assert around(sound, 2 * RATE)[[0, RATE, -1]].tolist() == [RATE, 2 * RATE, 3 * RATE - 1]
    assert around_end(sound)[[0, RATE - 1, RATE]].tolist() == [4 * RATE, 5 * RATE - 1, 0]
    for outside in (RATE - 1, 4 * RATE + 1):
        with pytest.raises(ValueError, match="no whole window"):
            around(sound, outside)


def test_joins_are_where_they_are_said_to_be() -> None:
    first, second = np.full(RATE, 1, np.float32), np.full(RATE, -1, np.float32)
    hard = cut(first, second, 5000)
    assert (hard[:5000] == 1).all()
    assert (hard[5000:] == -1).all()
    soft = crossfaded(first, second, 5000, 0.5)
    assert soft.dtype == np.float32
    assert len(soft) == RATE
    assert (soft[:1000] == 1).all()
    assert (soft[9000:] == -1).all()
    assert (np.diff(soft) <= 0).all()
    assert soft[4999] == pytest.approx(0, abs=1e-3)


def test_a_window_is_brought_to_one_level_and_silence_stays() -> None:
    assert np.sqrt(np.mean(level_alike(noise(3)) ** 2)) == pytest.approx(0.05, rel=1e-4)
    assert not level_alike(np.zeros(9, np.float32)).any()
