"""How real are the families of sound? Recordings are asked which family's sounds they are nearest to.

Each family is the mean direction of its clips' embeddings, of a model's or of the corpus', the families' own
mean taken off. A recording ranks the families by the cosine of its direction with theirs; the place of the
family that it is of is 1 where the imitation is nearer to the real thing than any other family's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE
from studio.core.errors import InvalidRequestError
from studio.dsp.resample import resample
from studio.evaluation.embedders.base import Embedder, Samples
from studio.evaluation.metrics.summary import bootstrap
from studio.evaluation.sound_files import read_mono, sound_files

LEVEL = 0.05  # of all that is heard, as root of the mean square: what is loud is not nearer
HEARD_S = 60.0  # of a recording, at the most
TOP = 3

Clips = Mapping[str, Sequence[Samples]]
"""Family → its clips [n] at 16 kHz."""
Report = Callable[[str], None]


@dataclass(frozen=True)
class Recording:
    """A real sound [n] at 16 kHz, so that nothing tells it apart that the models can't have."""

    name: str
    family: str
    samples: Samples


def read_references(folder: Path, families: Sequence[str]) -> list[Recording]:
    """The recordings in a folder that has a folder for each family.

    Raises:
        InvalidRequestError: it has none, or a folder of no family, or a file that can't be read or is silent.
    """
    found = []
    for path in sound_files(folder):
        family = path.relative_to(folder).parts[0]
        if family not in families:
            raise InvalidRequestError(
                f"{path.relative_to(folder)} in {folder} is in no family's folder: name folders of "
                f"{', '.join(families)}."
            )
        samples = read_mono(path, SAMPLE_RATE, seconds=HEARD_S)
        if not samples.any():
            raise InvalidRequestError(f"{path.relative_to(folder)} is silent: take it out.")
        found.append(Recording(path.relative_to(folder).as_posix(), family, samples))
    return found


def direction(embedder: Embedder, samples: Samples) -> NDArray[np.float64]:
    """Where a sound lies [D]: the mean of its windows at one level, of unit length."""
    power = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    level = np.float32(LEVEL / power) if power > 0 else np.float32(1.0)
    heard = embedder.embed(resample(samples * level, SAMPLE_RATE, embedder.sample_rate))
    return _unit(heard.mean(axis=0, dtype=np.float64))


@dataclass(frozen=True)
class Directions:
    """The families' mean directions [families, D], of unit length, about their own `centre` [D]."""

    families: Sequence[str]
    centre: NDArray[np.float64]
    rows: NDArray[np.float64]

    @classmethod
    def of(cls, embedder: Embedder, clips: Clips, report: Report = lambda _: None) -> Directions:
        """Hear every clip of every family."""
        means = []
        for family, sounds in clips.items():
            report(f"{embedder.name} hears {family}")
            means.append(np.mean([direction(embedder, samples) for samples in sounds], axis=0))
        centre = np.mean(means, axis=0)
        return cls(tuple(clips), centre, np.stack([_unit(mean - centre) for mean in means]))

    def place(self, family: str, towards: NDArray[np.float64]) -> int:
        """The place of a family for a sound of this direction [D]: 1 is the nearest."""
        nearness = self.rows @ _unit(towards - self.centre)
        return 1 + int((nearness > nearness[list(self.families).index(family)]).sum())


def measure_realism(
    embedder: Embedder,
    references: Sequence[Recording],
    clips: Mapping[str, Clips],
    report: Report = lambda _: None,
) -> dict[str, Any]:
    """The places of the right families, for each of `clips` ("model", "corpus") by the same recordings.

    `first_share` and `top3_share` are of the recordings, as `Figure.as_json` has them; `families` has for
    each family its recordings' places, in order.

    Raises:
        InvalidRequestError: there are no recordings.
    """
    if not references:
        raise InvalidRequestError("There are no recordings to rank by: give a folder that has some.")
    report(f"{embedder.name} hears the recordings")
    heard = [direction(embedder, recording.samples) for recording in references]
    found: dict[str, Any] = {}
    for name, families in clips.items():
        directions = Directions.of(embedder, families, report)
        places = [directions.place(r.family, towards) for r, towards in zip(references, heard, strict=True)]
        found[name] = _shares(references, np.array(places))
    return found


def _shares(references: Sequence[Recording], places: NDArray[np.int64]) -> dict[str, Any]:
    by_family: dict[str, list[int]] = {}
    for recording, place in zip(references, places.tolist(), strict=True):
        by_family.setdefault(recording.family, []).append(place)

    def share(most: int) -> dict[str, Any]:
        return bootstrap(lambda drawn: float((drawn <= most).mean()), places, within=(0.0, 1.0)).as_json()

    return {
        "first_share": share(1),
        f"top{TOP}_share": share(TOP),
        "mean_place": bootstrap(lambda drawn: float(drawn.mean()), places.astype(float)).as_json(),
        "families": {
            family: {"place": float(np.mean(row)), "places": row} for family, row in by_family.items()
        },
    }


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else vector
