"""A worker in a process of its own: what it is started with, and how it hears of its parent."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TypeAlias

from studio.core.errors import StudioError
from studio.pipeline.cancel import CancelToken
from studio.service.batch.folder import SetFolder
from studio.service.batch.units import Unit
from studio.service.batch.work import Maker, Progressed, work

MakeMaker: TypeAlias = Callable[[], Maker]
"""Makes a worker's maker in its own process: a function of a module, or a `functools.partial` of one."""

GRACE_S = 20.0  # for a worker to end in: a step of a large model takes seconds
STOP = "stop"  # all that a parent has to say


@dataclass(frozen=True)
class Task:
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
class Ended:
    """A worker's last word: nothing where all is done, else the error that ended it."""

    sentence: str = ""
    kind: str = ""
    stopped: bool = False


def main(connection: Connection, task: Task) -> None:
    """A worker: until nothing is left, or it is told to stop, or its parent is gone."""
    cancel, over = CancelToken(), threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be kept from this process
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
        last = Ended(stopped=cancel.is_set())
    except StudioError as error:
        last = Ended(str(error), type(error).__name__)
    over.set()
    with suppress(OSError):
        connection.send(last)


def _settle_in(task: Task) -> None:
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
