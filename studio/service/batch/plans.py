"""What a set would be before it is begun: its takes, their length and size on the disk, the time it takes."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from studio.core.errors import InvalidRequestError
from studio.core.request import ModelChoice
from studio.service.batch.estimate import estimate
from studio.service.batch.folder import SetFolder
from studio.service.batch.rows import Row

if TYPE_CHECKING:
    from studio.backends.base import Backend

    Borrow: TypeAlias = Callable[[ModelChoice], AbstractContextManager[Backend]]

log = logging.getLogger(__name__)

Kind: TypeAlias = tuple[str, str, int, str]
MAX_ROWS = 10_000  # more are for the command line
BYTES_A_SECOND = 32_000  # at most: 16 bits that nothing packs
NOBODYS = ".none"  # a set that is not there


@dataclass(frozen=True)
class Plan:
    """What a set would be: so many takes, so long together, at most so many bytes, of those that are free.
    `time_s` is None where it is not known.
    """

    takes: int
    sound_s: float
    size: int
    free: int
    time_s: float | None


class Paces:
    """How long rows of each kind took, a second of sound."""

    def __init__(self, borrow: Borrow | None = None) -> None:
        """`borrow` gives a model for a trial, where nothing is made with it; without it there is none."""
        self._borrow = borrow
        self._known: dict[Kind, float] = {}
        self._tried: set[Kind] = set()
        self._trial: threading.Thread | None = None

    def note(self, rows: Sequence[Row], worked_s: float) -> None:
        """Remember how long rows of one kind took."""
        if rows:
            self._known[_kind(rows[0])] = worked_s / sum(map(length_s, rows))

    def time_s(self, rows: Sequence[Row]) -> float | None:
        """About how long rows take; None where none of a kind among them has been made or tried."""
        paces = [self._known.get(_kind(row)) for row in rows]
        known = [pace * length_s(row) for pace, row in zip(paces, rows, strict=True) if pace is not None]
        return sum(known) if len(known) == len(rows) else None

    @property
    def trying(self) -> bool:
        """Whether rows are being tried out."""
        return self._trial is not None and self._trial.is_alive()

    def try_out(self, rows: Sequence[Row], folder: Path) -> None:
        """Begin to try a little of a row, if the rows' time is unknown and their model can be had.

        Takes seconds, and more where the model is not loaded: in a thread. `folder` is where sets lie.
        """
        models = {row.request.model for row in rows}
        if self._borrow is None or self.trying or len(models) != 1 or self.time_s(rows) is not None:
            return
        tried = {_kind(row) for row in rows}
        if not tried <= self._tried:  # what could not be tried once is not tried at every look
            self._tried |= tried
            self._trial = threading.Thread(target=self._try, args=(once(rows), folder), daemon=True)
            self._trial.start()

    def close(self, timeout_s: float) -> None:
        """Wait for the end of a trial."""
        if self._trial is not None:
            self._trial.join(timeout_s)

    def _try(self, rows: Sequence[Row], folder: Path) -> None:
        if self._borrow is None:
            return
        try:
            with self._borrow(rows[0].request.model) as backend:
                tried = estimate(rows, SetFolder(folder / NOBODYS), lambda _: backend)
        except Exception as error:  # or whoever asks would be told for ever that it is being tried
            log.info("Can't say how long a set takes: %s", error)
            self._tried -= {_kind(row) for row in rows}
            return
        if tried.time_s is not None and tried.left_s:
            for row in rows:
                self._known.setdefault(_kind(row), tried.time_s / tried.left_s)


def plan(rows: Sequence[Row], folder: Path, paces: Paces) -> Plan:
    """What a set of these rows would be, among those in a folder.

    Raises:
        InvalidRequestError: it has none, too many, or one that has no end.
    """
    rows = once(rows)
    if not 1 <= len(rows) <= MAX_ROWS:
        raise InvalidRequestError(
            f"A set here has 1 to {MAX_ROWS:,} takes, this one {len(rows):,}: split its sheet, or use "
            "longwave batch."
        )
    sound_s = sum(map(length_s, rows))
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    return Plan(len(rows), sound_s, int(sound_s * BYTES_A_SECOND), free, paces.time_s(rows))


def once(rows: Sequence[Row]) -> list[Row]:
    """The rows, those that come twice once: they would be the same file."""
    return list({row.id: row for row in rows}.values())


def length_s(row: Row) -> float:
    """A row's seconds. Raises `InvalidRequestError` where it has no end."""
    if row.request.duration_s is None:
        raise InvalidRequestError("A take of a set has a length: give each its seconds.")
    return row.request.duration_s


def _kind(row: Row) -> Kind:
    """What rows have in common that take about as long a second of sound."""
    request = row.request
    return request.model.id, request.sampler.kind, request.sampler.steps, request.draft.kind
