"""One worker over the units of a set: claim, make, write, let go, until nothing is left.

Any number of workers do this at once in one folder, in threads, processes or on other machines. None knows of
the others but by what lies there, and each may come and go at any time.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import CancelledError, StudioError
from studio.pipeline.cancel import CancelToken
from studio.service.batch.claims import ATTEMPTS, BEAT_S, Claims, Held, LostClaim
from studio.service.batch.folder import CLAIMS, FolderError, Made, SetFolder
from studio.service.batch.rows import Row
from studio.service.batch.units import Unit
from studio.service.jobs.runner import is_out_of_memory, message_for

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.05
CHECK_S = 1.0  # how often a claim is looked for in the midst of a row
DIED = "WorkerDied"
GIVEN_UP = (
    f"What made this row died {ATTEMPTS} times over it, perhaps for want of memory: make it with fewer "
    "workers or a smaller batch, and retry."
)
NOTHING_CAME = "The model gave nothing for this row; the log may say why. Retry it."


@dataclass(frozen=True)
class Fault:
    """A row of a unit that can't be made, where the others can."""

    row: Row
    error: StudioError


class Maker(Protocol):
    """What makes rows; it is called by one thread, for one unit after the other."""

    def __call__(self, unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        """Every row of the unit whose id is wanted, once, in any order.

        Rows that are not wanted are there, but were made beside those that are: a batch is made as a whole,
        so that it sounds as it did. What is raised is at fault for all that did not come yet.

        Raises:
            CancelledError: `cancel` was set.
            StudioError: a row's own fault.
        """
        ...


State = Literal["making", "made", "there", "failed"]


@dataclass(frozen=True)
class Progressed:
    """How a row stands: this worker is at it, has made it, found it there, or found it can't be made."""

    row: str
    line: int
    state: State
    duration_s: float = 0.0
    sentence: str = ""


@dataclass(frozen=True)
class Tally:
    """What came of so many `rows`: `made` here, `there` already or by others, `failed` whoever tried.

    `sound_s` is what was made here. Where the run was `stopped`, the rest is still to be made.
    """

    rows: int = 0
    made: int = 0
    there: int = 0
    failed: int = 0
    sound_s: float = 0.0
    stopped: bool = False

    @property
    def left(self) -> int:
        """Rows that are still to be made."""
        return self.rows - self.made - self.there - self.failed


Tell = Callable[[Progressed], None]


def work(
    folder: SetFolder,
    units: Sequence[Unit],
    make: Maker,
    *,
    cancel: CancelToken,
    tell: Tell = lambda progressed: None,
    retry_errors: bool = False,
    start: float | None = None,
    worker: str = "",
    beat_s: float = BEAT_S,
    claims: Claims | None = None,
    wait: bool = True,
) -> Tally:
    """Make what is not there of the units, beside whoever else does; returns once every row is there or has
    an error, or `cancel` was set.

    Args:
        tell: told of every row as it stands, in this thread.
        retry_errors: forget the errors of earlier runs first. Of several workers one is to do so.
        start: where in the units this worker begins, from 0 to 1; anywhere where it is not given.
        worker: what it is called in its claims.
        beat_s: how often it shows that it lives.
        claims: entered already, in place of ones of its own.
        wait: for units that others hold, which they may leave; else it returns without them.

    Raises:
        FolderError: the disk is full, or the folder gone. No row is marked for that.
    """
    folder.prepare()
    if retry_errors:
        folder.clear_errors(row.id for unit in units for row in unit.rows)
    own = claims or Claims(folder.path / CLAIMS, beat_s=beat_s, worker=worker)
    with nullcontext(claims) if claims is not None else own:
        loop = _Loop(folder, make, own, cancel, tell)
        try:
            loop.run(in_order(units, random.random() if start is None else start), wait=wait)
        finally:
            folder.settle()
    return loop.tally(sum(len(unit.rows) for unit in units))


def in_order(units: Iterable[Unit], start: float) -> list[Unit]:
    """The units from one of them on and around, those of one model together: workers that begin at different
    places meet late, and each loads few models.
    """
    ordered = sorted(units, key=lambda unit: unit.rows[0].request.model.id)
    first = int(start * len(ordered)) % max(1, len(ordered))
    return ordered[first:] + ordered[:first]


class _Loop:
    def __init__(
        self, folder: SetFolder, make: Maker, claims: Claims, cancel: CancelToken, tell: Tell
    ) -> None:
        self._folder = folder
        self._make = make
        self._claims = claims
        self._cancel = cancel
        self._tell = tell
        self._states: dict[str, State] = {}
        self._sound_s = 0.0
        self._look_s = 0.0  # what the last look at the folder took
        self._wasted_s = 0.0  # on units, since then, that there was nothing to do about

    def tally(self, rows: int) -> Tally:
        states = list(self._states.values())
        made, there, failed = (states.count(state) for state in ("made", "there", "failed"))
        return Tally(rows, made, there, failed, self._sound_s, self._cancel.is_set())

    def run(self, units: Sequence[Unit], *, wait: bool = True) -> None:
        """Pass over what is left until nothing is, or the run is cancelled; once if it isn't to `wait`."""
        left, pause_s = self._left(units), FIRST_PAUSE_S
        while left and not self._cancel.is_set():
            before = len(self._states)
            left = self._pass(deque(left))
            if not wait:
                return
            if len(self._states) > before:
                pause_s = FIRST_PAUSE_S
            elif left:
                self._cancel.wait(pause_s)
                pause_s = min(2 * pause_s, self._claims.beat_s / 2)
            left = self._left(left)
        if not left:
            self._claims.sweep({unit.id for unit in units})

    def _pass(self, left: deque[Unit]) -> list[Unit]:
        """Try each once; those that others hold."""
        others: list[Unit] = []
        while left and not self._cancel.is_set():
            if self._wasted_s > self._look_s:  # a look is worth it
                left = deque(self._left(left))
                continue
            unit, begun = left.popleft(), time.monotonic()
            came = self._try(unit)
            if came == "held":
                others.append(unit)
            if came != "worked":
                self._wasted_s += time.monotonic() - begun
        return others

    def _left(self, units: Iterable[Unit]) -> list[Unit]:
        """The units of which a row is neither there nor has an error, by a new look at the folder."""
        units = list(units)
        begun = time.monotonic()
        survey = self._folder.survey(row.id for unit in units for row in unit.rows)
        self._look_s, self._wasted_s = time.monotonic() - begun, 0.0
        for row in (row for unit in units for row in unit.rows if row.id in survey.settled):
            if row.id in survey.done:
                self._say(row, "there")
            else:
                self._say_failed(row)
        return [unit for unit in units if any(row.id not in survey.settled for row in unit.rows)]

    def _try(self, unit: Unit) -> Literal["worked", "settled", "held"]:
        """Make what is left of a unit, unless it was settled by others, or one of them is at it."""
        if not self._wanted(unit):
            return "settled"
        try:
            held = self._claims.take(unit.id)
        except OSError as error:
            raise self._folder.fault(error, self._folder.path / CLAIMS) from error
        if held is None:
            return "held"
        try:
            wanted = self._wanted(unit)  # again: another may have made it and let go just now
            if not wanted:
                return "settled"
            if held.given_up:
                for row in wanted:
                    self._fail(row, DIED, GIVEN_UP)
            else:
                self._make_rows(unit, wanted, held)
        except LostClaim:
            log.warning("Another worker took over %s", ", ".join(row.id for row in unit.rows))
            return "held"
        finally:
            self._claims.release(held)
        return "worked"

    def _wanted(self, unit: Unit) -> list[Row]:
        wanted: list[Row] = []
        for row in unit.rows:
            if self._folder.seems_done(row.id):
                self._say(row, "there")
            elif self._folder.error(row.id).exists():
                self._say_failed(row)
            else:
                wanted.append(row)
        return wanted

    def _make_rows(self, unit: Unit, wanted: Sequence[Row], held: Held) -> None:
        left = {row.id: row for row in wanted}
        beside = [row.id for row in unit.rows]
        for row in wanted:
            self._tell(Progressed(row.id, row.line, "making"))
        coming: Iterator[Made | Fault] | None = None
        try:
            coming = self._make(unit, tuple(left), self._cancel)
            for came in coming:
                if isinstance(came, Fault):
                    self._fail(left.pop(came.row.id), _kind(came.error), str(came.error))
                    continue
                came.chunks = _watched(came.chunks, held)
                seconds = self._folder.write(came, beside, before=held.check)
                self._sound_s += seconds
                self._say(left.pop(came.row.id), "made", seconds)
        except (FolderError, LostClaim):
            raise
        except Exception as error:
            if self._cancel.is_set() and isinstance(error, CancelledError):
                return
            kind, sentence = _kind(error), message_for(error)
            for row in left.values():
                self._fail(row, kind, sentence)
            left.clear()
        finally:
            close = getattr(coming, "close", None)
            if close is not None:
                close()
        for row in left.values() if not self._cancel.is_set() else ():
            self._fail(row, "NothingCame", NOTHING_CAME)

    def _fail(self, row: Row, kind: str, sentence: str) -> None:
        self._folder.write_error(row, kind, sentence)
        self._say(row, "failed", 0.0, sentence)

    def _say_failed(self, row: Row) -> None:
        if row.id not in self._states:
            error = self._folder.error_of(row.id)
            self._say(row, "failed", 0.0, error.sentence if error else "")

    def _say(self, row: Row, state: State, duration_s: float = 0.0, sentence: str = "") -> None:
        """Once of each row, and as it stands at last: what was found failed may have been made by another."""
        known = self._states.get(row.id)
        if known is None or (known == "failed" and state != "failed"):
            self._states[row.id] = state
            self._tell(Progressed(row.id, row.line, state, duration_s, sentence))


def _watched(chunks: Iterable[NDArray[np.floating]], held: Held) -> Iterator[NDArray[np.floating]]:
    """A row's chunks as long as its unit is this worker's."""
    look_at = time.monotonic()
    for chunk in chunks:
        if time.monotonic() >= look_at:
            held.check()
            look_at = time.monotonic() + CHECK_S
        yield chunk


def _kind(error: Exception) -> str:
    return "OutOfMemory" if is_out_of_memory(error) else type(error).__name__
