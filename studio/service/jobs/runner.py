"""A job from its turn to its terminal event: model, sound, file, listener, figures."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from studio.core.errors import CancelledError, StudioError
from studio.core.events import AudioChunk, Failed, Finished, Progress
from studio.core.request import GenerationRequest, ModelChoice
from studio.core.sampling import ClipSampler, EndlessSampler
from studio.core.settings import Settings
from studio.core.values import FRAME_S
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import (
    FOR_WRITERS,
    Edited,
    KeptLatents,
    MadeOf,
    RenderEvent,
    SavePoint,
    made_of,
)
from studio.pipeline.chunks import total_samples
from studio.pipeline.control import TakeControl
from studio.pipeline.model_cache import ModelCache
from studio.pipeline.start import Start
from studio.service.edits import ENCODED, notes_of, version_of
from studio.service.jobs.job import Job
from studio.service.jobs.telemetry import INTERVAL_S, Meter, WorkWindow
from studio.service.takes.source import TakeOnDisk
from studio.service.takes.writer import TakeWriter

if TYPE_CHECKING:
    from studio.backends.base import Backend

log = logging.getLogger(__name__)

IDLE_LIMIT_S = 8.0
OUT_OF_MEMORY_MESSAGE = "Memory ran out: choose a shorter length, fewer base steps or a smaller model."
BUG_MESSAGE = "Something went wrong inside Longwave; the log says what. Try again or with other settings."


class Render(Protocol):
    """What turns a request into events; `pipeline.renderer.Renderer` in the product."""

    def __call__(
        self,
        request: GenerationRequest,
        backend: Backend,
        cancel: CancelToken,
        control: TakeControl,
        start: Start,
    ) -> Iterator[RenderEvent]: ...


@dataclass(frozen=True)
class Runner:
    """What every job of the studio is run with."""

    settings: Settings
    backends: ModelCache
    render: Render
    fingerprint: Callable[[ModelChoice], str] = lambda _: ""  # tells a model's weights from others
    idle_limit_s: float = IDLE_LIMIT_S
    ticked: Callable[[], None] = lambda: None  # once a second while a job runs

    def run(self, job: Job) -> None:
        """Run a job to its one terminal event. Never raises."""
        if job.begin():
            job.context.run(self._run, job)

    def _run(self, job: Job) -> None:
        outcome: Finished | Failed = Failed(BUG_MESSAGE)
        try:
            for _ in job.takes():
                outcome = self._perform(job)
                job.outcomes.append(outcome)
                if job.cancel.is_set() or not job.takes_left:
                    break
                job.publish(Progress("Beginning the next"))
        except BaseException as error:  # the boundary: nothing may end the worker or leave readers waiting
            outcome = Failed(message_for(error))
        finally:
            job.end(outcome)

    def _perform(self, job: Job) -> Finished | Failed:
        ticker = _Ticker(job, self)
        take: TakeWriter | None = None
        error: BaseException | None = None
        try:
            job.cancel.check()
            if not self.backends.holds(job.request.model):
                job.publish(Progress("Loading the model"))
            with ticker, self.backends.lease(job.request.model) as model:
                backend = self._at_bandwidth(job.request, model)
                meter = ticker.measure(self._meter(job, backend))
                job.cancel.check()
                take = self._open(job, backend.geometry.sample_rate)
                job.file = take.path
                events = self.render(job.request, backend, job.cancel, job.control, job.start)
                self._play(job, take, meter, events)
                take.require_file()
        except BaseException as caught:  # concluded below, where the take is closed whatever it was
            error = caught
        figures = ticker.figures()
        stopped = isinstance(error, CancelledError)
        failed = error is not None and not stopped
        duration_s = take.duration_s if take else 0.0
        status = "failed" if failed else "stopped" if stopped else "finished"
        path = take.finish(status, figures) if take else None
        if failed:
            return Failed(message_for(error), path)
        return Finished(path, duration_s, figures, stopped)

    def _at_bandwidth(self, request: GenerationRequest, model: Backend) -> Backend:
        from studio.backends.base import at_bandwidth  # torch, which a page that opens waits for not

        return at_bandwidth(model, request.bandwidth)

    def _meter(self, job: Job, backend: Backend) -> Meter:
        sampler, window = job.request.sampler, None
        if isinstance(sampler, EndlessSampler):
            window = WorkWindow(sampler.window_frames * FRAME_S, self.backends.work_mb(job.request.model))
        begun_s = job.first_sample / backend.geometry.sample_rate
        clip_s = job.request.duration_s if isinstance(sampler, ClipSampler) else None
        return Meter(str(backend.device), window, begun_s, clip_s=clip_s)

    def _open(self, job: Job, sample_rate: int) -> TakeWriter:
        if job.resumed is not None:
            checkpoint = job.resumed.checkpoint
            frames = checkpoint.fifo.position if self.settings.keep_latents else None
            return TakeWriter.reopen(job.request, job.resumed.path, checkpoint.samples, frames)
        version = None
        if job.edit is not None and isinstance(job.edit.takes[0], TakeOnDisk):
            version = version_of(job.edit.takes[0], self.settings.outputs)
        take = TakeWriter.begin(
            job.request,
            sample_rate,
            self.settings.outputs,
            job.out,
            job.recording,
            group=job.group,
            version=version,
            latents=self.settings.keep_latents,
        )
        if job.edit is not None:
            take.tell_edit(notes_of(job.edit, None))
        if job.ring and job.request.duration_s is not None:
            take.tell_loop((0, total_samples(job.request.duration_s, sample_rate)))
        return take

    def _play(self, job: Job, take: TakeWriter, meter: Meter, events: Iterator[RenderEvent]) -> None:
        lane, said = job.control.points, job.control.said
        made = None  # which reads the weights' files: for takes that have save points
        if isinstance(job.request.sampler, EndlessSampler):
            made = made_of(job.request, self.fingerprint(job.request.model))
        for event in events:
            if job.control.points != lane:
                lane = job.control.points
                take.change_lane(lane)
            if job.control.said is not said:
                said = job.control.said
                take.tell_said(said, job.control.script)
            if isinstance(event, FOR_WRITERS):
                self._note(job, take, event, made)
                continue
            meter.see(event)
            if isinstance(event, AudioChunk):
                pcm = take.write(event.samples)
                job.publish(event)
                if job.stream is not None:
                    with meter.waiting():
                        job.stream.write(pcm, job.cancel)
            else:
                job.publish(event)

    def _note(
        self, job: Job, take: TakeWriter, event: SavePoint | KeptLatents | Edited, made: MadeOf | None
    ) -> None:
        """Let the take's writer know what no reader sees."""
        match event:
            case SavePoint(checkpoint):
                take.save(replace(checkpoint, made_of=made))
            case KeptLatents(latents, start_frame):
                take.keep_latents(latents, start_frame)
            case Edited() if job.edit is not None:
                take.tell_edit(notes_of(job.edit, event))
                notes = (*job.notes, *((ENCODED,) if event.encoded else ()), *event.notes)
                job.notes = tuple(dict.fromkeys(notes))  # each once, of how many candidates ever


