"""Means over raters and items with their intervals, both drawn again: it is others like them one speaks
about.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.metrics.summary import CONFIDENCE, Figure

Ratings = NDArray[np.float64]


def mean_draws(ratings: Ratings, rounds: int = 2000, seed: int = 0) -> NDArray[np.float64]:
    """Means [rounds, systems] of `ratings` [raters, items, systems] whose raters and items are drawn again.

    Both are drawn with replacement and apart from each other, for all systems alike, so that systems can be
    compared draw by draw; NaN ratings are left out. Of a single rater or item only the other is drawn.
    (A. B. Owen, "The pigeonhole bootstrap", 2007: a little wide rather than too narrow.)
    """
    raters, items, _ = ratings.shape
    rng = np.random.default_rng(seed)
    rater_counts, item_counts = _counts(rng, raters, rounds), _counts(rng, items, rounds)
    said = ~np.isnan(ratings)
    sums = _weighted(np.where(said, ratings, 0.0), rater_counts, item_counts)
    counts = _weighted(said.astype(np.float64), rater_counts, item_counts)
    with np.errstate(invalid="ignore"):  # a system of which a round drew nothing has no mean there
        return sums / np.where(counts > 0, counts, np.nan)


def mean_figure(ratings: Ratings, draws: NDArray[np.float64]) -> Figure:
    """The mean of `ratings` of any shape with the interval of its `draws` [rounds]; `n` counts ratings."""
    said = ratings[~np.isnan(ratings)]
    if not len(said):
        return Figure(np.nan, np.nan, np.nan, 0)
    return Figure(float(said.mean()), *interval(draws), len(said))


def interval(draws: NDArray[np.float64]) -> tuple[float, float]:
    """The ends that 95 % of the draws lie between; not a number where they are all one."""
    drawn = draws[~np.isnan(draws)]
    if not len(drawn) or np.ptp(drawn) == 0:
        return np.nan, np.nan
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(drawn, (tail, 100 - tail))
    return float(low), float(high)


def _counts(rng: np.random.Generator, size: int, rounds: int) -> NDArray[np.float64]:
    """How often each of `size` was drawn in each round [rounds, size]."""
    return rng.multinomial(size, np.full(size, 1 / size), rounds).astype(np.float64)


def _weighted(
    values: Ratings, rater_counts: NDArray[np.float64], item_counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    raters, items, systems = values.shape
    by_item = (rater_counts @ values.reshape(raters, -1)).reshape(-1, items, systems)
    return np.einsum("ki,kis->ks", item_counts, by_item)
