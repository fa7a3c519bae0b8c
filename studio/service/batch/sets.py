"""The sets of a studio: begun, made between its takes, stopped, gone on with, looked at row by row.

The truth of a set is its folder. What is kept here is who works on it now, and what was said of that.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.audio import format_time
from studio.core.errors import CancelledError, InvalidRequestError, OutOfResourcesError, StudioError
from studio.core.request import GenerationRequest, ModelChoice
from studio.core.settings import Settings
from studio.core.text import one_line
from studio.pipeline.cancel import CancelToken
from studio.service.batch.folder import Made, SetFolder, Survey
from studio.service.batch.listing import About, read_about, read_rows, sets_in, write_rows
from studio.service.batch.plans import Paces, Plan, once, plan
from studio.service.batch.rows import Fingerprint, Row
from studio.service.batch.standing import Look, Phase, Summary
from studio.service.batch.units import Unit, units_of
from studio.service.batch.work import Fault, Maker, work
from studio.service.jobs.runner import BUG_MESSAGE
from studio.service.takes.naming import slug
from studio.service.takes.shelf import SETS, shown

if TYPE_CHECKING:
    from studio.service.batch.plans import Borrow

log = logging.getLogger(__name__)

STRANGERS_ROWS = 20
MAX_NAME_CHARS, MAX_NAME_BYTES = 100, 100
SHUTDOWN_S = 10.0
KNOWN_ROWS = 8  # sets whose rows are kept in memory
GONE = "That set is not there any more: look at the list of sets."


@dataclass
class _Run:
    """A set that is worked on, waits for that, or was in this process."""

    id: str
    client: str
    cancel: CancelToken = field(default_factory=CancelToken)
    ended: bool = False
    said: str = ""
    making: frozenset[str] = frozenset()
    begun: bool = False
    worked_s: float = 0.0
    rows: int = 0  # made, or failed, in that time


class Sets:
    """Works on one set at a time, a unit in each turn that the device gives it. Any thread may ask."""

    def __init__(
        self,
        settings: Settings,
        make: Maker,
        turn: Callable[[ModelChoice, CancelToken], AbstractContextManager[None]],
        fingerprint: Fingerprint,
        admit: Callable[[GenerationRequest], None],
        require_place: Callable[[str, int], None],
        batch: Callable[[ModelChoice], int] = lambda _: 1,
        borrow: Borrow | None = None,
    ) -> None:
        """`turn` gives the device of a model between takes; `admit` and `require_place` refuse as they do for
        takes; `batch` says how many rows of a model are best made side by side. `borrow` gives a model to try
        out how long rows take, where nothing is made with it; without it that shows once some are made.
        """
        self._settings = settings
        self._folder = settings.outputs / SETS
        self._make = make
        self._turn = turn
        self.fingerprint = fingerprint
        self._admit = admit
        self._require_place = require_place
        self._batch = batch
        self._changed = threading.Condition()
        self._runs: dict[str, _Run] = {}
        self._queue: deque[_Run] = deque()
        self._rows: dict[str, tuple[Row, ...]] = {}
        self._paces = Paces(borrow)
        self._closed = False
        self._thread: threading.Thread | None = None

    def plan(self, rows: Sequence[Row]) -> Plan:
        """What a set of these rows would be. Raises as `plans.plan`."""
        return plan(rows, self._folder, self._paces)

    def try_out(self, rows: Sequence[Row]) -> bool:
        """Begin to find out how long rows take, if there are any, that is unknown and no set is made;
        whether it is being found out, so that `plan` will tell more.
        """
        if rows and not self.running():
            self._paces.try_out(rows, self._folder)
        return self._paces.trying

    def begin(self, rows: Sequence[Row], name: str, client: str = "") -> str:
        """Put a set into a folder of its own and make it as soon as the device is free; its id.

        Raises:
            InvalidRequestError: as `plan`; a row that this studio takes from nobody, or not from a stranger.
            OutOfResourcesError: the disk is full, or this client has so much under way already.
        """
        plan = self.plan(rows)
        for row in rows:
            self._admit(row.request)
        self._bound(plan, client)
        if plan.size > plan.free:
            raise OutOfResourcesError(
                f"The set needs about {plan.size / 1e9:.1f} GB and {plan.free / 1e9:.1f} GB are free: free "
                "some space, or ask for fewer takes."
            )
        name = one_line(name)[:MAX_NAME_CHARS] or one_line(rows[0].request.prompt)[:MAX_NAME_CHARS]
        folder = self._free_folder(name)
        kept = once(rows)
        write_rows(folder, name, kept, self._batch(kept[0].request.model))
        self._start(shown(folder.name), client)
        return shown(folder.name)

    def all(self, ids: Collection[str] | None = None, most: int = 100) -> list[Summary]:
        """The newest sets, or of those of these ids, the newest first; damaged ones are left out."""
        abouts: list[tuple[str, str]] = []
        for folder in sets_in(self._folder):
            set_id = shown(folder.name)
            if ids is None or set_id in ids:
                with suppress(InvalidRequestError):
                    abouts.append((read_about(folder).created, set_id))
        found = []
        for _, set_id in sorted(abouts, reverse=True)[:most]:
            with suppress(InvalidRequestError):
                found.append(self.summary(set_id))
        return found

    def summary(self, set_id: str) -> Summary:
        """How a set stands. Raises `InvalidRequestError` where there is none of that id."""
        folder = self.folder(set_id)
        return self._summed(set_id, read_about(folder), SetFolder(folder).survey())

    def look(self, set_id: str) -> Look:
        """A set with its rows, as its folder is now. Raises `InvalidRequestError` as `summary`."""
        path = self.folder(set_id)
        rows, folder = self._rows_in(path), SetFolder(path)
        survey = folder.survey(row.id for row in rows)
        with self._changed:
            run = self._runs.get(set_id)
            making = run.making if run is not None else frozenset()
        return Look(self._summed(set_id, read_about(path), survey), folder, rows, survey, making)

    def _summed(self, set_id: str, about: About, survey: Survey) -> Summary:
        made, failed = len(survey.done), len(survey.failed)
        with self._changed:
            run = self._runs.get(set_id)
            phase = _phase(about.rows, made, failed, run)
            left_s, said = None, ""
            if run is not None and phase == "making" and run.rows:
                left_s = max(0, about.rows - made - failed) * run.worked_s / run.rows
            elif run is not None and phase == "stopped":
                said = run.said
        return Summary(set_id, about, phase, made, failed, left_s, said)

    def stop(self, set_id: str, reason: str = "") -> None:
        """End the work on a set with the step that is made; what is whole stays. Only sets a flag.

        Raises:
            InvalidRequestError: nobody works on it here.
        """
        with self._changed:
            run = self._runs.get(set_id)
            if run is None or run.ended:
                raise InvalidRequestError("Nothing of that set is being made.")
            run.cancel.set(reason or "Stopped.")
            if run in self._queue:
                self._queue.remove(run)
                run.ended = True
            self._changed.notify_all()

    def go_on(self, set_id: str, client: str = "") -> None:
        """Make what is not made of a set. Harmless where that is being done.

        Raises:
            InvalidRequestError: there is no such set.
            OutOfResourcesError: this client has so much under way already.
        """
        look = self.look(set_id)
        if look.summary.phase in ("waiting", "making"):
            return
        self._bound(None, client)
        self._start(set_id, client)

    def retry(self, set_id: str, client: str = "", rows: Collection[str] = ()) -> None:
        """Make the rows that failed once more: those of these ids, or all. Raises as `go_on`."""
        look = self.look(set_id)
        look.folder.clear_errors(look.survey.failed & set(rows) if rows else look.survey.failed)
        self.go_on(set_id, client)

    def sound(self, set_id: str, row_id: str) -> Path:
        """A row's sound. Raises `InvalidRequestError` where there is none, or no such set."""
        folder = self.folder(set_id)
        sound = None
        if any(row.id == row_id for row in self._rows_in(folder)):
            sound = SetFolder(folder).found(row_id)
        if sound is None:
            raise InvalidRequestError("That take is not made, or not there any more.")
        return sound

    def running(self) -> list[Summary]:
        """Those that are made or wait, in their order."""
        with self._changed:
            ids = [run.id for run in self._runs.values() if not run.ended]
        return [self.summary(set_id) for set_id in ids]

    def folder(self, set_id: str) -> Path:
        """Where a set lies. Raises `InvalidRequestError` where there is none of that id."""
        for folder in sets_in(self._folder):
            if shown(folder.name) == set_id:
                return folder
        raise InvalidRequestError(GONE)

    def close(self) -> None:
        """End the work; what is whole stays, and each set can go on another time."""
        with self._changed:
            self._closed = True
            for run in self._runs.values():
                run.cancel.set("The studio was ended.")
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(SHUTDOWN_S)
        self._paces.close(SHUTDOWN_S)

    def _bound(self, plan: Plan | None, client: str) -> None:
        """Raise where a stranger asks for too much."""
        settings = self._settings
        if settings.private or not client:
            return
        limit_s = settings.unattended_limit_s
        if plan is not None and (plan.takes > STRANGERS_ROWS or plan.sound_s > limit_s):
            raise InvalidRequestError(
                f"A set of this studio has up to {STRANGERS_ROWS} takes and {format_time(limit_s)} of sound: "
                "ask for less."
            )
        self._require_place(client, settings.jobs_per_client - self._under_way(client))

    def _under_way(self, client: str) -> int:
        """How many sets of a client's are made, or wait."""
        with self._changed:
            return sum(run.client == client and not run.ended for run in self._runs.values())

    def _free_folder(self, name: str) -> Path:
        """A folder of nobody's. Where strangers ask, its name, which is the key to it, can't be guessed."""
        stem = slug(name, MAX_NAME_BYTES)
        if not self._settings.trusted:
            return self._folder / f"{stem}__{secrets.token_hex(16)}"
        number, folder = 2, self._folder / stem
        while os.path.lexists(folder):
            folder, number = self._folder / f"{stem}_{number}", number + 1
        return folder

    def _rows_in(self, folder: Path) -> tuple[Row, ...]:
        with self._changed:
            rows = self._rows.get(folder.name)
        if rows is None:
            rows = read_rows(folder)
            with self._changed:
                self._rows[folder.name] = rows
                while len(self._rows) > KNOWN_ROWS:
                    del self._rows[next(iter(self._rows))]
        return rows

    def _start(self, set_id: str, client: str) -> None:
        with self._changed:
            if self._closed:
                raise InvalidRequestError("The studio is ending: start it again first.")
            if (old := self._runs.get(set_id)) is not None and not old.ended:
                return
            run = _Run(set_id, client)
            self._runs[set_id] = run
            self._queue.append(run)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="sets", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                run = self._queue.popleft()
            try:
                self._make_all(run)
            except CancelledError as error:
                run.said = "" if str(error) == "Stopped." else str(error)
            except StudioError as error:
                run.said = str(error)
            except BaseException:  # without this thread no set would ever be made again
                log.critical("A set broke through its boundary", exc_info=True)
                run.said = BUG_MESSAGE
            finally:
                with self._changed:
                    run.making, run.ended = frozenset(), True

    def _make_all(self, run: _Run) -> None:
        run.cancel.check()
        folder = self.folder(run.id)
        rows = self._rows_in(folder)
        units = units_of(rows, read_about(folder).batch)
        kept = SetFolder(folder, rows=len(rows))
        work(kept, units, partial(self._in_turn, run), cancel=run.cancel, start=0.0)

    def _in_turn(
        self, run: _Run, unit: Unit, wanted: Collection[str], cancel: CancelToken
    ) -> Iterator[Made | Fault]:
        """A unit, made while no take is made or waits."""
        with self._turn(unit.rows[0].request.model, cancel):
            began = time.monotonic()
            run.making, run.begun = frozenset(wanted), True
            try:
                yield from self._make(unit, wanted, cancel)
                self._note(run, [row for row in unit.rows if row.id in wanted], time.monotonic() - began)
            finally:
                run.making = frozenset()

    def _note(self, run: _Run, rows: Sequence[Row], worked_s: float) -> None:
        """Remember how long these rows took: what is left takes about as long."""
        run.worked_s += worked_s
        run.rows += len(rows)
        self._paces.note(rows, worked_s)


def _phase(rows: int, made: int, failed: int, run: _Run | None) -> Phase:
    if run is not None and not run.ended:
        return "making" if run.begun else "waiting"
    if made + failed < rows:
        return "stopped"
    return "failed" if failed else "done"
