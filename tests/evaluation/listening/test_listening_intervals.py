"""Intervals of means over raters and items hold what they should, about as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from studio.evaluation.listening.intervals import interval, mean_draws, mean_figure


def crossed(rng: np.random.Generator, raters: int, items: int) -> np.ndarray:
    """Ratings [raters, items, 1] around 0: some raters are kinder, some items better."""
    return (
        rng.normal(0, 0.5, (raters, 1, 1))
        + rng.normal(0, 0.5, (1, items, 1))
        + rng.normal(0, 0.7, (raters, items, 1))
    )


def test_the_mean_lies_in_its_interval_about_as_often_as_it_says() -> None:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(200):
        ratings = crossed(rng, 12, 15)
        low, high = interval(mean_draws(ratings, rounds=400)[:, 0])
        hits += low <= 0 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_of_one_item_it_is_the_ordinary_standard_error_of_raters() -> None:
    ratings = np.random.default_rng(1).normal(3, 1, (40, 1, 1))
    draws = mean_draws(ratings, rounds=20_000)
    assert draws.std() == pytest.approx(ratings.std() / np.sqrt(40), rel=0.03)


def test_systems_are_compared_draw_by_draw() -> None:
    """What all raters and items share cancels: a small difference that is always there is seen."""
    base = crossed(np.random.default_rng(2), 8, 8)
    draws = mean_draws(np.concatenate([base, base + 0.1], axis=2))
    np.testing.assert_allclose(draws[:, 1] - draws[:, 0], 0.1)
    low, high = interval(draws[:, 0])
    assert high - low > 0.5


def test_missing_ratings_are_left_out() -> None:
    ratings = np.array([[[1.0], [np.nan]], [[3.0], [5.0]]])
    figure = mean_figure(ratings, mean_draws(ratings)[:, 0])
    assert (figure.value, figure.n) == (3.0, 3)
    assert 1 <= figure.low < 3 < figure.high <= 5
    nothing = mean_figure(np.full((2, 2), np.nan), np.full(5, np.nan))
    assert nothing.as_json() == {"value": None, "low": None, "high": None, "n": 0}


def test_one_rating_has_no_interval() -> None:
    figure = mean_figure(np.full((1, 1), 4.0), mean_draws(np.full((1, 1, 1), 4.0))[:, 0])
    assert figure.as_json() == {"value": 4.0, "low": None, "high": None, "n": 1}
