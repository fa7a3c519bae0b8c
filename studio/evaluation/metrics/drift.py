"""Drift: whether a take goes away from how it began, or from what it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.metrics.summary import Figure, bootstrap

FEWEST = 4  # windows after the beginning: a line through fewer says nothing
BEGINNING = 0.1  # of the take, two windows at least
Vectors = NDArray[np.floating]


@dataclass(frozen=True)
class Course:
    """A figure of each window of a take, [n] at `times_s` [n], and how much it rises a minute."""

    times_s: NDArray[np.float64]
    values: NDArray[np.float64]
    per_minute: Figure

    def as_json(self) -> dict[str, Any]:
        return {
            "per_minute": self.per_minute.as_json(),
            "times_s": [round(float(at), 2) for at in self.times_s],
            "values": [round(float(value), 4) for value in self.values],
        }

    @property
    def change(self) -> float:
        """By how much the line through the values rises from the first to the last."""
        return self.per_minute.value * float(self.times_s[-1] - self.times_s[0]) / 60

    @property
    def scatter(self) -> float:
        """How far a value usually lies from the one before it."""
        return float(np.median(np.abs(np.diff(self.values))))

    @property
    def rises(self) -> bool:
        """Whether it surely rises, and by more than what one window differs from the next."""
        return self.per_minute.low > 0 and self.change > self.scatter

    @property
    def falls(self) -> bool:
        """The same downwards."""
        return self.per_minute.high < 0 and -self.change > self.scatter


def from_the_beginning(vectors: Vectors, times_s: NDArray[np.floating]) -> Course | None:
    """How far each window is from the beginning: 1 − the cosine of its vector and the mean of the first ones.

    Args:
        vectors: embeddings of windows in order [n, D].
        times_s: where their middles lie [n].

    Gives None where too few windows follow the beginning, which is the first tenth.
    """
    first = max(2, round(BEGINNING * len(vectors)))
    if len(vectors) < first + FEWEST:
        return None
    rows = unit(vectors)
    values = 1 - rows[first:] @ unit(rows[:first].mean(axis=0, keepdims=True))[0]
    return course(np.asarray(times_s, np.float64)[first:], values)


def towards(vectors: Vectors, text: Vectors, times_s: NDArray[np.floating]) -> Course | None:
    """CLAP's score of each window: the cosine of its vector and the text's [D]; None for too few windows."""
    if len(vectors) < FEWEST:
        return None
    return course(np.asarray(times_s, np.float64), unit(vectors) @ unit(text[None])[0])


def course(times_s: NDArray[np.float64], values: NDArray[np.floating]) -> Course:
    """Values over time, and the slope of the line through them a minute with its interval."""
    rows = np.stack([times_s / 60, values], axis=1).astype(np.float64)
    return Course(times_s, rows[:, 1], bootstrap(_slope, rows))


def unit(vectors: Vectors) -> NDArray[np.float64]:
    """Rows [n, D] of length 1; zeros stay zeros."""
    rows = np.asarray(vectors, np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _slope(rows: NDArray[np.float64]) -> float:
    """Least squares; 0 where all rows are of one time."""
    times, values = rows.T - rows.mean(axis=0)[:, None]
    spread = float(times @ times)
    return float(times @ values) / spread if spread > 0 else 0.0
