"""A set made by several processes of this machine, each with the models loaded once.

The parent makes nothing: it starts workers, hears from them, starts another where one died, and ends them
with itself. A worker hears of its parent's end by the pipe between them, which the system closes however that
came.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias

from studio.core.cores import cores as cores
from studio.core.errors import OutOfResourcesError, StudioError
from studio.core.interrupts import deferred
from studio.pipeline.cancel import CancelToken
from studio.service.batch.claims import BEAT_S, let_go
from studio.service.batch.folder import CLAIMS, SetFolder
from studio.service.batch.units import Unit
from studio.service.batch.work import Maker, Progressed, State, Tally, Tell, work

log = logging.getLogger(__name__)

MakeMaker: TypeAlias = Callable[[], Maker]
"""Makes a worker's maker in its own process: a function of a module, or a `functools.partial` of one."""

LOOK_S = 0.2  # how soon a run notices that it is to stop
GRACE_S = 20.0  # for a worker to end in: a step of a large model takes seconds
BARREN = 3  # workers that died one after the other without having begun a row
_STOP = "stop"


@dataclass(frozen=True)
class _Task:
    """What a worker is started with. `card` is the graphics card that it sees alone, if any."""

    folder: SetFolder
    units: Sequence[Unit]
    make_maker: MakeMaker
    start: float
    threads: int
    card: str
    beat_s: float
    worker: str


@dataclass(frozen=True)
class _Ended:
    """A worker's last word: nothing where all is done, else the error that ended it."""

    sentence: str = ""
    kind: str = ""
    stopped: bool = False


def run_local(
    folder: SetFolder,
    units: Sequence[Unit],
    make_maker: MakeMaker,
    *,
    workers: int,
    tell: Tell = lambda progressed: None,
    cancel: CancelToken,
    cards: Sequence[str] = (),
    retry_errors: bool = False,
    beat_s: float = BEAT_S,
) -> Tally:
    """Make what is not there of the units in so many processes, beside whoever else works in the folder.

    Args:
        make_maker: called once in each process, before its first unit.
        workers: how many; their number crunching shares the processor's cores evenly.
        tell: told of every row as it stands, in this thread.
        cancel: ends the run; what is being made is let go of.
        cards: the graphics cards (`graphics_cards`) that the workers have in turn, one each.
        retry_errors: forget the errors of earlier runs first.
        beat_s: how often a worker shows that it lives.

    Raises:
        FolderError: the disk is full, or the folder gone; the workers have ended.
        OutOfResourcesError: workers die before they begin.
        StudioError: what `make_maker` raised.
        KeyboardInterrupt: likewise, once the workers have ended.
    """
    folder.prepare()
    folder.sweep()
    if retry_errors:
        folder.clear_errors(row.id for unit in units for row in unit.rows)
    return _Crew(folder, make_maker, tell, cancel, beat_s).run(units, workers, cards)


def graphics_cards() -> list[str]:
    """The CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES names them; torch loads for it."""
    import torch

    count = torch.cuda.device_count()
    named = [card for card in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if card.strip()]
    return named[:count] if named else [str(number) for number in range(count)]


@dataclass
class _Worker:
    task: _Task
    process: BaseProcess
    connection: Connection
    begun: bool = False
    ended: bool = False


