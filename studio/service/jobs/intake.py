"""What is asked of a studio becomes a job, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.draft import RecordedDraft
from studio.core.edit import AnyEdit, Vary
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.request import GenerationRequest, ModelChoice
from studio.core.settings import Settings
from studio.pipeline.recording import Recording, check_continuation
from studio.service.edits import start_of, varied_request
from studio.service.jobs.job import Job, Resumed
from studio.service.jobs.scheduler import Scheduler
from studio.service.live.pcm_stream import PcmStream, stream_for
from studio.service.takes.library import Take
from studio.service.takes.place import claimed
from studio.service.takes.savepoint import SUFFIX, read_savepoint
from studio.service.takes.source import TakeOnDisk

if TYPE_CHECKING:
    from studio.pipeline.drafts import Drafts

RESUMABLE = ("interrupted", "failed")


class Intake:
    """Checks requests, prepares what their jobs need, and hands them to the scheduler."""

    def __init__(
        self,
        settings: Settings,
        scheduler: Scheduler,
        drafts: Drafts | None,
        fingerprint: Callable[[ModelChoice], str],
        admit: Callable[[GenerationRequest], None],
        held: Callable[[str], int] = lambda client: 0,
    ) -> None:
        """Arguments as of `Studio`; `held` counts the places that a client has with work that is no job."""
        self._settings = settings
        self._scheduler = scheduler
        self._drafts = drafts
        self._fingerprint = fingerprint
        self._admit = admit
        self._held = held

    def submit(
        self,
        request: GenerationRequest,
        *,
        listen: bool,
        keep_running: bool,
        out: Path | None,
        recording: Recording | None,
        client: str,
        ring: bool = False,
    ) -> Job:
        """Queue a take; arguments and errors as of `Studio.submit`."""
        self._check([request], client)
        if recording is not None:
            check_continuation(request, recording)
        claim = claimed(out) if out is not None else None
        job = Job(
            request,
            self._listener(request, listen),
            out,
            recording=recording,
            keep_running=keep_running,
            claim=claim,
            client=client,
            notes=self._noticed(request, recording),
            ring=ring,
        )
        try:
            return self._scheduler.submit(job)
        except StudioError:
            if claim is not None:
                claim.release()
            raise

    def submit_all(self, requests: Sequence[GenerationRequest], client: str) -> Job:
        """Queue several takes as one job; errors as of `Studio.submit_all`."""
        self._check(requests, client)
        first, *others = requests
        return self._scheduler.submit(Job(first, others=others, client=client))

    def edit(
        self,
        edits: Sequence[AnyEdit],
        takes: Sequence[TakeOnDisk],
        *,
        out: Path | None,
        client: str,
        candidate: tuple[int, int] | None = None,
    ) -> Job:
        """Queue edits of a take, or of two, as one job; errors as of `Studio.edit`."""
        numbers = [candidate or (number, len(edits)) for number in range(1, len(edits) + 1)]
        starts = [start_of(edit, takes, number) for edit, number in zip(edits, numbers, strict=True)]
        request = varied_request(takes[0]) if isinstance(edits[0], Vary) else takes[0].request
        self._check([request], client)
        claim = claimed(out) if out is not None else None
        others = [request] * (len(edits) - 1)
        job = Job(request, out=out, claim=claim, client=client, edits=starts, others=others)
        try:
            return self._scheduler.submit(job)
        except StudioError:
            if claim is not None:
                claim.release()
            raise

    def resume(self, take: Take, *, listen: bool) -> Job:
        """Queue the rest of a take from its last save point; errors as of `Studio.resume`."""
        if take.status not in RESUMABLE:
            raise InvalidRequestError(f"This take is {take.status}: only an interrupted one can go on.")
        request = take.record.request()
        resumed = Resumed(take.path, read_savepoint(take.path.with_suffix(SUFFIX)))
        resumed.checkpoint.require_same(request, self._fingerprint(request.model))
        return self._scheduler.submit(Job(request, self._listener(request, listen), resumed=resumed))

    def _check(self, requests: Sequence[GenerationRequest], client: str) -> None:
        """Raise for what this studio makes for nobody, or not for this client now."""
        for request in requests:
            self._admit(request)
        self.require_place(client)

    def require_place(self, client: str) -> None:
        """Raise `OutOfResourcesError` where a client has as much under way as anybody may, if that counts."""
        if client and not self._settings.private:
            most = self._settings.jobs_per_client
            self._scheduler.require_place(client, most, self._held(client))

    def _listener(self, request: GenerationRequest, listen: bool) -> PcmStream | None:
        return stream_for(request, self._settings.lead_s) if listen else None

    def _noticed(self, request: GenerationRequest, recording: Recording | None) -> tuple[str, ...]:
        """What the readers of the take's recordings have to say, each once."""
        notes = recording.notes if recording is not None else ()
        if self._drafts is not None and isinstance(request.draft, RecordedDraft):
            notes = (*notes, *self._drafts.noticed(request.draft))
        return tuple(dict.fromkeys(notes))
