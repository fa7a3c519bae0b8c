"""Several takes made as one job, as the page follows them: how far they are, and which are finished."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.core.audio import format_time
from studio.core.events import TERMINAL, Event, Finished, Progress, StepDone, Telemetry
from studio.core.request import GenerationRequest
from studio.core.values import MAX_SEED
from studio.service.jobs.job import Job
from studio.service.studio import Studio
from studio.ui.panels.offers import Offers
from studio.ui.words import words

GRACE_S = 15.0  # a page that is loaded again is back by then
MAX_REMEMBERED = 32


def varied(request: GenerationRequest, count: int, *, seeded: bool) -> list[GenerationRequest]:
    """The request `count` times, each with a seed of its own: the next ones where the first was chosen."""
    seeds = [
        (request.seed + n) % (MAX_SEED + 1) if seeded else secrets.randbelow(2**32) for n in range(count)
    ]
    return [request.model_copy(update={"seed": seed}) for seed in seeds]


def told(event: Event) -> str:
    """How far a take is, in words; empty for what says nothing of it."""
    if isinstance(event, Progress):
        return event.message
    if isinstance(event, StepDone) and event.total is not None:
        return words.takes.step.format(step=event.step, total=event.total)
    if isinstance(event, Telemetry) and event.audio_s:
        return words.takes.made.format(time=format_time(event.audio_s))
    return ""


class Batch:
    """Takes of one job, seen by one page or none."""

    def __init__(self, job: Job, count: int, *, keep_running: bool) -> None:
        self.job = job
        self.count = count
        self.keep_running = keep_running
        self.followers = 0
        self.is_told = False  # of its end, to whoever looked on
        self.left_at = time.monotonic()
        self._said = words.takes.starting
        self._tokens: dict[Path, str] = {}

    @property
    def whole(self) -> list[tuple[Path, float]]:
        """The files of the takes that are whole, with their seconds, in their order."""
        outcomes = [one for one in self.job.outcomes if isinstance(one, Finished) and not one.stopped]
        return [(one.path, one.duration_s) for one in outcomes if one.path is not None]

    @property
    def path(self) -> Path | None:
        """The last of them."""
        return self.whole[-1][0] if self.whole else None

    @property
    def latest(self) -> str:
        """The token of the last one that was offered."""
        return next(reversed(self._tokens.values()), "")

    def see(self, event: Event) -> bool:
        """Take the job's next event; whether the finished takes have changed by it."""
        if said := told(event):
            self._said = said
        self.is_told = self.is_told or isinstance(event, TERMINAL)
        return len(self.whole) > len(self._tokens) or isinstance(event, TERMINAL)

    def state(self) -> dict[str, Any]:
        """What the tab's player is told."""
        made = len(self.whole)
        phase = self.job.status
        if not self.job.ended:
            message = words.takes.batch_under_way.format(n=made + 1, count=self.count, said=self._said)
        elif made == self.count:
            message = words.takes.batch_made.format(count=made)
        else:
            why = getattr(self.job.outcome, "message", "") or words.takes.batch_stopped
            message = words.takes.batch_ended.format(n=made, count=self.count, why=why)
        return {"token": "", "batch": self.job.id, "phase": phase, "message": message, "of": self.count}

    def takes(self, offers: Offers) -> dict[str, Any]:
        """What the strip of takes shows of it."""
        whole = self.whole
        for path, _ in whole:
            if path not in self._tokens:
                self._tokens[path] = offers.offer(path)
        return {
            "batch": self.job.id,
            "of": self.count,
            "ended": self.job.ended,
            "takes": [
                {"token": self._tokens[path], "file": path.name, "length_s": length} for path, length in whole
            ],
        }


class Batches:
    """The batches that pages began. One that nobody follows ends after a while, unless it may go on."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._lock = threading.Lock()
        self._all: list[Batch] = []

    def open(self, job: Job, count: int, *, keep_running: bool) -> Batch:
        """Remember a job of several takes."""
        batch = Batch(job, count, keep_running=keep_running)
        with self._lock:
            running = [one for one in self._all if not one.job.ended]
            ended = [one for one in self._all if one.job.ended][-MAX_REMEMBERED:]
            self._all = [*ended, *running, batch]
        return batch

    def alone(self, mode: str) -> Batch | None:
        """The newest batch of a tab that is made with nobody looking on, or ended so, if there is one."""
        with self._lock:
            alone = [one for one in self._all if not one.is_told and not one.followers]
        return next((one for one in reversed(alone) if one.job.request.mode == mode), None)

    @contextmanager
    def followed(self, batch: Batch) -> Iterator[None]:
        """Count a follower of it. Ends on the event loop when a page is closed: sets flags and a timer."""
        with self._lock:
            batch.followers += 1
        try:
            yield
        finally:
            with self._lock:
                batch.followers -= 1
                batch.left_at = time.monotonic()
            if not batch.job.ended and not batch.keep_running:
                timer = threading.Timer(GRACE_S, self._end_if_left, [batch])
                timer.daemon = True
                timer.start()

    def _end_if_left(self, batch: Batch) -> None:
        with self._lock:
            left = not batch.followers and time.monotonic() - batch.left_at >= GRACE_S - 0.5
        if left and not batch.job.ended:
            self._studio.stop(batch.job.id, words.takes.nobody_looked)
