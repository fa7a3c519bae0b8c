"""Rows in units: those of one unit are made side by side, claimed together, and named in each other's record.

They follow from the rows and the size alone, whoever makes them, so that a row that is made again stands
beside the same others and sounds the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from studio.core.errors import InvalidRequestError
from studio.pipeline.alike import likeness
from studio.service.batch.identity import digest
from studio.service.batch.rows import Row

MAX_BATCH = 64


@dataclass(frozen=True)
class Unit:
    """Rows that are made in one go. `id` is the hash of their ids, 32 hex digits."""

    id: str
    rows: tuple[Row, ...]


def units_of(rows: Iterable[Row], batch: int) -> list[Unit]:
    """Units of `batch` alike rows in the rows' order (`pipeline.alike`), each other row by itself.

    A row that comes twice is taken once. A unit stands where its first row does.
    """
    if not 1 <= batch <= MAX_BATCH:
        raise InvalidRequestError(f"A batch is of 1 to {MAX_BATCH} rows.")
    groups: list[list[Row]] = []
    filling: dict[Hashable, list[Row]] = {}
    once: dict[str, Row] = {}
    for row in rows:
        once.setdefault(row.id, row)
    for row in once.values():
        key = likeness(row.request)
        group = None if key is None else filling.get(key)
        if group is None or len(group) == batch:
            groups.append(group := [])
            if key is not None:
                filling[key] = group
        group.append(row)
    return [_unit(group) for group in groups]


def shard_of(units: Sequence[Unit], index: int, count: int) -> list[Unit]:
    """The units of the shard `index` of `count`, from 1: every `count`-th one."""
    if not 1 <= index <= count:
        raise InvalidRequestError(f"There is no shard {index} of {count}: choose one from 1 to {count}.")
    return list(units[index - 1 :: count])


def _unit(rows: Sequence[Row]) -> Unit:
    return Unit(digest([row.id for row in rows]), tuple(rows))
