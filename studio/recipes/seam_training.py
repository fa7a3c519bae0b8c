"""What is learnt of seams: the weights in `studio/evaluation/metrics/seams.json`, made anew.

```
python -m studio.recipes.seam_training seams.json --music FOLDER --music FOLDER
```

Takes of all families are joined and learnt from beside the same takes as they are, and recordings of music in
one piece; some 15 minutes of a core for six pairs a family. Ridge regression of the logit by Newton's method.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE
from studio.core.files import replace_file
from studio.dsp.resample import resample
from studio.evaluation.metrics.frames import FrameMeter
from studio.evaluation.metrics.seam_curves import ROW_S, curves
from studio.evaluation.metrics.seam_judge import Weights, candidates, described
from studio.recipes.corpus.clip import describe, render
from studio.recipes.corpus.families import FAMILIES
from studio.recipes.seams import Samples, joined

FIRST_SEED, FIRST_NUMBER = 80_000_000, 100  # apart from what seams are measured on
DURATIONS_S = (90.0, 120.0, 180.0, 90.0, 60.0, 240.0)
AT_S, BESIDE_S = (
    0.4,
    1.2,
)  # so near it is the seam, farther away none; nothing is learnt of what lies between
LEAST_MUSIC_S = 20.0
RIDGE = 500.0  # so much of the weights' squares, of standardised places, for each place's loss
THRESHOLD = -0.8  # of the logit: docs/measuring.md tells what it finds
STEPS = 12
Floats = NDArray[np.float64]
Learnt = tuple[NDArray[np.float32], NDArray[np.bool_]]  # places [n, D], and whether they are seams [n]


def corpus_pairs(
    durations_s: Sequence[float] = DURATIONS_S, families: Iterable[str] = tuple(FAMILIES)
) -> Iterator[tuple[str, Samples, Samples]]:
    """Two takes of a description for each duration and family, with a name."""
    for number, duration_s in enumerate(durations_s, FIRST_NUMBER):
        for place, family in enumerate(FAMILIES):
            if family in families:
                seed = FIRST_SEED + number * 1000 + place
                description = describe(seed, scene=False, family=family, duration_s=duration_s)
                yield f"{number}_{family}", render(description, seed * 10), render(description, seed * 10 + 1)


def from_pair(name: str, first: Samples, second: Samples) -> Iterator[Learnt]:
    """What two takes teach: joined one way and the other, and as they are."""
    draw = np.random.default_rng(zlib.crc32(name.encode()))
    length_s = min(len(first), len(second)) / SAMPLE_RATE
    for one, other, low in ((first, second, 1 / 3), (second, first, 1 / 4)):
        at_s = length_s * float(draw.uniform(low, 1 - low))
        yield places_of(joined(one, other, at_s), at_s)
        yield places_of(one)


def places_of(sound: Samples, at_s: float | None = None) -> Learnt:
    """The places of a sound that are worth judging; where a seam was planted, those beside it too."""
    meter = FrameMeter()
    meter.push(sound)
    found = curves(meter.frames())
    rows, places = candidates(found)
    if at_s is None:
        return places, np.zeros(len(rows), np.bool_)
    middle = round(at_s / ROW_S)
    near = np.arange(middle - 2, middle + 3, 2)
    values, margins = described(found)
    rows = np.concatenate([rows, near])
    places = np.concatenate([places, np.concatenate([values[:, near], margins[:, near]]).T])
    away_s = np.abs(rows * ROW_S - at_s)
    sure = (away_s <= AT_S) | (away_s > BESIDE_S)
    return places[sure], (away_s <= AT_S)[sure]


def music(folder: Path) -> Iterator[Learnt]:
    """Recordings of 20 s and more in a folder and those in it, each in one piece."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in {".ogg", ".flac", ".wav"} or sf.info(path).duration < LEAST_MUSIC_S:
            continue
        sound, rate = sf.read(path, dtype="float32", always_2d=True)
        yield places_of(resample(sound.mean(axis=1), rate))


def learn(seen: Iterable[Learnt], ridge: float = RIDGE, threshold: float = THRESHOLD) -> Weights:
    """The weights that tell the seams among all places."""
    parts = list(seen)
    places = np.concatenate([part for part, _ in parts]).astype(np.float64)
    right = np.concatenate([part for _, part in parts]).astype(np.float64)
    mean, deviation = places.mean(axis=0), places.std(axis=0) + 1e-6
    rows = np.concatenate([(places - mean) / deviation, np.ones((len(places), 1))], axis=1)
    cost = np.full(rows.shape[1], ridge)
    cost[-1] = 0.0
    weights = np.zeros(rows.shape[1])
    weights[-1] = np.log((right.sum() + 1) / (len(right) - right.sum() + 1))
    for _ in range(STEPS):
        share = 1 / (1 + np.exp(-(rows @ weights)))
        slope = rows.T @ (share - right) + cost * weights
        bend = (rows * (share * (1 - share))[:, None]).T @ rows + np.diag(cost)
        weights -= np.linalg.solve(bend, slope)
    plain = weights[:-1] / deviation
    return Weights(plain.astype(np.float32), float(weights[-1] - plain @ mean), threshold)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="studio.recipes.seam_training", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--music", type=Path, action="append", default=[], help="a folder of recordings")
    parser.add_argument("--durations", type=float, nargs="+", default=list(DURATIONS_S))
    asked = parser.parse_args(words)
    seen: list[Learnt] = []
    for name, first, second in corpus_pairs(asked.durations):
        print(name, file=sys.stderr, flush=True)
        seen += from_pair(name, first, second)
    for folder in asked.music:
        seen += music(folder)
    replace_file(asked.out, json.dumps(learn(seen).as_json(), indent=1).encode())


if __name__ == "__main__":
    main()
