"""Drift: slopes against closed forms, and what is too short to have one."""

from __future__ import annotations

import numpy as np
import pytest

from studio.evaluation.metrics.drift import course, from_the_beginning, towards

MINUTES = np.arange(40) / 4
TIMES_S = 60 * MINUTES


def turning(degrees_a_minute: float) -> np.ndarray:
    """Vectors that turn away evenly."""
    angles = np.deg2rad(degrees_a_minute) * MINUTES
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_a_straight_line_has_its_slope_and_no_uncertainty() -> None:
    found = course(TIMES_S, 0.5 - 0.25 * MINUTES)

    assert found.per_minute.value == pytest.approx(-0.25)
    assert found.per_minute.low == pytest.approx(-0.25)
    assert found.change == pytest.approx(-0.25 * MINUTES[-1])
    assert found.falls
    assert not found.rises


def test_vectors_that_turn_away_drift_by_the_cosine_of_their_angle() -> None:
    found = from_the_beginning(turning(9), TIMES_S)

    assert found is not None
    middle = np.deg2rad(9) * MINUTES[:4].mean()  # the mean of the first tenth points there
    np.testing.assert_allclose(found.values, 1 - np.cos(np.deg2rad(9) * MINUTES[4:] - middle), atol=1e-12)
    assert found.rises


def test_vectors_that_only_tremble_do_not_drift() -> None:
    rng = np.random.default_rng(0)
    found = from_the_beginning(turning(0) + 0.2 * rng.standard_normal((40, 2)), TIMES_S)

    assert found is not None
    assert found.per_minute.low < 0 < found.per_minute.high
    assert not found.rises
    assert not found.falls


def test_how_long_vectors_are_does_not_matter() -> None:
    vectors = turning(9) * np.linspace(1, 7, 40)[:, None]
    one, other = from_the_beginning(turning(9), TIMES_S), from_the_beginning(vectors, TIMES_S)

    assert one is not None
    assert other is not None
    np.testing.assert_allclose(other.values[1:], one.values[1:], atol=0.02)


def test_a_take_that_leaves_its_prompt_falls_away_from_it() -> None:
    found = towards(turning(9), np.array([1.0, 0.0]), TIMES_S)

    assert found is not None
    np.testing.assert_allclose(found.values, np.cos(np.deg2rad(9) * MINUTES), atol=1e-12)
    assert found.falls


@pytest.mark.parametrize("count", [0, 1, 5])
def test_few_windows_tell_nothing(count: int) -> None:
    assert from_the_beginning(turning(9)[:count], TIMES_S[:count]) is None


def test_few_windows_that_happen_to_rise_are_not_sure_to() -> None:
    found = course(TIMES_S[:8], np.array([0.1, -0.1, 0.6, 0.1, -0.5, 0.4, 1.3, 0.9]))

    assert found.change > found.scatter
    assert found.per_minute.low < 0
    assert not found.rises


def test_a_rise_smaller_than_what_windows_differ_by_is_none() -> None:
    values = 0.001 * MINUTES + 0.05 * (-1.0) ** np.arange(40)
    found = course(TIMES_S, values)

    assert found.change < found.scatter
    assert not found.rises