class _Ticker:
    """A thread beside the job: telemetry once a second, the watchdog over listeners and unattended runs."""

    def __init__(self, job: Job, runner: Runner) -> None:
        self._job = job
        self._runner = runner
        self._meter: Meter | None = None
        self._attended_s = 0.0  # sound made while somebody listened
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, name=f"ticker-{job.id}", daemon=True)

    def measure(self, meter: Meter) -> Meter:
        """Tell what this one counts, now that the model is loaded."""
        self._meter = meter
        return meter

    def figures(self) -> dict[str, float]:
        return self._meter.figures() if self._meter else {}

    def __enter__(self) -> _Ticker:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _tick(self) -> None:
        while not self._over.wait(INTERVAL_S):
            try:
                self._look()
            except Exception:  # or the take would go on unwatched
                log.exception("Could not look after a take")

    def _look(self) -> None:
        job, stream, meter = self._job, self._job.stream, self._meter
        if meter is not None:
            job.publish(meter.snapshot(stream.buffered_s if stream else 0.0))
            self._runner.backends.note_work(job.request.model, meter.work_mb)
        self._runner.ticked()
        limit_s = self._runner.idle_limit_s
        alone = stream is None or stream.idle_s > max(limit_s, stream.patience_s)
        if stream is not None and alone:
            if not job.keep_running:
                job.cancel.set("Nobody listened any more, so the take was ended.")
            stream.leave_unattended()
        if meter is not None and not alone:
            self._attended_s = meter.audio_s
        elif meter is not None and job.request.duration_s is None:
            limit_s = self._runner.settings.unattended_limit_s
            if meter.audio_s - self._attended_s >= limit_s:
                job.cancel.set(f"An unattended take ends after {limit_s:.0f} s of sound.")


def message_for(error: BaseException | None) -> str:
    """The sentence for the user. What is no shortage and no mistake of theirs goes to the log in full."""
    if isinstance(error, StudioError):
        return str(error)
    if is_out_of_memory(error):
        log.warning("Out of memory: %s", error)
        return OUT_OF_MEMORY_MESSAGE
    log.error("A job failed", exc_info=error)
    return BUG_MESSAGE


def is_out_of_memory(error: BaseException | None) -> bool:
    """Python's own, an accelerator's (`torch.OutOfMemoryError`), or the one of torch's CPU allocator."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and ("allocate memory" in words or "out of memory" in words)
