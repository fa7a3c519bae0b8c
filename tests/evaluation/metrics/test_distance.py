"""Figures against what is known of them in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from studio.evaluation.metrics.distance import bootstrap_interval, frechet_distance, kl_divergence
from studio.evaluation.suites.sound import across_joins, twice


def test_frechet_distance_of_gaussians() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((40_000, 3))
    shifted = rng.standard_normal((40_000, 3)) * 2 + np.array([3.0, 0.0, 0.0])
    # ‖μ‖² + Σ (σ₁ − σ₂)² = 9 + 3 · 1
    assert frechet_distance(a, shifted) == pytest.approx(12.0, rel=0.03)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-6)


def test_frechet_distance_refuses_sets_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="one width"):
        frechet_distance(np.zeros((4, 2)), np.zeros((4, 3)))


def test_bootstrap_interval_holds_the_mean() -> None:
    values = np.random.default_rng(1).normal(5.0, 1.0, 200)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.2)


def test_kl_divergence_of_two_coins() -> None:
    p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    expected = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert kl_divergence(p, q) == pytest.approx(expected, abs=1e-6)
    assert kl_divergence(p, p) == pytest.approx(0.0, abs=1e-6)


def test_joins_lie_in_the_middle_of_their_windows() -> None:
    clips = np.arange(8, dtype=np.float32).repeat(4).reshape(8, 4)
    joined = across_joins(clips)
    assert joined.shape == clips.shape
    assert joined[0].tolist() == [0, 0, 1, 1]
    assert joined[4].tolist() == [1, 1, 0, 0]
    assert twice(["a", "b"]) == ["a", "a", "b", "b"]
