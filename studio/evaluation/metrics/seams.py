"""Seams: places where a take goes on as another one would.

A join of two takes of one prompt, crossfaded and equally loud, is no edge that could be seen in a frame;
what differs is how the sound is on both its sides. So each place is judged by the seconds before and behind
it, over many lengths (`seam_curves`), and by how they differ at the take's other places (`seam_judge`).
No more than three seams in five minutes stand out of them; a take of nothing but joined clips has them as its
nature.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.metrics.frames import FRAME_S
from studio.evaluation.metrics.seam_curves import HOP, ROW_S, curves
from studio.evaluation.metrics.seam_judge import candidates, highest, shipped

WHOLE_S = 300.0  # of a longer take the five minutes around a place are its own distribution
BESIDE_S = 20.0  # that are heard beside them
LOOKS = 2  # at a part in which something is found, and at what lies between
APART_S = 8.0  # a seam is told by its windows a while before and behind it too
SHORTEST_S = 20.0  # of sound: less has no distribution of its own

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seam:
    """At `at_s`; `strength` is 1 at the threshold."""

    at_s: float
    strength: float

    def as_json(self) -> dict[str, Any]:
        return {"at_s": round(self.at_s, 2), "strength": round(self.strength, 2)}


def find_seams(frames: NDArray[np.floating], threshold: float | None = None) -> list[Seam]:
    """The seams of a take's frames [n, 64], 50 a second, in order; none in less than 20 s.

    `threshold` is the logit from which on a place is told, instead of that which comes with the weights:
    there it finds what docs/measuring.md says it finds.
    """
    least = shipped().threshold if threshold is None else threshold
    bounds = np.linspace(0, len(frames), max(1, round(len(frames) * FRAME_S / WHOLE_S)) + 1).astype(int)
    beside = round(BESIDE_S / ROW_S) * HOP
    found: list[Seam] = []
    for first, end in pairwise(bounds.tolist()):
        start = max(0, first // HOP * HOP - beside)
        part = _within(frames[start : end + beside], least, LOOKS)
        own = ((start + place, logit) for place, logit in part.items() if first <= start + place < end)
        found += [Seam(float(place * FRAME_S), _strength(logit, least)) for place, logit in own]
    return sorted(found, key=lambda seam: seam.at_s)


def _within(frames: NDArray[np.floating], least: float, looks: int) -> dict[int, float]:
    """The logits of the seams by their frames; what lies between those that are found is looked at anew.

    Two seams raise what is usual in a take, so that each hides the other: as in binary segmentation of a
    series, where one is found the sounds on either side are takes of their own.
    """
    if len(frames) * FRAME_S < SHORTEST_S:
        return {}
    rows, places = candidates(curves(frames))
    logits = shipped().logits(places)
    told, apart = np.where(logits > least, logits, -np.inf).astype(np.float32), round(APART_S / FRAME_S)
    height = dict(zip((rows * HOP).tolist(), logits.tolist(), strict=True))
    found = {place: height[place] for place in highest(rows * HOP, told, apart, len(rows))}
    if found and looks > 1:
        for first, end in pairwise([0, *sorted(found), len(frames)]):
            more = _within(frames[first:end], least, looks - 1)
            found |= {
                first + place: logit
                for place, logit in more.items()
                if all(abs(first + place - known) > apart for known in found)
            }
    return found


def _strength(logit: float, threshold: float) -> float:
    """Grows with the logit, and is 1 at the threshold."""
    return float(np.logaddexp(0, logit) / np.logaddexp(0, threshold))
