"""How many planted seams are found, and how many places of seamless sound are taken for one.

A planted seam is made of two takes of one prompt: joined with a crossfade of 50 ms at equal loudness. Takes
of the corpus's families are two renderings of one description; others come as pairs of arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE
from studio.dsp.loudness import LoudnessMeter
from studio.evaluation.metrics.frames import FrameMeter
from studio.evaluation.metrics.seams import find_seams
from studio.recipes.corpus.clip import describe, render
from studio.recipes.corpus.families import FAMILIES

CROSSFADE_S = 0.05
NEAR_S = 1.0  # of a planted seam, in which it counts as found
FIRST_SEED = 70_000_000  # apart from what models are trained and judged on
Samples = NDArray[np.float32]


@dataclass
class Tally:
    """Of a kind of sound: planted seams and those found; false ones in `hours` of seamless sound."""

    planted: int = 0
    found: int = 0
    false: int = 0
    hours: float = 0.0

    @property
    def share(self) -> float:
        return self.found / max(1, self.planted)

    @property
    def false_an_hour(self) -> float:
        return self.false / self.hours if self.hours else 0.0


def joined(first: Samples, second: Samples, at_s: float) -> Samples:
    """`first` up to a place, then `second` as loud as it, crossfaded at equal power."""
    middle, half = round(at_s * SAMPLE_RATE), round(CROSSFADE_S * SAMPLE_RATE / 2)
    gain = 10 ** ((_loudness(first) - _loudness(second)) / 20)
    angles = np.linspace(0, np.pi / 2, 2 * half)
    across = first[middle - half : middle + half] * np.cos(angles)
    across = across + gain * second[middle - half : middle + half] * np.sin(angles)
    parts = [first[: middle - half], across, gain * second[middle + half :]]
    return np.concatenate(parts).astype(np.float32)


def corpus_takes(
    counts: Iterable[int], duration_s: float, families: Collection[str] = tuple(FAMILIES)
) -> Iterator[tuple[str, Samples, Samples]]:
    """For each family and number, two takes of one description, with the family's name."""
    for number in counts:
        for place, name in enumerate(FAMILIES):
            if name in families:
                seed = FIRST_SEED + number * 1000 + place
                description = describe(seed, scene=False, family=name, duration_s=duration_s)
                yield name, render(description, seed * 10), render(description, seed * 10 + 1)


def measure_seams(
    takes: Iterable[tuple[str, Samples, Samples]],
    threshold: float | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Tally]:
    """By kind, what becomes of a seam in the middle third of each pair, and of both its takes as they are."""
    tallies: dict[str, Tally] = {}
    for number, (kind, first, second) in enumerate(takes):
        tally = tallies.setdefault(kind, Tally())
        length_s = min(len(first), len(second)) / SAMPLE_RATE
        at_s = length_s * float(np.random.default_rng(number).uniform(1 / 3, 2 / 3))
        near = [s for s in _seams(joined(first, second, at_s), threshold) if abs(s[0] - at_s) <= NEAR_S]
        tally.planted += 1
        tally.found += bool(near)
        for take in (first, second):
            tally.false += len(_seams(take, threshold))
            tally.hours += len(take) / SAMPLE_RATE / 3600
        report(f"{number + 1}: {kind}, {tally.found} of {tally.planted}, {tally.false} false")
    return tallies


def false_alarms(sounds: Iterable[tuple[str, Samples]], threshold: float | None = None) -> dict[str, Tally]:
    """By kind, places of seamless sounds that are taken for seams."""
    tallies: dict[str, Tally] = {}
    for kind, sound in sounds:
        tally = tallies.setdefault(kind, Tally())
        tally.false += len(_seams(sound, threshold))
        tally.hours += len(sound) / SAMPLE_RATE / 3600
    return tallies


def total(tallies: Mapping[str, Tally]) -> Tally:
    """All kinds together."""
    rows: Sequence[Tally] = list(tallies.values())
    return Tally(
        sum(row.planted for row in rows),
        sum(row.found for row in rows),
        sum(row.false for row in rows),
        sum(row.hours for row in rows),
    )


def _seams(sound: Samples, threshold: float | None) -> list[tuple[float, float]]:
    meter = FrameMeter()
    meter.push(sound)
    return [(seam.at_s, seam.strength) for seam in find_seams(meter.frames(), threshold)]


def _loudness(sound: Samples) -> float:
    meter = LoudnessMeter(SAMPLE_RATE)
    meter.push(sound)
    return meter.integrated()
