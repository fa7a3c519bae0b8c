"""A device's queue of takes: one thread, one take at a time; and turns for who works between takes."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from studio.core.audio import format_time
from studio.core.errors import InvalidRequestError, OutOfResourcesError
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.job import Job

log = logging.getLogger(__name__)

MAX_WAITING = 16
BORROW_S = 20.0
LOOK_S = 0.25  # a cancelled one that waits for its turn sees it so soon
BETWEEN = "Waiting: a take of a set is made before this one"


class DeviceQueue:
    """One thread and its bounded queue: a device computes one take at a time."""

    def __init__(
        self,
        device: str,
        run: Callable[[Job], None],
        max_waiting: int = MAX_WAITING,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        """`moved` is called, in the worker's thread, whenever the queue moves up."""
        self._run = run
        self._moved = moved
        self._max_waiting = max_waiting
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._between = False  # somebody has the device for a turn between takes
        self._borrowers = 0  # who wait for it
        self._device = threading.Lock()  # held while a take is made, or the model is borrowed
        self.current: Job | None = None
        self._thread = threading.Thread(target=self._work, name=f"worker-{device}", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Queue a job. Raises `OutOfResourcesError` where the queue is full."""
        with self._changed:
            if len(self._waiting) >= self._max_waiting:
                raise OutOfResourcesError(
                    f"{self._max_waiting} takes are waiting already: stop one or try again later."
                )
            self._waiting.append(job)
            self._changed.notify_all()

    def withdraw(self, job: Job) -> bool:
        """Take a job out of the queue. False where it is not waiting."""
        with self._changed:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            return True

    def before(self, job: Job) -> list[Job]:
        """The takes that a waiting job waits for, the running one first; none for any other job."""
        with self._changed:
            if job not in self._waiting:
                return []
            running = [self.current] if self.current is not None else []
            return [*running, *list(self._waiting)[: self._waiting.index(job)]]

    def waiting(self) -> list[Job]:
        """The jobs that have not begun."""
        with self._changed:
            return list(self._waiting)

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Have the device for something short; a take that comes meanwhile waits.

        Raises:
            InvalidRequestError: a take is being made.
        """
        with self._changed:
            self._borrowers += 1  # the next turn between takes comes after them
        try:
            had = self.current is None and self._device.acquire(timeout=BORROW_S)
        finally:
            with self._changed:
                self._borrowers -= 1
                self._changed.notify_all()
        if not had:
            raise InvalidRequestError("A take is being made: look when it is done.")
        try:
            yield
        finally:
            self._device.release()

    @contextmanager
    def turn(self, cancel: CancelToken) -> Iterator[None]:
        """Have the device while no take is made or waits; one that comes meanwhile waits for this turn alone.

        Raises:
            CancelledError: it was cancelled before its turn came.
        """
        with self._changed:
            while self._waiting or self.current is not None or self._between or self._borrowers:
                self._changed.wait(LOOK_S)
                cancel.check()
            self._between = True
        try:
            with self._device:
                yield
        finally:
            with self._changed:
                self._between = False
                self._changed.notify_all()

    @property
    def between(self) -> bool:
        """Whether a turn between takes is what a take waits for."""
        return self._between

    def close(self, timeout_s: float) -> None:
        """End the thread after its current job, which should have been asked to end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                while (not self._waiting or self._between) and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                self.current = self._waiting.popleft()
            try:
                self._tell()
                with self._device:
                    self._run(self.current)
            except BaseException:  # whatever it was: without this thread no take would ever be made again
                log.critical("A job broke through its boundary", exc_info=True)
            finally:
                with self._changed:
                    self.current = None
                    self._changed.notify_all()

    def _tell(self) -> None:
        try:
            self._moved()
        except Exception:  # theirs, and not the take's whose turn it is
            log.exception("Could not tell those that wait")


def queue_message(before: Sequence[Job]) -> str:
    """What a take that waits for those `before` it may expect, in words."""
    takes = sum(job.takes_left for job in before)
    said = f"Waiting: {takes} take{'s' if takes > 1 else ''} before this one"
    waits = [job.remaining_s for job in before]
    known = [wait for wait in waits if wait is not None]
    if len(known) < len(waits):
        return f"{said}, endless until somebody stops it"
    return f"{said}, its turn comes in about {format_time(sum(known) + 0.5)}"
