"""Rows of a tone, and what makes them without torch or a model: for tests of sets."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.request import parse_request
from studio.pipeline.cancel import CancelToken
from studio.service.batch.folder import Made, SetFolder
from studio.service.batch.rows import Row, row_of
from studio.service.batch.units import Unit, units_of
from studio.service.batch.work import Fault, Maker

RATE = 16000
SECONDS = 0.05


def rows(count: int, seconds: float = SECONDS, **settings: Any) -> list[Row]:
    """Takes of the tone model that differ by their prompts and seeds; `settings` hold for all."""
    given = {"mode": "sparse", "sampler": {"kind": "clip"}, "model": {"id": "tone"}, "duration_s": seconds}
    return [
        row_of(
            parse_request(**{**given, "prompt": f"rain {number}", "seed": number, **settings}),
            lambda choice: "",
            line=number + 1,
        )
        for number in range(count)
    ]


def units(count: int, batch: int = 1, seconds: float = SECONDS) -> list[Unit]:
    """Units of such rows."""
    return units_of(rows(count, seconds), batch)


def ids(units: list[Unit]) -> list[str]:
    """Of every row."""
    return [row.id for unit in units for row in unit.rows]


def samples_of(row: Row) -> NDArray[np.float32]:
    """What a row sounds like [n]: a tone whose pitch is its seed's."""
    count = round((row.request.duration_s or 0) * RATE)
    hertz = 200 + row.request.seed % 1000
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(count) / RATE)).astype(np.float32)


def made(row: Row) -> Made:
    """A row, in two pieces."""
    samples = samples_of(row)
    return Made(row, RATE, iter(np.array_split(samples, 2)), {"realtime_factor": 0.5})


def make_tone(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
    """A `Maker`."""
    for row in unit.rows:
        cancel.check()
        if row.id in wanted:
            yield made(row)


def tone_maker() -> Maker:
    """What `run_local` calls in its workers."""
    return make_tone


def hashes(folder: SetFolder) -> dict[str, str]:
    """Of every sound in a set's folder, by its row's id: there must be one record and one sound of each."""
    sounds = sorted(folder.path.glob("??/*.flac"))
    records = sorted(path for path in folder.path.glob("??/*.json"))
    assert [path.stem for path in sounds] == [path.stem for path in records]
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sounds}


def claims_in(path: Path) -> list[str]:
    """The names of the claims in a set's folder."""
    return sorted(path.name for path in (path / ".claims").iterdir())
