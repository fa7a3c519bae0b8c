"""A look-ahead limiter for true peaks, block by block: it turns the sound down before a peak, not at it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from studio.dsp.true_peak import PeakEnvelope

LOOKAHEAD_S = 0.005
HOLD_S = 0.01  # half a period down to 50 Hz: the gain does not follow a bass's own wave
RELEASE_DB_PER_S = 300.0


class Limiter:
    """Brings sound up by a gain and keeps its true peak at a ceiling, all channels turned down alike.

    The reduction in decibels rises along a smooth curve over `LOOKAHEAD_S` before a peak, is held for
    `HOLD_S` and falls by `RELEASE_DB_PER_S`. Once it is flushed, as many samples have come out as went in.
    """

    def __init__(self, sample_rate: int, channels: int, gain_db: float, ceiling_dbtp: float) -> None:
        self._envelope = PeakEnvelope(sample_rate, channels)
        self._over_db = gain_db - ceiling_dbtp
        self._gain_db = gain_db
        self._ahead = max(1, round(LOOKAHEAD_S * sample_rate))
        self._hold = round(HOLD_S * sample_rate)
        self._release_db = RELEASE_DB_PER_S / sample_rate
        rise = np.hanning(self._ahead + 3)[1:-1]
        self._rise = rise / rise.sum()
        self._sound = np.zeros((0, channels))
        self._needed = np.zeros(self._hold)
        self._held: NDArray[np.float64] | None = None
        self.reduction_db = 0.0

    def push(self, samples: NDArray[np.floating]) -> NDArray[np.float64]:
        """Take the next samples [n, channels]; what is ready of the limited sound [m, channels]."""
        self._sound = np.concatenate([self._sound, samples])
        peaks = self._envelope.push(samples)
        return self._limited(np.maximum(0.0, 20 * np.log10(np.maximum(peaks, 1e-9)) + self._over_db))

    def flush(self) -> NDArray[np.float64]:
        """The rest of the limited sound."""
        peaks = self._envelope.flush()
        needed = np.maximum(0.0, 20 * np.log10(np.maximum(peaks, 1e-9)) + self._over_db)
        return self._limited(np.concatenate([needed, np.zeros(self._ahead)]))

    def _limited(self, needed_db: NDArray[np.float64]) -> NDArray[np.float64]:
        reduction_db = self._smooth(self._highest(needed_db))
        ready, self._sound = self._sound[: len(reduction_db)], self._sound[len(reduction_db) :]
        self.reduction_db = max(self.reduction_db, float(reduction_db.max(initial=0.0)))
        return ready * 10 ** ((self._gain_db - reduction_db[:, None]) / 20)

    def _highest(self, needed_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is needed at most from `_hold` before a sample to `_ahead` after it."""
        self._needed = np.concatenate([self._needed, needed_db])
        width = self._hold + self._ahead + 1
        count = len(self._needed) - width + 1
        if count <= 0:
            return np.zeros(0)
        highest = maximum_filter1d(self._needed, width, origin=-(width // 2))[:count]
        self._needed = self._needed[count:]
        return highest

    def _smooth(self, highest_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Falls no faster than the release, and rises over `_ahead` samples to what their end needs."""
        if not len(highest_db):
            return highest_db
        before = np.full(self._ahead, highest_db[0]) if self._held is None else self._held
        fall = self._release_db * np.arange(len(highest_db) + 1)
        held = np.maximum.accumulate(np.concatenate([before[-1:], highest_db]) + fall) - fall
        held = np.concatenate([before[:-1], held])
        self._held = held[-self._ahead :]
        return np.convolve(held, self._rise, "valid")
