"""How layers are laid over each other: where they stand between two loudspeakers, and how they fade."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Matrix = tuple[float, float, float, float]  # left to left, right to left, left to right, right to right


def pan_matrix(pan: float, channels: int) -> Matrix:
    """What of a layer's channels goes into the left and the right of a mix, for `pan` from −1 to 1.

    One channel moves by constant power, √2 times the cosine and the sine: in the middle it is in both as it
    is, at a side in that one alone and 3 dB up. Of two channels the one on the side that is moved to stays,
    and the other is carried over to it by constant power; in the middle both stay as they are. So a layer in
    the middle is never changed, to the bit.
    """
    if channels == 1:
        if pan == 0:
            return (1.0, 0.0, 1.0, 0.0)
        angle = (pan + 1) * math.pi / 4
        return (math.sqrt(2) * math.cos(angle), 0.0, math.sqrt(2) * math.sin(angle), 0.0)
    angle = abs(pan) * math.pi / 2
    stays, moves = math.cos(angle), math.sin(angle)
    if pan == 0:
        return (1.0, 0.0, 0.0, 1.0)
    return (1.0, moves, 0.0, stays) if pan < 0 else (stays, 0.0, moves, 1.0)


def placed(samples: NDArray[np.floating], gain: float, matrix: Matrix) -> NDArray[np.float32]:
    """Samples [n, 1] or [n, 2] in a mix of two channels [n, 2], `gain` times as loud."""
    weights = np.array(matrix, np.float32).reshape(2, 2) * np.float32(gain)
    if samples.shape[1] == 1:
        return (samples * weights[:, 0]).astype(np.float32)
    return (samples[:, :1] * weights[:, 0] + samples[:, 1:] * weights[:, 1]).astype(np.float32)


def equal_power(place: NDArray[np.floating]) -> NDArray[np.float64]:
    """The gain of what fades in at a `place` from 0, silent, to 1; of what fades out meanwhile at 1 − place.

    The squares of both add up to 1, so that two sounds that have nothing in common stay as loud.
    """
    return np.sin(np.clip(place, 0.0, 1.0) * (np.pi / 2))


def factor(decibels: float) -> float:
    """A gain as what samples are multiplied by; exactly 1 for 0 dB."""
    return float(10 ** (decibels / 20))
