"""Where a take is silent."""

from __future__ import annotations

import numpy as np

from studio.evaluation.metrics.blocks import Pieces, Sound
from studio.evaluation.metrics.spans import Span, runs

FLOOR_DB = -60.0
SHORTEST_S = 0.5
FRAME_S = 0.05


class SilenceMeter:
    """Spans of half a second or more in which no frame of 50 ms is above −60 dBFS RMS in any channel."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._frame = max(1, round(FRAME_S * sample_rate))
        self._frame_s = self._frame / sample_rate
        self._pieces = Pieces(self._frame, 0, channels)
        self._silent: list[bool] = []

    def push(self, sound: Sound) -> None:
        """Take the next samples [n, channels]."""
        self._silent += [_silent(piece) for _, piece in self._pieces.push(sound)]

    def spans(self) -> list[Span]:
        """The silent spans, once all has been pushed."""
        self._silent += [_silent(piece) for _, piece in self._pieces.flush()]
        found = runs(np.array(self._silent, dtype=bool))
        return [
            Span(float(start * self._frame_s), float((end - start) * self._frame_s))
            for start, end in found
            if (end - start) * self._frame_s >= SHORTEST_S - 1e-9
        ]


def _silent(piece: Sound) -> bool:
    power = np.square(piece, dtype=np.float64).mean(axis=0).max()
    return bool(power < 10 ** (FLOOR_DB / 10))
