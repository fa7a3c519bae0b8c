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
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from studio.core.cores import cores as cores
from studio.core.errors import OutOfResourcesError, StudioError
from studio.core.interrupts import deferred
from studio.pipeline.cancel import CancelToken
from studio.service.batch.claims import ATTEMPTS, BEAT_S, let_go
from studio.service.batch.folder import CLAIMS, SetFolder
from studio.service.batch.ledger import Ledger
from studio.service.batch.local_worker import GRACE_S, STOP, Ended, MakeMaker, Task, main
from studio.service.batch.units import Unit
from studio.service.batch.work import Tally, Tell

__all__ = ["MakeMaker", "cores", "graphics_cards", "run_local"]

log = logging.getLogger(__name__)

LOOK_S = 0.2  # how soon a run notices that it is to stop
BARREN = 3  # workers that died one after the other without having begun a row
DEADLY = 4 * ATTEMPTS  # and over rows, without one that was made


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
    task: Task
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
        self._ledger = Ledger(folder, tell)
        self._cancel = cancel
        self._beat_s = beat_s
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._barren = 0
        self._deaths = 0
        self._stopping = False
        self._deadline = 0.0
        self._error: StudioError | None = None

    def run(self, units: Sequence[Unit], workers: int, cards: Sequence[str]) -> Tally:
        left = self._ledger.survey(units)
        if left:
            self._folder.sweep()
        offset = random.random()  # or two runs in one folder would walk in step
        try:
            for number in range(min(workers, len(left))):
                place = (offset + number / workers) % 1.0
                card = cards[number % len(cards)] if cards else ""
                self._start(
                    Task(
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
        self._ledger.survey(left)
        return self._ledger.tally(units, stopped=self._cancel.is_set())

    def _start(self, task: Task) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=main, args=(theirs, task), name=task.worker)
        with _no_interrupt():
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
                if isinstance(said, Ended):
                    self._take_leave(worker, said)
                else:
                    worker.begun, self._barren = True, 0
                    self._deaths = 0 if said.state == "made" else self._deaths
                    self._ledger.note(said)
        except (EOFError, OSError):  # killed in the middle of a word
            worker.connection.close()

    def _take_leave(self, worker: _Worker, said: Ended) -> None:
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
        self._deaths += 1
        self._barren += not worker.begun
        if self._barren < BARREN and self._deaths < DEADLY:
            log.warning("%s died (%s): another is started in its place", worker.task.worker, status)
            self._start(worker.task)
            return
        before = "they had begun a row" if self._barren >= BARREN else "they had made a row"
        self._error = self._error or OutOfResourcesError(
            f"Workers died {max(self._barren, self._deaths)} times before {before} (exit status {status}): "
            "look what they said, and try fewer workers, as memory may be too small for so many."
        )
        self._stop()

    def _stop(self) -> None:
        """Ask all workers to end; those that don't in `GRACE_S` are killed."""
        if not self._stopping:
            self._stopping, self._deadline = True, time.monotonic() + GRACE_S
        for worker in self._workers:
            with suppress(OSError):
                worker.connection.send(STOP)

    def _kill(self) -> None:
        for worker in self._workers:
            worker.process.kill()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """What is started inside never hears Ctrl-C, which a terminal sends to all: the parent passes it on."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _error_of(said: Ended) -> StudioError:
    kinds: dict[str, type[StudioError]] = {kind.__name__: kind for kind in StudioError.__subclasses__()}
    return kinds.get(said.kind, StudioError)(said.sentence)
