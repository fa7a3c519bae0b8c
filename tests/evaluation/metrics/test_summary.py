"""Intervals of figures, against what is known of them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from studio.evaluation.metrics.distance import frechet_distance
from studio.evaluation.metrics.summary import Figure, bootstrap


def mean(rows: np.ndarray) -> float:
    return float(rows.mean())


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    rows = np.random.default_rng(0).normal(3.0, 2.0, 400)
    figure = bootstrap(mean, rows)
    assert figure.value == rows.mean()
    assert figure.low < figure.value < figure.high
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * rows.std() / 20, rel=0.1)
    assert figure.n == 400


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    figures = [bootstrap(mean, rng.normal(0.0, 1.0, 60), rounds=200, seed=i) for i in range(100)]
    held = sum(figure.low < 0 < figure.high for figure in figures)
    assert 88 <= held <= 99


def test_the_interval_of_a_distance_lies_about_it() -> None:
    a, b = np.random.default_rng(2).standard_normal((2, 60, 16))
    figure = bootstrap(frechet_distance, a, b, rounds=60)
    assert figure.low < figure.value < figure.high  # plain percentiles would all lie above


def test_groups_are_drawn_apart_and_a_seed_gives_the_same_again() -> None:
    a, b = np.arange(50.0), np.arange(50.0)
    assert bootstrap(lambda x, y: float((x - y).mean()), a, b).high > 1  # pairs would leave 0
    assert bootstrap(mean, a, seed=3) == bootstrap(mean, a, seed=3) != bootstrap(mean, a, seed=4)


def test_no_interval_goes_beyond_what_can_be() -> None:
    rows = np.array([1.0] * 19 + [0.0])
    assert bootstrap(mean, rows, within=(0.0, 1.0)).high <= 1.0 < bootstrap(mean, rows - 0.0).high + 0.06


def test_a_figure_is_json() -> None:
    figure = Figure(0.5, math.nan, math.inf, 3)
    assert json.loads(json.dumps(figure.as_json())) == {"value": 0.5, "low": None, "high": None, "n": 3}


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="needs rows"):
        bootstrap(mean, np.zeros(0))
