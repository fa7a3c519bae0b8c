"""A figure with its interval: what every measure here ends in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Figure:
    """A figure, the ends of its 95 % interval, and how many rows (clips, windows, takes) it is of.

    `low` and `high` are not a number where there is no interval.
    """

    value: float
    low: float
    high: float
    n: int

    def as_json(self) -> dict[str, Any]:
        """As JSON can say it: null for what is no number."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {**{key: end if math.isfinite(end) else None for key, end in ends.items()}, "n": self.n}

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g}, n = {self.n})"


def bootstrap(
    statistic: Callable[..., float],
    *groups: NDArray[Any],
    rounds: int = 1000,
    seed: int = 0,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Figure:
    """A statistic of groups of rows with its 95 % bootstrap interval (Efron 1979).

    Each round draws as many rows of each group as it has, with replacement; rows of different groups are
    drawn apart, so pairs belong in one group. The percentiles of the draws are moved so that their median is
    the value: drawing with replacement repeats rows, which by itself makes a distance between sets larger,
    and only the spread of the draws is the sample's.

    Args:
        statistic: given the groups, the figure.
        groups: arrays whose first axis is rows; `n` is the first one's count.
        rounds: how often to draw.
        seed: of the draws.
        within: the least and the most that the statistic can be; no interval goes beyond.

    Raises:
        ValueError: no group, or one without rows.
    """
    if not groups or not all(len(group) for group in groups):
        raise ValueError("a bootstrap needs rows in each group")
    value = float(statistic(*groups))
    rng = np.random.default_rng(seed)
    draws = np.array(
        [
            statistic(*(group[rng.integers(0, len(group), len(group))] for group in groups))
            for _ in range(rounds)
        ]
    )
    low, high = spread(draws)
    least, most = within
    return Figure(value, max(least, value + low), min(most, value + high), len(groups[0]))


def spread(draws: NDArray[np.floating]) -> tuple[float, float]:
    """How far the ends of a bootstrap's 95 % lie from its median: none above 0, none below."""
    tail = 50 * (1 - CONFIDENCE)
    low, middle, high = np.percentile(draws, (tail, 50.0, 100.0 - tail))
    return float(low - middle), float(high - middle)
