"""Dropouts: sound that is cut off and comes back as suddenly, with nothing in between.

A pause that somebody played ends what sounds before it: it fades, be it in milliseconds. In a dropout the
last sample before the hole is as loud as those before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.metrics.blocks import Pieces, Sound
from studio.evaluation.metrics.spans import Span, runs

SHORTEST_S, LONGEST_S = 0.002, 1.0
BESIDE_S, EDGE_S = 0.02, 0.002
EMPTY = 1e-5  # −100 dBFS, below the last bit of 16
HEARD = 10 ** (-50 / 20)  # as loud as what it is cut out of must be
EDGE_SHARE = 0.35  # of the level beside it that the edge must have


class DropoutFinder:
    """Holes of 2 ms to 1 s in sound; a hole is one in all channels."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._beside = round(BESIDE_S * sample_rate)
        self._size = sample_rate
        margin = round((LONGEST_S + BESIDE_S) * sample_rate) + 1
        self._margin = margin
        self._pieces = Pieces(self._size, margin, channels)
        self._found: list[Span] = []

    def push(self, sound: Sound) -> None:
        """Take the next samples [n, channels]."""
        for start, piece in self._pieces.push(sound):
            self._look(start, piece)

    def spans(self) -> list[Span]:
        """The dropouts, once all has been pushed."""
        for start, piece in self._pieces.flush():
            self._look(start, piece)
        return self._found

    def _look(self, start: int, piece: Sound) -> None:
        loud = np.abs(piece).max(axis=1)
        for first, end in runs(loud < EMPTY):
            own = self._margin <= first < self._margin + self._size
            if own and SHORTEST_S <= (end - first) / self._rate <= LONGEST_S and self._cut(loud, first, end):
                at = start + first - self._margin
                self._found.append(Span(at / self._rate, (end - first) / self._rate))

    def _cut(self, loud: NDArray[np.float32], first: int, end: int) -> bool:
        """Whether sound ends at `first` and begins at `end` without a fade."""
        edge = max(2, round(EDGE_S * self._rate))
        sides = (loud[max(0, first - self._beside) : first][::-1], loud[end : end + self._beside])
        for side in sides:
            if len(side) < self._beside:
                return False
            level = _rms(side)
            if level < HEARD or _rms(side[:edge]) < EDGE_SHARE * level:
                return False
        return True


def _rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
