"""Seams: places where a take goes on as another one would.

A join of two takes of one prompt, crossfaded and equally loud, is no edge that could be seen in a frame;
what differs is how the sound is on both its sides. So each place is judged by the seconds before and behind
it, over several lengths: the difference of their spectra, in units of how such spectra differ at all other
places of the same take (a Mahalanobis distance as in Hotelling's T², its covariance shrunk after Ledoit and
Wolf 2004, along sliding windows as in Foote's novelty, 2000). A place is a seam where that leaves the
distribution that the take's own places have: where it is higher, by a threshold, than the fourth highest of
five minutes. So no more than three seams in five minutes are told; a take of nothing but joined clips has
them as its nature.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.metrics.frames import FRAME_S

HOP = 2  # frames, 40 ms: places that are looked at
LENGTHS_S = (1.0, 2.0, 4.0)  # on either side
GUARD_S = 0.04  # left out on either side, where a crossfade has both
SHRINKAGE = 0.3
WHOLE_S = 300.0  # of a longer take the five minutes around a place are its own distribution
THRESHOLD = 0.55  # above the tail
TAIL = 3  # so many higher places may be seams; the next one tells what the take itself reaches
LEAST_TAIL = 0.6
APART_S = 2.0
SHORTEST_S = 20.0  # of sound: less has no distribution of its own
_FLOOR_NEPERS = 0.05
_FLOOR_POWER = 1e-4

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seam:
    """At `at_s`; `strength` is 1 at the threshold."""

    at_s: float
    strength: float

    def as_json(self) -> dict[str, Any]:
        return {"at_s": round(self.at_s, 2), "strength": round(self.strength, 2)}


def find_seams(frames: NDArray[np.floating], threshold: float = THRESHOLD) -> list[Seam]:
    """The seams of a take's frames [n, 64], 50 a second, in order; none in less than 20 s.

    `threshold` is how far `strangeness` must rise above the take's own tail: the default finds what
    docs/measuring.md says it finds.
    """
    found: list[Seam] = []
    parts = max(1, round(len(frames) * FRAME_S / WHOLE_S))
    bounds = np.linspace(0, len(frames), parts + 1).astype(int)
    beside = round(max(LENGTHS_S) / FRAME_S) + HOP
    for first, end in pairwise(bounds):
        start = max(0, int(first) - beside)
        places, curve = strangeness(frames[start : end + beside])
        at = start + places
        own = (at >= first) & (at < end)
        peaks = _peaks(at[own], curve[own], LEAST_TAIL)
        heights = sorted((height for _, height in peaks), reverse=True)
        tail = heights[TAIL] if len(heights) > TAIL else LEAST_TAIL
        found += [
            Seam(float(place * FRAME_S), (height - tail) / threshold)
            for place, height in peaks
            if height - tail > threshold
        ]
    return found


def strangeness(frames: NDArray[np.floating]) -> tuple[NDArray[np.int64], Floats]:
    """Places (frame numbers) [m] and how far the change there leaves what is usual in these frames [m].

    The mean, over `LENGTHS_S`, of log(1 + z): z is the change's distance over its median, in units of that
    from median to upper quartile.
    """
    rows = _pooled(frames)
    guard = round(GUARD_S / FRAME_S / HOP)
    lengths = [round(length / FRAME_S / HOP) for length in LENGTHS_S]
    reach = max(lengths) + guard
    if len(rows) * HOP * FRAME_S < SHORTEST_S:
        return np.zeros(0, np.int64), np.zeros(0)
    places = np.arange(reach, len(rows) - reach + 1)
    total = np.zeros(len(places))
    for length in lengths:
        change = _changes(rows, length, guard)
        distance = _own_distance(change)
        middle = float(np.median(distance))
        usual = float(np.percentile(distance, 75)) - middle
        z = (distance - middle) / (usual + 0.05)
        skip = reach - length - guard
        total += np.log(np.maximum(z, -0.9) + 1)[skip : skip + len(places)]
    return places * HOP, total / len(lengths)


def _pooled(frames: NDArray[np.floating]) -> Floats:
    whole = len(frames) // HOP * HOP
    return frames[:whole].astype(np.float64).reshape(-1, HOP, frames.shape[1]).mean(axis=1)


def _changes(rows: Floats, length: int, guard: int) -> Floats:
    """The mean log spectrum behind each place less the one before it; louder rows weigh more."""
    weights = np.exp(rows).sum(axis=1, keepdims=True) + _FLOOR_POWER
    sums = np.cumsum(np.concatenate([rows * weights, weights], axis=1), axis=0)
    sums = np.concatenate([np.zeros((1, sums.shape[1])), sums])
    windows = sums[length:] - sums[:-length]
    means = windows[:, :-1] / windows[:, -1:]
    return means[length + 2 * guard :] - means[: len(means) - length - 2 * guard]


def _own_distance(change: Floats) -> Floats:
    """How unusual each change [m, 64] is among all of them, root mean square of whitened bands [m]."""
    scale = np.sqrt(np.median(change**2, axis=0) / 0.455) + _FLOOR_NEPERS  # χ²₁ has its median there
    scaled = np.clip(change / scale, -5.0, 5.0)
    covariance = scaled.T @ scaled / len(scaled)
    bands = len(covariance)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / bands * np.eye(bands)
    root = np.linalg.cholesky(np.linalg.inv(shrunk))
    distance: Floats = np.sqrt(np.square(scaled @ root).mean(axis=1))
    return distance


def _peaks(places: NDArray[np.int64], curve: Floats, least: float) -> list[tuple[int, float]]:
    """The highest places, of `least` or more, none nearer than `APART_S` to a higher one, in order."""
    left, near = curve.copy(), APART_S / FRAME_S
    found = []
    while len(left) and left.max() > least:
        best = int(np.argmax(left))
        found.append((int(places[best]), float(left[best])))
        left[np.abs(places - places[best]) < near] = -np.inf
    return sorted(found)
