"""Loudness in LUFS by ITU-R BS.1770-4, block by block: an hour takes no more memory than a minute."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

BLOCK_S, HOP_S = 0.4, 0.1
SHORT_TERM_S = 3.0
ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU, RANGE_GATE_LU = -70.0, -10.0, -20.0
_OFFSET = -0.691  # so that a full-scale sine of 997 Hz on one channel reads −3.01 LKFS
_HOPS_A_BLOCK = round(BLOCK_S / HOP_S)


def k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """The two filters of BS.1770, annex 1, as second-order sections [2, 6] at any rate.

    The recommendation gives coefficients at 48 kHz; these are the analogue prototypes they stand for (a shelf
    for the head, a high-pass), put through the bilinear transform.
    """
    shelf_hz, shelf_db, shelf_q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    tangent = np.tan(np.pi * shelf_hz / sample_rate)
    high = 10 ** (shelf_db / 20)
    band = high**0.4996667741545416
    scale = 1 + tangent / shelf_q + tangent**2
    shelf = [
        (high + band * tangent / shelf_q + tangent**2) / scale,
        2 * (tangent**2 - high) / scale,
        (high - band * tangent / shelf_q + tangent**2) / scale,
        1,
        2 * (tangent**2 - 1) / scale,
        (1 - tangent / shelf_q + tangent**2) / scale,
    ]
    pass_hz, pass_q = 38.13547087602444, 0.5003270373238773
    tangent = np.tan(np.pi * pass_hz / sample_rate)
    scale = 1 + tangent / pass_q + tangent**2
    high_pass = [1, -2, 1, 1, 2 * (tangent**2 - 1) / scale, (1 - tangent / pass_q + tangent**2) / scale]
    return np.array([shelf, high_pass])


class LoudnessMeter:
    """Integrated loudness and sample peak, fed in pieces of any length; each channel counts alike."""

    def __init__(self, sample_rate: int, channels: int = 1) -> None:
        self._filters = k_weighting(sample_rate)
        self._state = np.zeros((len(self._filters), 2, channels))
        self._hop = round(HOP_S * sample_rate)
        self._rest = np.zeros((0, channels))
        self._powers: list[NDArray[np.float64]] = []
        self.peak = 0.0

    def push(self, samples: NDArray[np.floating]) -> None:
        """Take the next samples, [n] or [n, channels]."""
        if not len(samples):
            return
        self.peak = max(self.peak, float(np.abs(samples).max()))
        sound = samples.reshape(len(samples), -1).astype(np.float64)
        weighted, self._state = sosfilt(self._filters, sound, axis=0, zi=self._state)
        sound = np.concatenate([self._rest, weighted])
        whole = len(sound) // self._hop * self._hop
        channels = sound.shape[1]
        powers = np.square(sound[:whole]).reshape(-1, self._hop, channels).mean(axis=1)
        self._powers.append(powers.sum(axis=1))
        self._rest = sound[whole:]

    def integrated(self) -> float:
        """LUFS of all so far, gated; −inf where it is all below −70, or shorter than a block of 0.4 s."""
        hops = np.concatenate(self._powers) if self._powers else np.zeros(0)
        if len(hops) < _HOPS_A_BLOCK:
            return -np.inf
        blocks = np.lib.stride_tricks.sliding_window_view(hops, _HOPS_A_BLOCK).mean(axis=1)
        heard = blocks[blocks > _power(ABSOLUTE_GATE_LUFS)]
        if not len(heard):
            return -np.inf
        gated = heard[heard > _power(_lufs(heard.mean()) + RELATIVE_GATE_LU)]
        return _lufs(gated.mean())

    def momentary(self) -> NDArray[np.float64]:
        """Momentary loudness by EBU Tech 3341: LUFS of each 0.4 s, 0.1 s apart [n]; −inf for silence.

        Not gated; none where less than that was pushed.
        """
        return self._sliding(_HOPS_A_BLOCK)

    def short_term(self) -> NDArray[np.float64]:
        """Short-term loudness by EBU Tech 3341: LUFS of each 3 s, 0.1 s apart [n]; −inf for silence.

        Not gated; none where less than 3 s were pushed.
        """
        return self._sliding(round(SHORT_TERM_S / HOP_S))

    def loudness_range(self) -> float | None:
        """Loudness range by EBU Tech 3342 in LU: between the 10th and the 95th percentile of the short-term
        loudness above its gates; None where nothing is.
        """
        found = self.short_term()
        found = found[found > ABSOLUTE_GATE_LUFS]
        if not len(found):
            return None
        mean_power = float(np.mean(10 ** ((found - _OFFSET) / 10)))
        gated = found[found > _lufs(mean_power) + RANGE_GATE_LU]
        low, high = np.percentile(gated, [10, 95])
        return float(high - low)

    def _sliding(self, count: int) -> NDArray[np.float64]:
        hops = np.concatenate(self._powers) if self._powers else np.zeros(0)
        if len(hops) < count:
            return np.zeros(0)
        with np.errstate(divide="ignore"):
            return _OFFSET + 10 * np.log10(_means(hops, count))


def _means(hops: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Of every `count` neighbours."""
    sums = np.concatenate([[0.0], np.cumsum(hops)])
    return np.maximum(sums[count:] - sums[:-count], 0.0) / count


def _lufs(power: float) -> float:
    return _OFFSET + 10 * float(np.log10(power))


def _power(lufs: float) -> float:
    return 10 ** ((lufs - _OFFSET) / 10)