class _Crew:
    """The workers of one run."""

    def __init__(
        self, folder: SetFolder, make_maker: MakeMaker, tell: Tell, cancel: CancelToken, beat_s: float
    ) -> None:
        self._folder = folder
        self._make_maker = make_maker
        self._tell = tell
        self._cancel = cancel
        self._beat_s = beat_s
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._states: dict[str, State] = {}
        self._sound_s = 0.0
        self._barren = 0
        self._stopping = False
        self._deadline = 0.0
        self._error: StudioError | None = None

    def run(self, units: Sequence[Unit], workers: int, cards: Sequence[str]) -> Tally:
        left = self._survey(units)
        offset = random.random()  # or two runs in one folder would walk in step
        try:
            for number in range(min(workers, len(left))):
                place = (offset + number / workers) % 1.0
                card = cards[number % len(cards)] if cards else ""
                self._start(
                    _Task(
                        self._folder,
                        left,
                        self._make_maker,
                        place,
                        max(1, cores() // workers),
                        card,
                        self._beat_s,
                        f"worker-{number + 1}",
                    )
                )
            self._attend()
        except BaseException:
            with deferred():  # who asks twice in haste still has claims let go of
                self._stop()
                self._attend()
            raise
        if self._error is not None:
            raise self._error
        self._survey(left)
        rows = sum(len(unit.rows) for unit in units)
        states = list(self._states.values())
        made, there, failed = (states.count(state) for state in ("made", "there", "failed"))
        return Tally(rows, made, there, failed, self._sound_s, self._cancel.is_set())

    def _survey(self, units: Sequence[Unit]) -> list[Unit]:
        """The units that are not settled; whatever is news is told."""
        survey = self._folder.survey(row.id for unit in units for row in unit.rows)
        for unit in units:
            for row in unit.rows:
                if row.id in survey.done:
                    self._note(Progressed(row.id, row.line, "there"))
                elif row.id in survey.failed and row.id not in self._states:
                    error = self._folder.error_of(row.id)
                    self._note(Progressed(row.id, row.line, "failed", 0.0, error.sentence if error else ""))
        return [unit for unit in units if any(row.id not in survey.settled for row in unit.rows)]

    def _start(self, task: _Task) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_main, args=(theirs, task), name=task.worker)
        process.start()
        theirs.close()  # or its end would not be heard of
        self._workers.append(_Worker(task, process, ours))

    def _attend(self) -> None:
        """Hear the workers until all have ended."""
        while self._workers:
            by_handle: dict[Any, _Worker] = {}
            for worker in self._workers:
                by_handle[worker.process.sentinel] = worker
                if not worker.connection.closed:
                    by_handle[worker.connection] = worker
            ready = {id(by_handle[handle]): by_handle[handle] for handle in wait(list(by_handle), LOOK_S)}
            for worker in ready.values():
                alive = worker.process.is_alive()
                self._hear(worker)
                if not alive:
                    self._bury(worker)
            if self._cancel.is_set() and not self._stopping:
                self._stop()
            if self._stopping and time.monotonic() > self._deadline:
                self._kill()

    def _hear(self, worker: _Worker) -> None:
        """Take what a worker has said."""
        try:
            while not worker.connection.closed and worker.connection.poll():
                said = worker.connection.recv()
                if isinstance(said, _Ended):
                    self._take_leave(worker, said)
                else:
                    worker.begun, self._barren = True, 0
                    self._note(said)
        except (EOFError, OSError):  # killed in the middle of a word
            worker.connection.close()

    def _note(self, said: Progressed) -> None:
        known = self._states.get(said.row)
        if said.state == "making":
            self._tell(said)
        elif known is None or (known == "failed" and said.state != "failed"):
            self._states[said.row] = said.state
            self._sound_s += said.duration_s
            self._tell(said)

    def _take_leave(self, worker: _Worker, said: _Ended) -> None:
        worker.ended = not said.stopped or self._stopping
        if said.sentence:
            self._error = self._error or _error_of(said)
            self._stop()

    def _bury(self, worker: _Worker) -> None:
        """Take a worker off the list; where it died before its work was done, start another in its place."""
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        if worker.ended:
            return
        let_go(self._folder.path / CLAIMS, worker.process.pid or 0)
        if self._stopping:
            return
        status = worker.process.exitcode
        log.warning("%s died (%s): another is started in its place", worker.task.worker, status)
        if not worker.begun:
            self._barren += 1
        if self._barren >= BARREN:
            self._error = OutOfResourcesError(
                f"Workers died {BARREN} times before they had begun a row (exit status {status}): look what "
                "they said, and try fewer workers, as memory may be too small for so many."
            )
            self._stop()
            return
        self._start(worker.task)

    def _stop(self) -> None:
        """Ask all workers to end; those that don't in `GRACE_S` are killed."""
        if not self._stopping:
            self._stopping, self._deadline = True, time.monotonic() + GRACE_S
        for worker in self._workers:
            with suppress(OSError):
                worker.connection.send(_STOP)

    def _kill(self) -> None:
        for worker in self._workers:
            worker.process.kill()


def _error_of(said: _Ended) -> StudioError:
    kinds: dict[str, type[StudioError]] = {kind.__name__: kind for kind in StudioError.__subclasses__()}
    return kinds.get(said.kind, StudioError)(said.sentence)


def _main(connection: Connection, task: _Task) -> None:
    """A worker: until nothing is left, or it is told to stop, or its parent is gone."""
    cancel, over = CancelToken(), threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells all; the parent passes it on
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: cancel.set())
    threading.Thread(target=_listen, args=(connection, cancel, over), daemon=True).start()
    _settle_in(task)

    def tell(progressed: Progressed) -> None:
        with suppress(OSError):  # a parent that is gone: `_listen` sees to that
            connection.send(progressed)

    try:
        maker = task.make_maker()
        work(
            task.folder,
            task.units,
            maker,
            cancel=cancel,
            tell=tell,
            start=task.start,
            worker=task.worker,
            beat_s=task.beat_s,
        )
        last = _Ended(stopped=cancel.is_set())
    except StudioError as error:
        last = _Ended(str(error), type(error).__name__)
    over.set()
    with suppress(OSError):
        connection.send(last)


def _settle_in(task: _Task) -> None:
    """Take this worker's share of the machine, before torch loads and looks."""
    if task.card:
        os.environ["CUDA_VISIBLE_DEVICES"] = task.card
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(task.threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(task.threads)


def _listen(connection: Connection, cancel: CancelToken, over: threading.Event) -> None:
    """Stop when the parent says so, and when it is gone; then the end comes in any case."""
    gone = False
    try:
        connection.recv()
    except (EOFError, OSError):
        gone = True
    cancel.set()
    if gone and not over.wait(GRACE_S):
        os._exit(1)
