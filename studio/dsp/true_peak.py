"""True peak by ITU-R BS.1770-4, annex 2: the peak of the curve through the samples, block by block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

OVERSAMPLED_HZ = 192_000  # four times 48 kHz, as the annex has it; lower rates need a larger factor
MIN_FACTOR, MAX_FACTOR = 4, 24
_REACH = 16  # samples on either side that a value between two of them is made of
_KAISER_BETA = 8.0


def oversampling(sample_rate: int) -> int:
    """How many values a sample are looked at: 4 at 48 kHz and above, below it a multiple that makes 192 kHz.

    Between two of n values a sample the peak of a sine can be missed by a factor of cos(π f / n f_s) at most:
    near half the sampling rate 0.7 dB with 4, 0.08 dB with the 12 of 16 kHz.
    """
    factor = -(-OVERSAMPLED_HZ // sample_rate)
    return min(-(-factor // MIN_FACTOR) * MIN_FACTOR, MAX_FACTOR)


class PeakEnvelope:
    """For each sample the largest magnitude of the curve from the sample before it to the one after it.

    What it gives lags `DELAY` samples behind what it was fed; beyond both ends the sound counts as silence.
    """

    DELAY = _REACH

    def __init__(self, sample_rate: int, channels: int = 1) -> None:
        self._phases = _phases(oversampling(sample_rate))
        self._rest = np.zeros((2 * _REACH, channels), np.float32)
        self._before = np.zeros(1, np.float32)
        self._due = self.DELAY

    def push(self, samples: NDArray[np.floating]) -> NDArray[np.float32]:
        """Take the next samples [n, channels]; the envelope [m] over all channels of those now known."""
        count = len(samples)
        if not count:
            return np.zeros(0, np.float32)
        sound = np.concatenate([self._rest, samples.astype(np.float32)])
        self._rest = sound[-2 * _REACH :]
        between = np.zeros(count, np.float32)  # after the sample of the same index in `own`
        for channel in sound.T:
            windows = np.lib.stride_tricks.sliding_window_view(np.ascontiguousarray(channel), 2 * _REACH)
            np.maximum(between, np.abs(windows[1:] @ self._phases).max(axis=1), out=between)
        own = np.abs(sound[_REACH : _REACH + count]).max(axis=1)
        before = np.concatenate([self._before, between[:-1]])
        self._before = between[-1:]
        envelope = np.maximum(own, np.maximum(before, between))
        early = min(self._due, count)
        self._due -= early
        return envelope[early:]

    def flush(self) -> NDArray[np.float32]:
        """The envelope of the last samples, which silence follows."""
        return self.push(np.zeros((self.DELAY, self._rest.shape[1])))


class TruePeakMeter:
    """The true peak of all that was pushed, as a magnitude: 1 is full scale."""

    def __init__(self, sample_rate: int, channels: int = 1) -> None:
        self._envelope = PeakEnvelope(sample_rate, channels)
        self._peak = 0.0

    def push(self, samples: NDArray[np.floating]) -> None:
        """Take the next samples [n, channels]."""
        self._peak = max(self._peak, float(self._envelope.push(samples).max(initial=0.0)))

    def peak(self) -> float:
        """The peak, once all has been pushed."""
        return max(self._peak, float(self._envelope.flush().max(initial=0.0)))


def _phases(factor: int) -> NDArray[np.float32]:
    """Windowed sincs [2 · _REACH, factor − 1] for the values between the two samples in the middle."""
    at = np.arange(1, factor) / factor
    offset = np.arange(1 - _REACH, _REACH + 1)[:, None] - at
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0.0, 1 - (offset / _REACH) ** 2))) / np.i0(_KAISER_BETA)
    return (np.sinc(offset) * window).astype(np.float32)
