"""All jobs of a studio: each queued on its device, remembered for a while, told of, stopped."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from studio.core.errors import InvalidRequestError, OutOfResourcesError, StudioError
from studio.core.events import Finished, Progress
from studio.core.request import ModelChoice, PromptPoint
from studio.core.settings import Visitors
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.device_queue import BETWEEN, MAX_WAITING, DeviceQueue, queue_message
from studio.service.jobs.job import Job
from studio.service.jobs.runner import Runner

MAX_REMEMBERED = 64
SHUTDOWN_S = 10.0


class Scheduler:
    """One queue a device; every method may be called from any thread."""

    def __init__(
        self,
        runner: Runner,
        resolve: Callable[[ModelChoice], ModelChoice] = lambda choice: choice,
        max_waiting: int = MAX_WAITING,
        visitors: Visitors | None = None,
    ) -> None:
        """`resolve` says what "auto" is on this machine, so that each device has one queue. `visitors` is
        what strangers may take, where it is theirs.
        """
        self.runner = replace(runner, ticked=self._tick)
        self._visitors = visitors
        self._resolve = resolve
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._queues: dict[str, DeviceQueue] = {}
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def submit(self, job: Job) -> Job:
        """Queue a job, and tell it for how long it waits.

        Raises:
            InvalidRequestError: its take goes on already.
            OutOfResourcesError: too many takes are waiting.
        """
        with self._lock:
            if job.file is not None and any(
                job.file == one.file and not one.ended for one in self._jobs.values()
            ):
                raise InvalidRequestError("This take goes on already.")
            self._jobs[job.id] = job
        try:
            self._queue(job.request.model).put(job)
        except StudioError:
            with self._lock:
                del self._jobs[job.id]
            raise
        with self._lock:
            self._forget_old_jobs()
        self._announce(job)
        return job

    def require_place(self, client: str, most: int, held: int = 0) -> None:
        """Raise `OutOfResourcesError` where so many takes of a client's have not ended yet; `held` are places
        that are taken by other work of theirs.
        """
        theirs = held + sum(job.client == client and not job.ended for job in self.jobs())
        if theirs >= most:
            raise OutOfResourcesError(
                f"{theirs} takes of yours are being made or wait already: stop one, or wait for its end."
            )

    def job(self, job_id: str) -> Job:
        """A job by its id. Raises `InvalidRequestError` for one that is not, or no longer, known."""
        with self._lock:
            if job_id not in self._jobs:
                raise InvalidRequestError("That take is not known any more: start a new one.")
            return self._jobs[job_id]

    def jobs(self) -> tuple[Job, ...]:
        """Every remembered job, the oldest first."""
        with self._lock:
            return tuple(self._jobs.values())

    def growing(self) -> set[Path]:
        """The files that are worked on, be they open at the moment or not."""
        return {job.file for job in self.jobs() if job.file is not None and not job.ended}

    def position(self, job: Job) -> int:
        """How many takes are before a waiting one; 0 once it runs."""
        return len(self._queue(job.request.model).before(job))

    def stop(self, job: Job, reason: str) -> None:
        """End a job, and say why; what was made so far is kept. Only sets a flag."""
        job.cancel.set(reason)
        queue = self._queue(job.request.model)
        if queue.withdraw(job):
            job.end(Finished(None, 0.0, stopped=True))
            self._announce(*queue.waiting())

    def finish(self, job: Job) -> None:
        """Let a job's take fade out; one that waits is ended at once."""
        if job.status == "queued":
            self.stop(job, "Stopped.")
        else:
            job.control.request_fade_out()
            job.publish(Progress("Fading out"))

    def steer(
        self, job: Job, prompt: str, points: tuple[PromptPoint, ...], script: str | None = None
    ) -> None:
        """Change what a take that plays is about, and says. Raises `InvalidRequestError` where it can't be
        changed.
        """
        if job.ended:
            raise InvalidRequestError("That take is over: press Generate for a new one.")
        job.control.request_change(prompt, points, script)

    @contextmanager
    def borrowed(self, choice: ModelChoice) -> Iterator[None]:
        """Have the device of a model for something short.

        Raises:
            InvalidRequestError: a take is being made on it.
        """
        with self._queue(choice).borrowed():
            yield

    @contextmanager
    def turn(self, choice: ModelChoice, cancel: CancelToken) -> Iterator[None]:
        """Have the device of a model between takes: after those that wait, before those that come.

        Raises:
            CancelledError: it was cancelled before its turn came.
        """
        with self._queue(choice).turn(cancel):
            yield

    def _tick(self) -> None:
        """What is looked after once a second while a take is made."""
        if self._visitors is not None:
            with self._lock:
                queues = list(self._queues.values())
            for queue in queues:
                self._end_turn(queue, self._visitors)
        self.announce_all()

    def _end_turn(self, queue: DeviceQueue, most: Visitors) -> None:
        """End a visitor's take that is as long as any may be, or has had its turn while another waits."""
        job = queue.current
        if job is None or job.ended or job.cancel.is_set() or job.control.ending:
            return
        made_s = job.latest.audio_s if job.latest else 0.0
        if job.can_fade and made_s >= most.longest_s:
            self.finish(job)
        elif any(waiting.client != job.client for waiting in queue.waiting()):
            if job.can_fade and job.running_s >= most.turn_s:
                self.finish(job)
            elif job.running_s >= most.clip_turn_s:
                self.stop(job, "Others wait, and this take has had its turn.")

    def announce_all(self) -> None:
        """Tell all jobs that wait for how long."""
        with self._lock:
            queues = list(self._queues.values())
        self._announce(*(job for queue in queues for job in queue.waiting()))

    def close(self) -> None:
        """End every job, keeping what was made."""
        for job in self.jobs():
            if not job.ended:
                self.stop(job, "Stopped.")
        with self._lock:
            queues = tuple(self._queues.values())
        for queue in queues:
            queue.close(SHUTDOWN_S)

    def _announce(self, *jobs: Job) -> None:
        for job in jobs:
            queue = self._queue(job.request.model)
            if before := queue.before(job):
                job.publish(Progress(queue_message(before)))
            elif queue.between and job.status == "queued":
                job.publish(Progress(BETWEEN))

    def _queue(self, choice: ModelChoice) -> DeviceQueue:
        device = self._resolve(choice).device
        with self._lock:
            if device not in self._queues:
                self._queues[device] = DeviceQueue(
                    device, self.runner.run, self._max_waiting, self.announce_all
                )
            return self._queues[device]

    def _forget_old_jobs(self) -> None:
        surplus = max(0, len(self._jobs) - MAX_REMEMBERED)
        for job_id in [job.id for job in self._jobs.values() if job.ended][:surplus]:
            del self._jobs[job_id]
