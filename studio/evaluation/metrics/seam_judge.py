"""Which places of a take are likely seams: what its curves say there, weighed as it was learnt.

A logistic regression, learnt on joined takes of the corpus and on takes and recordings in one piece
(`studio.recipes.seam_training`, which writes `seams.json`). It knows no sounds: of a place it hears the
curves, each as it is and beside the highest ones of its take.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from studio.evaluation.metrics.seam_curves import NAMES, Floats

NEAR = 4  # rows: a curve's highest value there counts as a place's own
EDGE = 100  # rows at either end in which nothing is looked for, 4 s
TAIL, TAIL_LONG = 3, 2  # so many higher places may be seams; the next one tells what the take itself reaches
LEAST_TAIL = 0.6
BLOCK = 50  # rows, or one and a half windows, of which a tail counts the highest place
CANDIDATES, CANDIDATES_S = 6, 120.0  # of each group in so many seconds, and in shorter takes
APART = 25  # rows between candidates of a group
_FILE = Path(__file__).with_name("seams.json")
# By the mean of whose margins places are chosen to be judged.
_GROUPS: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...] = (
    (("loud",), (25, 50, 100)),
    (("plain", "eight"), (3, 6, 12)),
    (("fall-64", "fall-8", "fall-1"), (3, 6, 12)),
    (("plain", "quiet", "spread"), (50, 100)),
    (("loud", "plain", "quiet", "spread", "move"), (200, 400)),
    (("plain-by-own", "loud-by-own", "quiet-by-own"), (50, 100, 200)),
    (("level",), (3, 6, 12)),
)


@dataclass(frozen=True)
class Weights:
    """Of a logistic regression over `described` places: [2 × curves], a bias, and the least logit to tell."""

    weights: Floats
    bias: float
    threshold: float

    def logits(self, places: Floats) -> Floats:
        """Places as they are described [n, 2 × curves] → how likely each is a seam [n]."""
        found: Floats = places @ self.weights + np.float32(self.bias)
        return found

    def as_json(self) -> dict[str, Any]:
        names = [f"{name} {length}" for name, length in NAMES]
        rows = self.weights.reshape(2, -1).astype(float)
        return {
            "bias": round(self.bias, 5),
            "threshold": round(self.threshold, 3),
            "weights": {name: [round(rows[0, i], 5), round(rows[1, i], 5)] for i, name in enumerate(names)},
        }


@cache
def shipped() -> Weights:
    """What was learnt."""
    held = json.loads(_FILE.read_text(encoding="utf-8"))
    rows = np.array([held["weights"][f"{name} {length}"] for name, length in NAMES], np.float32)
    return Weights(rows.T.ravel(), float(held["bias"]), float(held["threshold"]))


def candidates(curves: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The places of curves [curves, places] that are worth judging [n], described [n, 2 × curves]."""
    values, margins = described(curves)
    count = curves.shape[1]
    most = max(CANDIDATES, round(CANDIDATES * count / 25 / CANDIDATES_S))
    found: set[int] = set()
    for rows in _groups():
        curve = margins[rows].mean(axis=0)
        curve[:EDGE] = curve[max(EDGE, count - EDGE) :] = -np.inf
        found.update(highest(np.arange(count), curve, APART, most))
    places = np.array(sorted(found), np.int64)
    return places, np.concatenate([values[:, places], margins[:, places]]).T


def described(curves: Floats) -> tuple[Floats, Floats]:
    """Each place's values [curves, places], and how far they are above the take's own highest ones."""
    known = np.isfinite(curves)
    held = np.where(known, curves, np.float32(-9))
    values = maximum_filter1d(held, 2 * NEAR + 1, axis=1)
    fits = values > -9
    margins = np.where(fits, values - _tails(held)[:, None], np.float32(-1.5))
    return np.where(fits, values, np.float32(0)), margins


def _tails(held: Floats) -> Floats:
    """What a take's own places reach on each curve [curves]."""
    found = np.full(len(held), 3.0, np.float32)
    for row, (_, length) in enumerate(NAMES):
        block = int(max(BLOCK, 1.5 * length))
        heights = np.maximum.reduceat(held[row], np.arange(0, held.shape[1], block))
        heights = np.sort(heights[heights > -9])[::-1]
        if len(heights):
            nth = TAIL if length <= 100 else TAIL_LONG
            found[row] = max(float(heights[min(nth, len(heights) - 1)]), LEAST_TAIL)
    return found


def highest(places: NDArray[np.int64], curve: Floats, apart: int, most: int) -> list[int]:
    """The places where a curve is highest, none nearer than `apart` to a higher one; −∞ is none."""
    left = curve.copy()
    found: list[int] = []
    while len(found) < most and len(left) and (best := int(np.argmax(left))) >= 0 and left[best] > -np.inf:
        found.append(int(places[best]))
        left[np.abs(places - places[best]) <= apart] = -np.inf
    return found


@cache
def _groups() -> tuple[list[int], ...]:
    index = {name: row for row, name in enumerate(NAMES)}
    return tuple([index[name, length] for name in names for length in lengths] for names, lengths in _GROUPS)
