"""How far loops lie apart, and the choice of those that are kept as variations of each other.

Measured is what happens in them, and when: their log-mels, as the models' own VAE reads them, of which one is
turned round against the other until they agree most. So a loop, a louder copy of it and one that begins
elsewhere are at 0, and loops that have nothing in common but their mean spectrum are near 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import middle
from studio.core.kit import KitPlan

MEASURE = "1 - correlation of log-mels, at the turn of one loop against the other where they agree most"
_SMOOTH_FRAMES = 4  # of 10 ms: closer than that two events are one
_LAP_FRAMES = 3  # beyond either end, which is as far as a frame hears
_STILL = 1e-3  # deviation of a log-mel in which nothing happens

Heard = NDArray[np.float64]


def heard(samples: NDArray[np.float32], sample_rate: int) -> Heard:
    """What of a loop [n] or [n, channels] is compared: log-mels round the ring [frames, 64], their mean 0."""
    import torch

    from studio.dsp.mel import HOP_SAMPLES, log_mel
    from studio.dsp.resample import resample

    sound = resample(middle(samples), sample_rate)
    sound = sound[: len(sound) // HOP_SAMPLES * HOP_SAMPLES]
    lap = _LAP_FRAMES * HOP_SAMPLES
    lapped = np.concatenate([sound[-lap:], sound, sound[:lap]]).astype(np.float32)
    mel = log_mel(torch.from_numpy(lapped)).numpy().astype(np.float64)[_LAP_FRAMES:-_LAP_FRAMES]
    smooth = np.mean([np.roll(mel, shift, axis=0) for shift in range(_SMOOTH_FRAMES)], axis=0)
    return np.asarray(smooth - smooth.mean())


def distance(first: Heard, second: Heard) -> float:
    """From 0, the same loop at some turn, to 1 and a little above: nothing in common."""
    frames = min(len(first), len(second))
    one, other = first[:frames], second[:frames]
    common = (one.mean(axis=0) + other.mean(axis=0)) / 2
    one, other = one - common, other - common
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    if size < _STILL**2 * one.size:
        return 0.0
    spectrum = (np.fft.rfft(one, axis=0) * np.conj(np.fft.rfft(other, axis=0))).sum(axis=1)
    return max(0.0, 1.0 - float(np.fft.irfft(spectrum, frames).max()) / size)


@dataclass(frozen=True)
class Candidate:
    """A loop that may become a variation: its place among those made, and what is heard of it."""

    index: int
    heard: Heard


class Variations:
    """Loops that are offered one after the other, and kept where they lie far enough from the bed and from
    all that are kept already.
    """

    def __init__(self, plan: KitPlan, bed: Heard) -> None:
        self._plan, self._bed = plan, bed
        self._kept: list[Candidate] = []
        self._left: list[Candidate] = []

    @property
    def wanting(self) -> bool:
        """Whether another is to be made."""
        made = len(self._kept) + len(self._left)
        few = len(self._kept) < self._plan.variations
        return few and made < self._plan.variations + self._plan.tries

    @property
    def made(self) -> int:
        """How many were offered."""
        return len(self._kept) + len(self._left)

    def offer(self, candidate: Heard) -> None:
        """The next one."""
        one = Candidate(self.made, candidate)
        near = self._nearest(candidate) < self._plan.distance
        (self._left if near else self._kept).append(one)

    def chosen(self) -> list[Candidate]:
        """As many as are wanted, in the order in which they were made: where too few lie far enough apart,
        those beside them that lie farthest.
        """
        kept, left = list(self._kept), list(self._left)
        while left and len(kept) < self._plan.variations:
            farthest = max(left, key=lambda one: self._nearest(one.heard, kept))
            left.remove(farthest)
            kept.append(farthest)
        return sorted(kept, key=lambda one: one.index)

    def _nearest(self, candidate: Heard, kept: Sequence[Candidate] | None = None) -> float:
        others = [self._bed, *(one.heard for one in (self._kept if kept is None else kept))]
        return min(distance(candidate, other) for other in others)


def distances(loops: Sequence[Heard]) -> list[list[float]]:
    """Of each from each."""
    return [[round(distance(one, other), 3) for other in loops] for one in loops]


def least(table: Sequence[Sequence[float]]) -> float | None:
    """The smallest distance of two of them; None where there are no two."""
    pairs = [value for row, values in enumerate(table) for value in values[:row]]
    return min(pairs) if pairs else None
