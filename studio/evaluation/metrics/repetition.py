"""Repetition: what of a take was heard before, and after how long a sound is like itself again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from studio.evaluation.metrics.frames import FRAME_S

ALIKE = 0.8  # correlation from which a second is the same one
SECOND = round(1 / FRAME_S)
BANDS = 32
WIDTH = 64  # of the sketch by which seconds are looked up
CANDIDATES = 3
STEP = 2  # frames from one second that is looked through to the next
MAX_LAG_S = 600.0
LEAST_PEAK = 0.3
MAX_PEAKS = 5
_FLAT = 0.15  # nepers RMS: what moves less within a second has nothing to be known by
_ROWS = 2048

Frames = NDArray[np.floating]


@dataclass(frozen=True)
class Again:
    """What is heard from `at_s` for `length_s` is what was heard from `from_s`."""

    at_s: float
    from_s: float
    length_s: float

    def as_json(self) -> dict[str, Any]:
        return {key: round(value, 2) for key, value in vars(self).items()}


@dataclass(frozen=True)
class Repetition:
    """`share` of the take's seconds that were heard before, None where none can be recognised.

    `lags` are (seconds, strength up to 1) at which the sound's course is like itself, the strongest first.
    """

    share: float | None
    again: list[Again]
    lags: list[tuple[float, float]]

    def as_json(self) -> dict[str, Any]:
        lags = [{"lag_s": round(lag, 2), "strength": round(strength, 3)} for lag, strength in self.lags]
        share = None if self.share is None else round(self.share, 4)
        return {"share": share, "again": [one.as_json() for one in self.again], "lags": lags}


def repetition(frames: Frames) -> Repetition:
    """Of a take's frames [n, 64], 50 a second."""
    rows = frames.astype(np.float32).reshape(len(frames), BANDS, -1).mean(axis=2)
    share, found = _seconds_again(rows)
    return Repetition(share, _joined(found), self_similarity(rows))


def self_similarity(rows: Frames) -> list[tuple[float, float]]:
    """Peaks of the autocorrelation of frames [n, bands] at half a second and more: (lag in s, height).

    The mean over pairs of frames so far apart of their product, the take's mean taken off; 1 at lag 0.
    """
    count = len(rows)
    if count < 2 * SECOND:
        return []
    moved = (rows - rows.mean(axis=0)).astype(np.float64)
    length = 1 << (2 * count - 1).bit_length()
    total = np.zeros(length // 2 + 1)
    for band in moved.T:
        total += np.abs(np.fft.rfft(band, length)) ** 2
    most = min(count // 2, round(MAX_LAG_S / FRAME_S))
    products = np.fft.irfft(total)[: most + 1] / (count - np.arange(most + 1))
    if products[0] < 1e-6:
        return []
    curve = products / products[0]
    peaks, _ = find_peaks(curve, height=LEAST_PEAK, prominence=LEAST_PEAK / 2, distance=SECOND // 4)
    kept = sorted((at for at in peaks if at >= SECOND // 2), key=lambda at: -float(curve[at]))
    return [(float(at * FRAME_S), float(curve[at])) for at in kept[:MAX_PEAKS]]


def _seconds_again(rows: Frames) -> tuple[float | None, list[tuple[int, int]]]:
    """The share of seconds that came before, and (frame, frame of the earlier one) of each."""
    asked = np.arange(0, len(rows) - SECOND + 1, SECOND)
    known = [int(at) for at in asked if _pattern(rows, int(at)) is not None]
    if len(known) < 2:
        return None, []
    places, sketches = _sketches(rows)
    found = []
    for first in range(0, len(known), 64):
        part = known[first : first + 64]
        patterns = np.stack([_flat_pattern(rows, at) for at in part])
        likeness = (patterns @ _projection()) @ sketches.T
        for at, pattern, row in zip(part, patterns, likeness, strict=True):
            earlier = row[: np.searchsorted(places, at - SECOND, side="right")]
            if len(earlier) and (origin := _twin(rows, pattern, places, earlier)) is not None:
                found.append((at, origin))
    return len(found) / (len(known) - 1), found


def _twin(rows: Frames, pattern: Frames, places: NDArray[np.int64], likeness: Frames) -> int | None:
    """The frame from which the same second was heard, of those that a sketch says are most like it."""
    best, where = ALIKE, None
    for index in np.argpartition(-likeness, min(CANDIDATES, len(likeness) - 1))[:CANDIDATES]:
        for at in range(max(0, int(places[index]) - STEP + 1), int(places[index]) + STEP):
            other = _pattern(rows, at) if at + SECOND <= len(rows) else None
            if other is not None and float(pattern @ other) > best:
                best, where = float(pattern @ other), at
    return where


def _sketches(rows: Frames) -> tuple[NDArray[np.int64], Frames]:
    """Every second of a take, `STEP` frames apart [m], in short [m, WIDTH]."""
    places = np.arange(0, len(rows) - SECOND + 1, STEP)
    out = np.zeros((len(places), WIDTH), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(rows, SECOND, axis=0)  # [n, bands, second]
    for first in range(0, len(places), _ROWS):
        part = windows[places[first : first + _ROWS]]
        moved = part - part.mean(axis=2, keepdims=True)
        flat = moved.reshape(len(part), -1)
        size = np.sqrt(np.square(flat).mean(axis=1, keepdims=True))
        scaled = np.where(size < _FLAT, 0.0, flat / np.maximum(size * np.sqrt(flat.shape[1]), 1e-9))
        out[first : first + _ROWS] = scaled.astype(np.float32) @ _projection()
    return places, out


def _pattern(rows: Frames, at: int) -> Frames | None:
    """How a second moves: [bands · frames], less its mean, of length 1; None where it hardly does."""
    part = rows[at : at + SECOND].T
    moved = (part - part.mean(axis=1, keepdims=True)).reshape(-1)
    size = float(np.sqrt(np.square(moved).mean()))
    return None if size < _FLAT else (moved / (size * np.sqrt(len(moved)))).astype(np.float32)


def _flat_pattern(rows: Frames, at: int) -> Frames:
    pattern = _pattern(rows, at)
    assert pattern is not None, "only seconds that can be known are asked for"
    return pattern


@lru_cache(maxsize=1)
def _projection() -> Frames:
    """Directions at random [bands · second, WIDTH], the same ones always."""
    draws = np.random.default_rng(0).standard_normal((BANDS * SECOND, WIDTH))
    return (draws / np.sqrt(WIDTH)).astype(np.float32)


def _joined(found: list[tuple[int, int]]) -> list[Again]:
    """Seconds that follow each other, as what they repeat does."""
    out: list[Again] = []
    for at, origin in found:
        at_s, from_s = at * FRAME_S, origin * FRAME_S
        last = out[-1] if out else None
        if (
            last is not None
            and abs(last.at_s + last.length_s - at_s) < 1e-6
            and abs(last.from_s + last.length_s - from_s) < 3.5 * FRAME_S
        ):
            out[-1] = Again(last.at_s, last.from_s, last.length_s + 1.0)
        else:
            out.append(Again(at_s, from_s, 1.0))
    return out
