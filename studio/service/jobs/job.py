"""A take being made, or several in a row: what was asked, how it stands, and who listens."""

from __future__ import annotations

import contextvars
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studio.core.events import Event, Failed, Finished, StepDone, Telemetry
from studio.core.locks import Claim
from studio.core.preset import Group
from studio.core.request import GenerationRequest
from studio.core.sampling import ClipSampler, EndlessSampler
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import EndlessCheckpoint
from studio.pipeline.control import FADE_OUT_S, TakeControl
from studio.pipeline.recording import Recording
from studio.pipeline.start import FRESH, AsRing, FromCheckpoint, FromEdit, FromRecording, Start
from studio.service.jobs.event_bus import EventBus
from studio.service.live.pcm_stream import PcmStream

Status = Literal["queued", "running", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class Resumed:
    """A take that goes on: its growing file, and its last save point."""

    path: Path
    checkpoint: EndlessCheckpoint


class Job:
    """Shared by its worker, the page and the command line; every method may be called from any thread."""

    def __init__(
        self,
        request: GenerationRequest,
        stream: PcmStream | None = None,
        out: Path | None = None,
        resumed: Resumed | None = None,
        recording: Recording | None = None,
        keep_running: bool = False,
        claim: Claim | None = None,
        client: str = "",
        others: Sequence[GenerationRequest] = (),
        notes: Sequence[str] = (),
        edits: Sequence[FromEdit] = (),
        ring: bool = False,
    ) -> None:
        """`keep_running`: a listener who leaves does not end it. `claim` holds `out` until the end; `client`
        is who asked. `others` are made after `request`. `notes` are what its user is to know of the
        recordings that it was given. `edits` are what its takes begin from, one each. A `ring` is sampled as
        a loop.

        `first_sample` is where in its file the sound begins that the job makes and its listener hears.
        """
        self.id = secrets.token_urlsafe(12)
        self.request = request  # the one whose turn it is
        self.others = tuple(others)
        self._group_id = secrets.token_hex(8)  # not the job's own: sidecars go where sounds go
        self.outcomes: list[Finished | Failed] = []  # of the takes made so far
        self.stream = stream
        self.out = out
        self._claim = claim
        self.client = client  # who asked for it, where that counts
        self.keep_running = keep_running
        self.resumed = resumed
        self.recording = recording  # until the end
        self.notes = tuple(notes)
        self._edits = tuple(edits)
        self.ring = ring
        self.first_sample = self.start.first_sample
        self._began_at: float | None = None  # of the monotonic clock
        self.file = resumed.path if resumed else None  # where its sound grows, once there is any
        self.context = contextvars.copy_context()  # of who asked: where it is made, it is theirs
        self.cancel = CancelToken()
        self.control = _control_of(request, watched=stream is not None)
        self.hub = EventBus()
        self._lock = threading.Lock()
        self._status: Status = "queued"
        self._latest: Telemetry | None = None
        self._step: StepDone | None = None
        self._outcome: Finished | Failed | None = None

    @property
    def edit(self) -> FromEdit | None:
        """What the take whose turn it is begins from, where it is an edited one."""
        return self._edits[min(len(self.outcomes), len(self._edits) - 1)] if self._edits else None

    @property
    def start(self) -> Start:
        """What its take begins from."""
        if self.resumed is not None:
            return FromCheckpoint(self.resumed.checkpoint)
        if self.edit is not None:
            return self.edit
        if self.recording is not None:
            return FromRecording(self.recording)
        return AsRing() if self.ring else FRESH

    @property
    def status(self) -> Status:
        return self._status

    @property
    def outcome(self) -> Finished | Failed | None:
        """The terminal event, once the job has ended."""
        return self._outcome

    @property
    def ended(self) -> bool:
        return self._outcome is not None

    def begin(self) -> bool:
        """Queued → running. False where the job ended before its turn came."""
        with self._lock:
            if self._status != "queued":
                return False
            self._status = "running"
            self._began_at = time.monotonic()
        if self.stream is not None:
            self.stream.touch()  # time spent in the queue is not the listener's absence
        return True

    def takes(self) -> Iterator[GenerationRequest]:
        """The requests one after the other, each of them `request` while it is made."""
        yield self.request
        for request in self.others:
            self.request, self.control = request, _control_of(request)
            self.first_sample, self.file, self._latest, self._step = 0, None, None, None
            yield request

    @property
    def latest(self) -> Telemetry | None:
        """The last figures of the take whose turn it is."""
        return self._latest

    @property
    def can_fade(self) -> bool:
        """Whether the take whose turn it is grows as it is heard, and may end anywhere."""
        return isinstance(self.request.sampler, EndlessSampler)

    @property
    def running_s(self) -> float:
        """For how long its device has been its own."""
        return time.monotonic() - self._began_at if self._began_at is not None else 0.0

    @property
    def takes_left(self) -> int:
        """How many are not made yet, with the one whose turn it is."""
        return 1 + len(self.others) - len(self.outcomes)

    @property
    def remaining_s(self) -> float | None:
        """About how long it still takes, at its present speed or else in real time; None for an endless one.

        One that is listened to takes no less than its listener.
        """
        if self.ended or self.cancel.is_set():
            return 0.0
        if self.control.ending:
            return FADE_OUT_S
        latest = self._latest
        made_s = self.first_sample / self.request.sample_rate + (latest.audio_s if latest else 0.0)
        waiting = self.others[len(self.outcomes) :]
        needs = [self._needs_s(self.request, made_s, self._step), *(self._needs_s(one) for one in waiting)]
        known = [need for need in needs if need is not None]
        return sum(known) if len(known) == len(needs) else None

    def _needs_s(
        self, request: GenerationRequest, made_s: float = 0.0, step: StepDone | None = None
    ) -> float | None:
        """What a take needs of which `made_s` are there, or of a clip's steps all up to `step`."""
        if request.duration_s is None:
            return None
        if step is not None and step.total is not None and self._counts_steps(request):
            return (step.total - step.step) * step.step_s
        latest = self._latest
        pace = latest.realtime_factor if latest and latest.realtime_factor else 1.0
        return max(0.0, request.duration_s - made_s) * (pace if self.stream is None else max(1.0, pace))

    @property
    def share(self) -> float:
        """About which part of the take whose turn it is has been made, from 0 to 1."""
        step, latest, length_s = self._step, self._latest, self.request.duration_s
        if self.ended:
            return 1.0
        if step is not None and step.total is not None and self._counts_steps(self.request):
            return min(1.0, step.step / step.total)
        return min(1.0, latest.audio_s / length_s) if latest is not None and length_s else 0.0

    def _counts_steps(self, request: GenerationRequest) -> bool:
        """Whether a take is there with its last step: a clip, or an edit, however its take was sampled."""
        return isinstance(request.sampler, ClipSampler) or bool(self._edits)

    @property
    def group(self) -> Group | None:
        """What the take whose turn it is belongs to, where the job makes several that are no edits."""
        if not self.others or self._edits:
            return None
        return Group(id=self._group_id, position=len(self.outcomes) + 1, takes=1 + len(self.others))

    def publish(self, event: Event) -> None:
        """Tell the readers something that does not end the job."""
        if isinstance(event, Telemetry):
            self._latest = event
        elif isinstance(event, StepDone):
            self._step = event
        self.hub.publish(event)

    def end(self, outcome: Finished | Failed) -> None:
        """Set the final status and tell the readers, once; later calls change nothing.

        Of several takes `outcome` is the last one's.
        """
        with self._lock:
            if self._outcome is not None:
                return
            self._outcome = outcome
            if isinstance(outcome, Failed):
                self._status = "failed"
            else:
                self._status = "stopped" if outcome.stopped else "finished"
            self.recording = None  # jobs are remembered; megabytes of sound need not be
        if self._claim is not None:
            self._claim.release()
        if self.stream is not None:
            self.stream.close(drop=self.cancel.is_set() or self.stream.unattended)
        self.hub.publish(outcome)


def _control_of(request: GenerationRequest, *, watched: bool = False) -> TakeControl:
    return TakeControl(request.prompt, request.lane, script=request.speech.text, watched=watched)
