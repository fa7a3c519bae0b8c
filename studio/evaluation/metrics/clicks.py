"""Clicks: single samples that what stands around them does not lead to.

A linear prediction is fitted to each piece of sound; a click is where it fails for an instant by far more
than around it (Godsill and Rayner, *Digital Audio Restoration*, 1998, chapter 5). An attack fails it too, but
what was struck rings on, and a wave with edges has one in each period: such are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.metrics.blocks import Pieces, Sound

ORDER = 16
PIECE_S = 0.1
AROUND_S, NEAR_S, WIDE_S = 0.008, 0.0007, 0.06
MOST = 6  # that are looked at in a piece
NEXT_SHARE = 0.5  # of a click that the next largest error within 60 ms may have
RING = 2.0  # times the movement before it that may follow it: more is a thing that was struck
OVER_PIECE, OVER_AROUND = 8.0, 4.0
OF_LEVEL = 0.25  # of the level around it: the error that a smooth attack of a clear tone leaves is smaller
LEAST = 1e-3  # −60 dBFS: nobody hears less
APART_S = 0.02


class ClickFinder:
    """Times in seconds of clicks in any channel, found in pieces of 0.1 s."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._margin = round(WIDE_S * sample_rate) + ORDER
        self._pieces = Pieces(round(PIECE_S * sample_rate), self._margin, channels)
        self._found: list[float] = []

    def push(self, sound: Sound) -> None:
        """Take the next samples [n, channels]."""
        for start, piece in self._pieces.push(sound):
            self._look(start, piece)

    def times_s(self) -> list[float]:
        """The clicks, once all has been pushed."""
        for start, piece in self._pieces.flush():
            self._look(start, piece)
        kept: list[float] = []
        for at_s in sorted(self._found):
            if not kept or at_s - kept[-1] > APART_S:
                kept.append(at_s)
        return kept

    def _look(self, start: int, piece: Sound) -> None:
        for channel in piece.T:
            for at in self._clicks(channel.astype(np.float64)):
                self._found.append((start + at) / self._rate)

    def _clicks(self, sound: NDArray[np.float64]) -> list[int]:
        """Places of clicks in a piece, counted from the end of its left margin."""
        own = slice(self._margin, len(sound) - self._margin)
        if np.abs(sound[own]).max() < LEAST:
            return []
        error = np.abs(prediction_error(sound, ORDER))
        bound = max(OVER_PIECE * float(np.median(error)) / 0.6745, LEAST)
        moved = np.abs(np.diff(sound, prepend=sound[0]))
        near = round(NEAR_S * self._rate) + 1
        left, kept = np.where(error > bound, error, 0.0)[own], []
        for _ in range(MOST):
            place = int(np.argmax(left))
            if left[place] == 0:
                break
            left[max(0, place - near) : place + near + 1] = 0
            if self._alone(place + self._margin, sound, error, moved):
                kept.append(place)
        return kept

    def _alone(
        self,
        at: int,
        sound: NDArray[np.float64],
        error: NDArray[np.float64],
        moved: NDArray[np.float64],
    ) -> bool:
        """Whether the error there stands out, and the sound goes on behind it as it was before."""
        near, around = round(NEAR_S * self._rate) + 1, round(AROUND_S * self._rate)
        before, after = slice(at - around, at - near), slice(at + near + 1, at + around)
        beside = max(_strength(error[before]), _strength(error[after]))
        level = float(np.sqrt(np.square(sound[at - around : at + around]).mean()))
        if error[at] < max(OVER_AROUND * beside, OF_LEVEL * level):
            return False
        wide = error[max(ORDER, at - self._margin) : at + self._margin].copy()
        middle = min(at - ORDER, self._margin)
        wide[max(0, middle - ORDER) : middle + 2 * ORDER] = 0  # a click's own echo in what predicts
        return bool(
            wide.max() < NEXT_SHARE * error[at] and _rms(moved[after]) < RING * _rms(moved[before]) + LEAST
        )


def _rms(samples: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(samples).mean()))


def _strength(error: NDArray[np.float64]) -> float:
    """What is nearly the largest of an error, but for a sample in ten."""
    return float(np.percentile(error, 90))


def prediction_error(sound: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """What the linear prediction of so many samples, fitted to all of them [n], leaves of each [n]."""
    length = 1 << (2 * len(sound) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(sound, length)) ** 2
    lags = np.fft.irfft(spectrum)[: order + 1]
    lags[0] = lags[0] * (1 + 1e-9) + 1e-12
    table = lags[np.abs(np.arange(order)[:, None] - np.arange(order))]
    taps = np.linalg.solve(table, lags[1:])
    error: NDArray[np.float64] = np.convolve(sound, np.concatenate([[1.0], -taps]))[: len(sound)]
    error[:order] = 0.0  # nothing leads to the first ones
    return error
