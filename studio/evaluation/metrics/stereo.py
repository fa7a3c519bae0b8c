"""What is left of a stereo sound where it is played in mono."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.metrics.blocks import Pieces, Sound

WINDOW_S = 3.0
QUIET = 1e-7  # mean square, −70 dBFS: no window's correlation below that counts


@dataclass(frozen=True)
class MonoFit:
    """`correlation` of left and right, of the whole and the lowest of windows of 3 s; what mixing costs."""

    correlation: float
    lowest: float
    lowest_at_s: float
    loss_db: float  # of the mix against the channels' mean power: 0 for equal, −3 for unlike, −∞ for opposite

    def as_json(self) -> dict[str, Any]:
        return {
            "correlation": round(self.correlation, 4),
            "lowest_correlation": round(self.lowest, 4),
            "lowest_at_s": round(self.lowest_at_s, 2),
            "loss_db": round(self.loss_db, 2) if np.isfinite(self.loss_db) else None,
        }


class MonoMeter:
    """How well a sound of two channels fits into one."""

    def __init__(self, sample_rate: int) -> None:
        self._window_s = WINDOW_S
        self._pieces = Pieces(round(WINDOW_S * sample_rate), 0, 2)
        self._rows: list[NDArray[np.float64]] = []

    def push(self, sound: Sound) -> None:
        """Take the next samples [n, 2]."""
        self._rows += [_products(piece) for _, piece in self._pieces.push(sound)]

    def fit(self) -> MonoFit | None:
        """The figures, once all has been pushed; None where it is silent."""
        self._rows += [_products(piece) for _, piece in self._pieces.flush()]
        rows = np.array(self._rows).reshape(-1, 3)
        left, right, both = rows.sum(axis=0)
        if left + right <= 0:
            return None
        loud = np.flatnonzero((rows[:, 0] + rows[:, 1]) / 2 > QUIET)
        windows = np.array([_correlation(*row) for row in rows])
        lowest = loud[np.argmin(windows[loud])] if len(loud) else int(np.argmin(windows))
        mixed = (left + right + 2 * both) / 4
        loss = 10 * np.log10(mixed / ((left + right) / 2)) if mixed > 1e-12 * (left + right) else -np.inf
        whole = _correlation(left, right, both)
        return MonoFit(whole, float(windows[lowest]), float(lowest * self._window_s), float(loss))


def _products(piece: Sound) -> NDArray[np.float64]:
    """Mean squares of both channels, and the mean of their product."""
    left, right = piece.astype(np.float64).T
    return np.array([np.mean(left**2), np.mean(right**2), np.mean(left * right)])


def _correlation(left: float, right: float, both: float) -> float:
    """Of one channel that is silent: 0, as it has nothing in common."""
    scale = float(np.sqrt(left * right))
    return float(np.clip(both / scale, -1.0, 1.0)) if scale > 1e-15 else 0.0
