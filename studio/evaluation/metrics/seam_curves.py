"""How much the sound behind each place of a take differs from that before it: in many ways, on many scales.

Each curve is a distance between two windows that meet at a place, which is then set against the same
distance at all other places of the take. What a place says is what has been learnt of the curves there
(`seams`). Sliding windows as in Foote's novelty (2000); distances are Mahalanobis', whose covariance is
shrunk (Ledoit and Wolf 2004).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.metrics.frames import FRAME_S

HOP = 2  # frames, 40 ms a row: places that are looked at lie between rows
ROW_S = HOP * FRAME_S
GUARD = 1  # rows left out on either side, where a crossfade has both
SHORT = (3, 6, 12, 25)  # rows on either side, 0.12 to 1 s
MIDDLE = (12, 25, 50, 100, 200, 400)  # 0.5 to 16 s
LENGTHS = (3, 6, *MIDDLE)
LONG = (50, 100, 200, 400)
OWN = 25  # whose covariance long windows are whitened by: a take has too few of theirs
# Of mean bands: louder rows weighing more; all alike; the level; eight groups of bands.
MEANS = ("loud", "plain", "level", "eight")
# The quietest rows weighing most; how far bands spread; how much they move from frame to frame.
TEXTURES = ("quiet", "spread", "move")
WHITENED = ("plain", "loud", "quiet", "spread")
SIDES = tuple(f"{way}-{bands}" for bands in (64, 8, 1) for way in ("fall", "rise"))
NAMES: tuple[tuple[str, int], ...] = (
    *((name, length) for length in LENGTHS for name in MEANS),
    *((name, length) for length in MIDDLE for name in TEXTURES),
    *((f"{name}-by-own", length) for length in LONG for name in WHITENED),
    *((name, length) for length in SHORT for name in SIDES),
)
_SHRINKAGE = 0.3
_CLIP, _CLIP_SIDES = 5.0, 8.0
_FLOOR, _FLOOR_TEXTURE = 0.05, 0.02  # nepers
_SPARE = 50  # windows that fit more than once have a distribution
_QUIETEST = -11.0

Floats = NDArray[np.float32]


def curves(frames: NDArray[np.floating]) -> Floats:
    """A curve of each of `NAMES` over the places of frames [n, 64], 50 a second: [curves, n // 2 + 1].

    Place p lies before row p of 40 ms. A value is log(1 + z): z is the distance over its median, in units of
    that from median to upper quartile. NaN where the windows don't fit, or hardly more than once.
    """
    rows = _Rows(frames)
    out = np.full((len(NAMES), rows.count + 1), np.nan, np.float32)
    index = {name: place for place, name in enumerate(NAMES)}
    own: dict[str, tuple[Floats, Floats]] = {}
    for length in LENGTHS:
        if rows.count < 2 * length + 2 * GUARD + _SPARE:
            continue
        for name, distance in _distances(rows, length, own):
            first = length + GUARD
            out[index[name], first : first + len(distance)] = _usual(distance)
    return out


class _Rows:
    """Sums along a take, of which means of windows are had."""

    def __init__(self, frames: NDArray[np.floating]) -> None:
        whole = frames[: len(frames) // HOP * HOP].astype(np.float64)
        self.count = len(whole) // HOP
        bands = frames.shape[1]
        rows = whole.reshape(-1, HOP, bands).mean(axis=1)
        moved = np.abs(np.diff(whole, axis=0, prepend=whole[:1])).reshape(-1, HOP, bands).mean(axis=1)
        weights = np.exp(rows).sum(axis=1, keepdims=True) + 1e-4
        self._loud = _sums(np.concatenate([rows * weights, weights], axis=1))
        self._plain, self._square = _sums(rows), _sums(rows * rows)
        self._quiet = _sums(np.exp(-np.maximum(rows, _QUIETEST)))
        self._moved = _sums(_grouped(moved, 16))

    def means(self, length: int) -> dict[str, NDArray[np.float64]]:
        """What windows of so many rows are like, by the names of `MEANS` and `TEXTURES`."""
        loud = _mean(self._loud, length)
        loud = loud[:, :-1] / loud[:, -1:]
        plain = _mean(self._plain, length)
        found = {
            "loud": loud, "plain": plain, "level": _grouped(loud, 1), "eight": _grouped(plain, 8),
        }  # fmt: skip
        if length in MIDDLE:
            variance = _grouped(_mean(self._square, length) - plain**2, 16)
            found["quiet"] = -np.log(_mean(self._quiet, length))
            found["spread"] = np.log(np.sqrt(np.maximum(variance, 0)) + 0.05)
            found["move"] = np.log(_mean(self._moved, length) + 0.02)
        return found


def _distances(
    rows: _Rows, length: int, own: dict[str, tuple[Floats, Floats]]
) -> Iterator[tuple[tuple[str, int], Floats]]:
    """All curves of a length, by their names; those of `OWN` leave their covariances behind."""
    changes = {name: _change(mean, length) for name, mean in rows.means(length).items()}
    for name, change in changes.items():
        floor = _FLOOR_TEXTURE if name in ("spread", "move") else _FLOOR
        scale = _scale(change[:: _apart(OWN, len(change))]) + floor
        scaled = np.clip(change / scale, -_CLIP, _CLIP)
        yield (name, length), _whitened(scaled, _root(scaled))
        if name not in WHITENED:
            continue
        if length == OWN:
            own[name] = scale, _root(scaled)
        if length in LONG and own:
            scale, root = own[name]
            relative = change / scale
            middle = np.median(np.abs(relative[:: _apart(100, len(relative))])) / 0.6745 + 1e-9
            yield (f"{name}-by-own", length), _whitened(np.clip(relative / middle, -_CLIP, _CLIP), root)
    if length in SHORT:
        yield from _sides(changes["plain"], length)


def _sides(change: Floats, length: int) -> Iterator[tuple[tuple[str, int], Floats]]:
    """Falls and rises apart: things begin suddenly by themselves, and seldom end so."""
    for bands in (64, 8, 1):
        few = change if bands == change.shape[1] else _grouped(change, bands)
        scaled = np.clip(few / (_scale(few[::3]) + _FLOOR), -_CLIP_SIDES, _CLIP_SIDES)
        for way, sign in (("fall", -1), ("rise", 1)):
            yield (f"{way}-{bands}", length), np.sqrt((np.maximum(sign * scaled, 0) ** 2).mean(axis=1))


def _change(means: NDArray[np.float64], length: int) -> Floats:
    """What a window behind each place has more than the one before it."""
    apart = length + 2 * GUARD
    return (means[apart:] - means[: len(means) - apart]).astype(np.float32)


def _apart(length: int, count: int) -> int:
    """Every so-manieth of windows that overlap is enough for what they are usually like."""
    return max(1, min(length // 4, count // 600))


def _scale(change: Floats) -> Floats:
    """The deviation of each band, from its median."""
    found: Floats = np.median(np.ascontiguousarray(np.abs(change).T), axis=1) / np.float32(0.6745)
    return found


def _root(scaled: Floats) -> Floats:
    """Of the inverse of the shrunk covariance of [n, D]: [D, D]."""
    covariance = (scaled.T @ scaled / len(scaled)).astype(np.float64)
    bands = len(covariance)
    mixed = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * np.trace(covariance) / bands * np.eye(bands)
    # A take in which nothing changes has no covariance at all.
    root: NDArray[np.float64] = np.linalg.cholesky(np.linalg.inv(mixed + 1e-9 * np.eye(bands)))
    return root.astype(np.float32)


def _whitened(scaled: Floats, root: Floats) -> Floats:
    found: Floats = np.sqrt(np.square(scaled @ root).mean(axis=1))
    return found


def _usual(distance: Floats) -> Floats:
    middle = float(np.median(distance))
    unit = float(np.percentile(distance, 75)) - middle + 0.05
    found: Floats = np.log(np.maximum((distance - middle) / unit, -0.9) + 1)
    return found


def _sums(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])


def _mean(sums: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (sums[length:] - sums[:-length]) / length
    return found


def _grouped(rows: NDArray[Any], count: int) -> NDArray[Any]:
    found: NDArray[Any] = rows.reshape(len(rows), count, -1).mean(axis=2)
    return found
