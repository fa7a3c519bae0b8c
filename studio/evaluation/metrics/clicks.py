"""Clicks: single samples that what stands around them does not lead to.

A linear prediction is fitted to each piece of sound; a click is where it fails for an instant by far more than
around it (Godsill and Rayner, *Digital Audio Restoration*, 1998, chapter 5). An attack fails it too, but goes on
doing so for milliseconds, as what was struck rings: such are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.metrics.blocks import Pieces, Sound

ORDER = 16
PIECE_S = 0.1
AROUND_S, NEAR_S = 0.008, 0.0007
OVER_PIECE, OVER_AROUND = 12.0, 5.0
LEAST = 1e-3  # −60 dBFS: nobody hears less
APART_S = 0.02


class ClickFinder:
    """Times in seconds of clicks in any channel, found in pieces of 0.1 s."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._margin = round(AROUND_S * sample_rate) + ORDER
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

    def _clicks(self, sound: NDArray[np.float64]) -> NDArray[np.int64]:
        """Places of clicks in a piece, counted from the end of its left margin."""
        own = slice(self._margin, len(sound) - self._margin)
        if np.abs(sound[own]).max() < LEAST:
            return np.zeros(0, np.int64)
        error = np.abs(prediction_error(sound, ORDER))
        usual = float(np.median(error)) / 0.6745
        bound = max(OVER_PIECE * usual, LEAST)
        places = np.flatnonzero(error[own] > bound)
        near, around = round(NEAR_S * self._rate) + 1, round(AROUND_S * self._rate)
        kept = []
        for place in places:
            at = place + self._margin
            before = error[at - around : at - near]
            after = error[at + near : at + around]
            loudest = max(_strength(before), _strength(after), usual)
            if error[at] > OVER_AROUND * loudest and error[at] >= error[at - near : at + near + 1].max():
                kept.append(place)
        return np.array(kept, np.int64)


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
