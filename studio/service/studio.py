"""The studio as its faces see it: submit a request, follow the job, stop it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.draft import RecordedDraft
from studio.core.errors import InvalidRequestError, OutOfResourcesError, StudioError
from studio.core.events import Event, Finished, Progress
from studio.core.request import GenerationRequest, ModelChoice, PromptPoint
from studio.core.sampling import ClipSampler
from studio.core.settings import Settings
from studio.core.views import DraftAttention
from studio.pipeline.analysis.draft_attention import look
from studio.pipeline.model_cache import IN_USE, BackendFactory, ModelCache
from studio.pipeline.recording import Recording, check_continuation
from studio.service.jobs.device_queue import MAX_WAITING, DeviceQueue, queue_message
from studio.service.jobs.job import Job, Resumed
from studio.service.jobs.runner import Render, Runner
from studio.service.live.pcm_stream import PcmStream
from studio.service.takes.library import Library
from studio.service.takes.place import claimed
from studio.service.takes.savepoint import SUFFIX, read_savepoint
from studio.service.takes.sweep import sweep

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.drafts import Drafts

log = logging.getLogger(__name__)

MAX_REMEMBERED = 64
SHUTDOWN_S = 10.0
NOTHING_HEARD = "Generate a clip with a draft first: then it can be looked at what it attends to."
RESUMABLE = ("interrupted", "failed")


class Studio:
    """The service. Build one in `app.py` and hand it to the page and the command line."""

    def __init__(
        self,
        settings: Settings,
        create_backend: BackendFactory,
        render: Render,
        resolve: Callable[[ModelChoice], ModelChoice] = lambda choice: choice,
        max_waiting: int = MAX_WAITING,
        drafts: Drafts | None = None,
        fingerprint: Callable[[ModelChoice], str] = lambda _: "",
        admit: Callable[[GenerationRequest], None] = lambda _: None,
    ) -> None:
        """`resolve` says what "auto" is on this machine, so that each device has one queue and each
        checkpoint is loaded once. `drafts` are the ones that `render` hears; `fingerprint` tells a model's
        weights from others of its name, empty where there is none to tell; `admit` raises
        `InvalidRequestError` for a request that this studio does not take from anybody.
        """
        sweep(settings.outputs)
        self._drafts = drafts
        self.settings = settings
        self.backends = ModelCache(create_backend, resolve=resolve)
        self.library = Library(settings.outputs, self._growing)
        self._fingerprint = fingerprint
        self._admit = admit
        self._runner = Runner(settings, self.backends, render, fingerprint, ticked=self._announce_all)
        self._resolve = resolve
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._workers: dict[str, DeviceQueue] = {}
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def submit(
        self,
        request: GenerationRequest,
        *,
        listen: bool = False,
        keep_running: bool = False,
        out: Path | None = None,
        recording: Recording | None = None,
        client: str = "",
    ) -> Job:
        """Queue a take.

        Args:
            listen: somebody will play it as it is made: `job.stream` is there at once, paces the job, and
                its being abandoned ends the job. Otherwise the job runs as fast as it can.
            keep_running: a listener who leaves does not end it; it then runs as fast as it can.
            out: exactly this file instead of one under the outputs folder; replaced if it exists.
            recording: the take begins with it, and goes on from its end; the request's length counts both.
            client: who asks; where strangers may, each has so many takes at once.

        Raises:
            InvalidRequestError: `out` is of no format the studio writes, can't be a file, or is being written
                by another take; or the recording is too long for the request, or of a sampler that goes on
                from none.
            OutOfResourcesError: too many takes are waiting.
        """
        self._check([request], client)
        if recording is not None:
            check_continuation(request, recording)
        claim = claimed(out) if out is not None else None
        job = Job(
            request,
            self._listener(listen, request),
            out,
            recording=recording,
            keep_running=keep_running,
            claim=claim,
            client=client,
            notes=self._noticed(request, recording),
        )
        try:
            return self._queue(job)
        except StudioError:
            if claim is not None:
                claim.release()
            raise

    def _noticed(self, request: GenerationRequest, recording: Recording | None) -> tuple[str, ...]:
        """What the readers of the take's recordings have to say, each once."""
        notes = recording.notes if recording is not None else ()
        if self._drafts is not None and isinstance(request.draft, RecordedDraft):
            notes = (*notes, *self._drafts.noticed(request.draft))
        return tuple(dict.fromkeys(notes))

    def submit_all(self, requests: Sequence[GenerationRequest], *, client: str = "") -> Job:
        """Queue several takes as one job: nothing else comes between them, and to stop one is to stop all.

        `job.outcomes` grows with each that ends; one that fails does not keep the others from being made.
        All run where the first one's model does.

        Raises:
            OutOfResourcesError: too many takes are waiting.
        """
        self._check(requests, client)
        first, *others = requests
        return self._queue(Job(first, others=others, client=client))

    def store_recording(self, recording: Recording, model: str) -> RecordedDraft:
        """Keep a recording of the user's as a draft; `model` names the AudioGen whose codec reads it.

        Raises:
            InvalidRequestError: this studio hears no drafts.
            OutOfResourcesError: the disk is full.
        """
        if self._drafts is None:
            raise InvalidRequestError("There is nothing here that hears drafts: take no draft.")
        return self._drafts.store_recording(recording, model)

    def resume(self, take_id: str, *, listen: bool = False) -> Job:
        """Go on with a take that was interrupted, or failed, from its last save point.

        Its file goes on as if nothing had been; the listener hears what is new.

        Raises:
            InvalidRequestError: no such take, or one that is whole, goes on already, was not saved, or was
                saved with other settings, by another version or other weights.
            OutOfResourcesError: too many takes are waiting.
        """
        take = self.library.get(take_id)
        if take.status not in RESUMABLE:
            raise InvalidRequestError(f"This take is {take.status}: only an interrupted one can go on.")
        request = take.record.request()
        resumed = Resumed(take.path, read_savepoint(take.path.with_suffix(SUFFIX)))
        resumed.checkpoint.require_same(request, self._fingerprint(request.model))
        with self._lock:
            if any(job.file == take.path and not job.ended for job in self._jobs.values()):
                raise InvalidRequestError("This take goes on already.")
            job = Job(request, self._listener(listen, request), resumed=resumed)
            self._jobs[job.id] = job
        try:
            return self._queue(job)
        except StudioError:
            with self._lock:
                del self._jobs[job.id]
            raise

    def _check(self, requests: Sequence[GenerationRequest], client: str) -> None:
        """Raise for what this studio makes for nobody, or not for this client now."""
        for request in requests:
            self._admit(request)
        settings = self.settings
        if settings.private or not client:
            return
        theirs = sum(job.client == client and not job.ended for job in self.jobs())
        if theirs >= settings.jobs_per_client:
            raise OutOfResourcesError(
                f"{theirs} takes of yours are being made or wait already: stop one, or wait for its end."
            )

    def _listener(self, listen: bool, request: GenerationRequest) -> PcmStream | None:
        """A clip is whole at once, and its file is not to wait for its listener."""
        if not listen:
            return None
        whole = isinstance(request.sampler, ClipSampler)
        return PcmStream((request.duration_s or 0.0) + 1.0 if whole else self.settings.lead_s)

    def _queue(self, job: Job) -> Job:
        worker = self._worker(job.request.model)
        worker.put(job)
        with self._lock:
            self._jobs[job.id] = job
            self._forget_old_jobs()
        self._announce(job)
        return job

    def _announce(self, *jobs: Job) -> None:
        """Tell those of the jobs that wait for how long."""
        for job in jobs:
            before = self._worker(job.request.model).before(job)
            if before:
                job.publish(Progress(queue_message(before)))

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

    def position(self, job_id: str) -> int:
        """How many takes are before a waiting one; 0 once it runs."""
        job = self.job(job_id)
        return len(self._worker(job.request.model).before(job))

    def stop(self, job_id: str, reason: str = "Stopped.") -> None:
        """End a job, and say why; what was made so far is kept. Only sets a flag: safe on an event loop."""
        job = self.job(job_id)
        job.cancel.set(reason)
        if self._worker(job.request.model).withdraw(job):
            job.end(Finished(None, 0.0, stopped=True))
            self._announce(*self._worker(job.request.model).waiting())

    def finish(self, job_id: str) -> None:
        """Let a job's take fade out and end within seconds; one that waits is ended at once."""
        job = self.job(job_id)
        if job.status == "queued":
            self.stop(job_id)
        else:
            job.control.request_fade_out()
            job.publish(Progress("Fading out"))

    def steer(self, job_id: str, prompt: str, points: tuple[PromptPoint, ...]) -> None:
        """Change what a take that plays is about: `prompt`, and the lane's `points` in the take's own time.

        Raises:
            InvalidRequestError: the take is over, or is of a kind that can't change.
        """
        job = self.job(job_id)
        if job.ended:
            raise InvalidRequestError("That take is over: press Generate for a new one.")
        job.control.request_change(prompt, points)

    def events(self, job_id: str) -> Iterator[Event]:
        """A job's events from now on, ending with its one terminal event.

        A reader that falls behind loses old events, so the sound itself is to be had from the file or from
        the job's stream, never pieced together from these.
        """
        job = self.job(job_id)
        subscription = job.hub.subscribe()

        def read() -> Iterator[Event]:
            try:
                yield from subscription
            finally:
                job.hub.unsubscribe(subscription)

        return read()

    def stream(self, token: str) -> PcmStream | None:
        """The listener's stream of that token, while its job is remembered."""
        for job in self.jobs():
            if job.stream is not None and job.stream.token == token:
                return job.stream
        return None

    def preload(self, choice: ModelChoice) -> threading.Thread:
        """Load a checkpoint in the background, so that the first take need not wait for it.

        A checkpoint that can't be loaded is logged; whoever asks for it is told why.
        """

        def load() -> None:
            try:
                with self.backends.lease(choice):
                    pass
            except Exception as error:  # the thread's boundary
                log.warning("Could not load %s yet: %s", choice.id, error)

        thread = threading.Thread(target=load, name="preload", daemon=True)
        thread.start()
        return thread

    @contextmanager
    def borrow(self, choice: ModelChoice) -> Iterator[Backend]:
        """A model, loaded if need be, for a call or two between takes.

        Raises:
            InvalidRequestError: a take is being made on its device.
        """
        with self._worker(choice).borrowed(), self.backends.lease(choice) as backend:
            yield backend

    def listening(self, job_id: str, block: str, step: int) -> DraftAttention:
        """What a finished take attends to in its draft, at a block and a step of it.

        Raises:
            InvalidRequestError: there is no such take, it heard no draft or is endless; or one is being made.
        """
        job = self.job(job_id) if job_id else None
        outcome = job.outcome if job else None
        if job is None or self._drafts is None or job.request.draft.kind == "none":
            raise InvalidRequestError(NOTHING_HEARD)
        if not isinstance(outcome, Finished) or outcome.path is None:
            raise InvalidRequestError(NOTHING_HEARD)
        borrow = partial(self.borrow, job.request.model)
        return look(job.request, outcome.path, borrow, self._drafts, block, step)

    def unload(self) -> int:
        """Let go of every loaded model; the bytes freed.

        Raises:
            InvalidRequestError: a take is being made with one.
        """
        if not self.settings.trusted:
            raise InvalidRequestError("Only the studio's owner unloads its models.")
        if any(job.status == "running" for job in self.jobs()):  # it may not have its model yet
            raise InvalidRequestError(IN_USE)
        return self.backends.unload(self._drafts.models.unload if self._drafts is not None else lambda: None)

    def close(self) -> None:
        """End every job, keeping what was made."""
        for job in self.jobs():
            if not job.ended:
                self.stop(job.id)
        with self._lock:
            workers = tuple(self._workers.values())
        for worker in workers:
            worker.close(SHUTDOWN_S)

    def _growing(self) -> set[Path]:
        return {job.file for job in self.jobs() if job.file is not None and not job.ended}

    def _worker(self, choice: ModelChoice) -> DeviceQueue:
        device = self._resolve(choice).device
        with self._lock:
            if device not in self._workers:
                self._workers[device] = DeviceQueue(
                    device, self._runner.run, self._max_waiting, self._announce_all
                )
            return self._workers[device]

    def _announce_all(self) -> None:
        with self._lock:
            workers = list(self._workers.values())
        self._announce(*(job for worker in workers for job in worker.waiting()))

    def _forget_old_jobs(self) -> None:
        surplus = max(0, len(self._jobs) - MAX_REMEMBERED)
        for job_id in [job.id for job in self._jobs.values() if job.ended][:surplus]:
            del self._jobs[job_id]
