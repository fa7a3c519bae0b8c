"""Rows of tone, and what makes them without loading a model: for tests of sets."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from studio.backends.systems.tone import tone
from studio.core.request import parse_request
from studio.pipeline.cancel import CancelToken
from studio.service.batch.folder import Made
from studio.service.batch.rows import Row, row_of
from studio.service.batch.units import Unit, units_of
from studio.service.batch.work import Fault, Maker

RATE = 16000


def rows(count: int, seconds: float = 0.05, **settings: object) -> list[Row]:
    """Takes of the tone model that differ by their prompts and seeds."""
    given = {"mode": "sparse", "sampler": {"kind": "clip"}, "model": {"id": "tone"}, "duration_s": seconds}
    return [
        row_of(
            parse_request(**{**given, "prompt": f"rain {number}", "seed": number, **settings}),
            lambda choice: "",
            line=number + 1,
        )
        for number in range(count)
    ]


def units(count: int, batch: int = 1, seconds: float = 0.05) -> list[Unit]:
    """Units of such rows."""
    return units_of(rows(count, seconds), batch)


def make_tone(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
    """The tone itself, in pieces, beginning at the row's seed."""
    for row in unit.rows:
        cancel.check()
        if row.id in wanted:
            count = round((row.request.duration_s or 0) * RATE)
            first = row.request.seed * 7
            pieces = (tone(first + at, min(4096, count - at), RATE) for at in range(0, count, 4096))
            yield Made(row, RATE, pieces, {"seconds": 0.0})


def tone_maker() -> Maker:
    """As `run_local` calls it in its workers."""
    return make_tone
