"""A folder of sets that workers make without a manifest, on any machine that sees it.

    DIR/NAME/rows.jsonl     a set's rows, as `listing` writes them
    DIR/NAME/wanted         there as long as somebody is to go on with the set
    DIR/NAME/ab/…           its takes, as `folder` has them

Who makes what is agreed on by claims in each set's folder. The sets have turns, so that a long one doesn't
keep those that come after it waiting to its end.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.files import disk_error, replace_file
from studio.pipeline.cancel import CancelToken
from studio.service.batch.claims import Claims
from studio.service.batch.folder import CLAIMS, FolderError, SetFolder
from studio.service.batch.listing import read_about, read_rows, sets_in
from studio.service.batch.units import Unit, units_of
from studio.service.batch.work import Maker, Progressed, Tally, Tell, work

log = logging.getLogger(__name__)

WANTED = "wanted"
LOOK_S = 1.0  # how soon a worker finds new sets, and that one was stopped
TURN_S = 20.0  # of work on a set before it is another's turn
SLICE = 4  # units that a worker looks after at a time


def ask(folder: Path) -> None:
    """Have workers make what of a set is neither there nor failed.

    Raises:
        InvalidRequestError: the folder is gone or can't be written.
        OutOfResourcesError: the disk is full.
    """
    try:
        replace_file(folder / WANTED, b"", sync=True)
    except OSError as error:
        raise disk_error(error, folder / WANTED) from error


def stop(folder: Path) -> None:
    """Have all workers leave a set: within about a second, with the step that they make.

    Raises:
        InvalidRequestError: the folder can't be written.
    """
    try:
        (folder / WANTED).unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(error, folder / WANTED) from error


def asked_ns(folder: Path) -> int:
    """When somebody last asked for a set, as its disk tells time; 0 where nobody is to make it."""
    try:
        return (folder / WANTED).stat().st_mtime_ns
    except OSError:
        return 0


def work_queue(
    path: Path,
    make: Maker,
    *,
    cancel: CancelToken,
    tell: Tell = lambda progressed: None,
    once: bool = False,
    look_s: float = LOOK_S,
    worker: str = "",
) -> Tally:
    """Make what is put into a folder of sets, beside whoever else does, until `cancel` is set.

    Returns what came of it; `tell` is told of every row as this worker finds it. `once` ends it as soon as
    nothing is wanted any more.

    Raises:
        FolderError: the disk is full, or the folder gone. No row is marked for that.
    """
    require_queue(path)
    worker_ = _QueueWorker(path, make, cancel, tell, look_s, worker)
    worker_.run(once=once)
    return worker_.tally


def require_queue(path: Path) -> None:
    """Raise `FolderError` where there is no folder to be worked in."""
    if not path.is_dir():
        raise FolderError(f"There is no folder {path}: start longwave serve --queue with it first.")


@dataclass
class _Set:
    """A set as this worker knows it: when it was asked for, and its units that may be left to make."""

    folder: Path
    asked_ns: int
    units: list[Unit]
    left: deque[Unit] = field(default_factory=deque)
    claims: Claims | None = None  # one for all turns: it takes a while to see that a claim is dead


class _QueueWorker:
    def __init__(
        self, path: Path, make: Maker, cancel: CancelToken, tell: Tell, look_s: float, worker: str
    ) -> None:
        self.tally = Tally()  # of what came to an end here
        self._failed: set[str] = set()
        self._path = path
        self._make = make
        self._cancel = cancel
        self._tell = tell
        self._look_s = look_s
        self._worker = worker
        self._sets: dict[str, _Set] = {}

    def run(self, *, once: bool) -> None:
        """Give each set a turn, and wait where none had anything to do."""
        try:
            while not self._cancel.is_set():
                require_queue(self._path)
                turns = [self._turn(one) for one in self._open()]
                if once and not turns:
                    return
                if not any(turns):
                    self._cancel.wait(self._look_s)
        finally:
            for one in self._sets.values():
                _close(one)

    def _open(self) -> list[_Set]:
        """The sets that are asked for, in that order."""
        known, self._sets = self._sets, {}
        for folder in sets_in(self._path):
            asked = asked_ns(folder)
            one = known.get(folder.name)
            if asked and (one is None or one.asked_ns != asked):
                one = _Set(folder, asked, _units_in(folder))
            if asked and one is not None:
                self._sets[folder.name] = one
        for name, one in known.items():
            if self._sets.get(name) is not one:
                _close(one)
        return sorted(self._sets.values(), key=lambda one: (one.asked_ns, one.folder.name))

    def _turn(self, one: _Set) -> bool:
        """Work on a set for a while; whether there was something to do."""
        ends, did, looks, made = time.monotonic() + TURN_S, False, 0, 0
        try:
            folder = SetFolder(one.folder, rows=sum(len(unit.rows) for unit in one.units))
            if one.claims is None:
                folder.prepare()
                one.claims = Claims(folder.path / CLAIMS, worker=self._worker).__enter__()
            with _watched(one.folder, self._cancel, self._look_s) as cancel:
                while asked_ns(one.folder) and not cancel.is_set():
                    if not one.left:
                        if looks and not made:
                            break  # others hold what is left
                        if not self._look(one, folder):
                            break
                        looks, made = looks + 1, 0
                    units = [one.left.popleft() for _ in range(min(SLICE, len(one.left)))]
                    made += self._make_some(folder, units, one.claims, cancel)
                    did = did or made > 0
                    if time.monotonic() >= ends:
                        break
        except FolderError:
            if one.folder.is_dir() or not self._path.is_dir():
                raise
            log.warning("The set %s was deleted", one.folder.name)
        return did

    def _make_some(self, folder: SetFolder, units: list[Unit], claims: Claims, cancel: CancelToken) -> int:
        """How many rows were made, or found to have faults, that were not before."""
        before = self.tally.rows
        work(folder, units, self._make, cancel=cancel, tell=self._note, start=0.0, claims=claims, wait=False)
        return self.tally.rows - before

    def _note(self, progressed: Progressed) -> None:
        """Tell of a row's making, and count what it came to, once."""
        self._tell(progressed)
        made = progressed.state == "made"
        if made or (progressed.state == "failed" and progressed.row not in self._failed):
            self._failed |= set() if made else {progressed.row}
            self.tally = replace(
                self.tally,
                rows=self.tally.rows + 1,
                made=self.tally.made + made,
                failed=self.tally.failed + (not made),
                sound_s=self.tally.sound_s + progressed.duration_s,
            )

    def _look(self, one: _Set, folder: SetFolder) -> bool:
        """Whether anything of a set is left, by its folder; that is then gone through from somewhere.

        One of which nothing is has been made, and is not wanted any more: what is deleted of it stays so.
        """
        settled = folder.survey(row.id for unit in one.units for row in unit.rows).settled
        left = [unit for unit in one.units if any(row.id not in settled for row in unit.rows)]
        if not left and asked_ns(one.folder) == one.asked_ns:
            stop(one.folder)
        one.left = deque(left)
        one.left.rotate(random.randrange(len(left)) if left else 0)  # workers meet late
        return bool(left)


def _close(one: _Set) -> None:
    if one.claims is not None:
        one.claims.__exit__(None, None, None)


def _units_in(folder: Path) -> list[Unit]:
    """The units of a set; none of one that can't be read, whose faults are in the log."""
    try:
        return units_of(read_rows(folder), read_about(folder).batch)
    except InvalidRequestError as error:
        log.warning("%s", error)
        return []


@contextmanager
def _watched(folder: Path, cancel: CancelToken, look_s: float) -> Iterator[CancelToken]:
    """A token that is set with `cancel`, or when the set is not wanted any more."""
    either, over = CancelToken(), threading.Event()

    def look() -> None:
        while not over.wait(look_s / 4):
            if cancel.is_set():
                either.set(cancel.reason)
            elif not asked_ns(folder):
                either.set("The set was stopped.")

    watch = threading.Thread(target=look, name="queue-watch", daemon=True)
    watch.start()
    try:
        yield either
    finally:
        over.set()
        watch.join()
