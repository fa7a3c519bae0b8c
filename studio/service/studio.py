"""The studio as its faces see it: submit a request, follow the job, stop it. What knows how lies below."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.defaults import DefaultsOf, usual_defaults
from studio.core.draft import RecordedDraft
from studio.core.edit import AnyEdit
from studio.core.errors import InvalidRequestError
from studio.core.events import Event
from studio.core.request import GenerationRequest, ModelChoice, PromptPoint
from studio.core.settings import Settings
from studio.core.views import DraftAttention
from studio.pipeline.model_cache import BackendFactory, ModelCache
from studio.pipeline.recording import Recording
from studio.service.analyses import attention_to_draft
from studio.service.batch.maker import UnitMaker
from studio.service.batch.queued_sets import QueuedSets
from studio.service.batch.sets import Sets
from studio.service.edit_costs import Cost, EditCosts
from studio.service.edits import takes_of
from studio.service.jobs.device_queue import MAX_WAITING
from studio.service.jobs.intake import Intake
from studio.service.jobs.job import Job
from studio.service.jobs.runner import Render, Runner
from studio.service.jobs.scheduler import Scheduler
from studio.service.kit.kits import Kits
from studio.service.layers.making import made_by_jobs
from studio.service.layers.mixes import Mixes
from studio.service.live.pcm_stream import PcmStream
from studio.service.models import Models
from studio.service.takes.expiry import Expiry
from studio.service.takes.library import Library
from studio.service.takes.sweep import sweep

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.drafts import Drafts
    from studio.service.batch.side_by_side import Look


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
        defaults: DefaultsOf = usual_defaults,
        look: Look | None = None,
        batch: Callable[[ModelChoice], int] = lambda _: 1,
        lent: bool = False,
    ) -> None:
        """`resolve` says what "auto" is on this machine, so that each device has one queue and each
        checkpoint is loaded once. `drafts` are the ones that `render` hears; `fingerprint` tells a model's
        weights from others of its name, empty where there is none to tell; `admit` raises
        `InvalidRequestError` for a request that this studio does not take from anybody; `defaults` are what
        a model's takes begin with. `look` tells what a clip costs, and `batch` how many of a model are best
        made side by side, for sets. `lent`: there is a GPU inside of `render` alone.
        """
        sweep(settings.outputs)
        self._expiry = Expiry(settings.outputs, settings.visitors.keep_s) if settings.visitors else None
        self.settings = settings
        self.defaults_of = defaults
        self.backends = ModelCache(create_backend, resolve=resolve)
        self._drafts = drafts
        self._lent = lent
        self._scheduler = Scheduler(
            Runner(settings, self.backends, render, fingerprint), resolve, max_waiting, settings.visitors
        )
        self._models = Models(self.backends, drafts, self._scheduler)
        self.library = Library(settings.outputs, self._scheduler.growing)
        self._intake = Intake(
            settings, self._scheduler, drafts, fingerprint, admit, lambda client: self.mixes.under_way(client)
        )
        self.kits = Kits(settings, self.backends.lease, render, self._scheduler.turn, admit)
        make = made_by_jobs(self.submit, self.stop)
        self.mixes = Mixes(settings.outputs, self.library, make, defaults, self._intake.require_place)
        sets = partial(QueuedSets, settings.queue) if settings.queue else Sets
        self.sets: Sets = sets(
            settings,
            UnitMaker(self.backends.lease, render, drafts, look),
            self._scheduler.turn,
            fingerprint,
            admit,
            self._scheduler.require_place,
            batch,
            self.borrow,
        )
        self._edit_costs = EditCosts(self.backends.holds, self.borrow, self.sets)

    def submit(
        self,
        request: GenerationRequest,
        *,
        listen: bool = False,
        keep_running: bool = False,
        out: Path | None = None,
        recording: Recording | None = None,
        client: str = "",
        ring: bool = False,
    ) -> Job:
        """Queue a take.

        Args:
            listen: somebody will play it as it is made: `job.stream` is there at once, paces the job, and
                its being abandoned ends the job. Otherwise the job runs as fast as it can.
            keep_running: a listener who leaves does not end it; it then runs as fast as it can.
            out: exactly this file instead of one under the outputs folder; replaced if it exists.
            recording: the take begins with it, and goes on from its end; the request's length counts both.
            client: who asks; where strangers may, each has so many takes at once.
            ring: a clip is sampled as a loop.

        Raises:
            InvalidRequestError: `out` is of no format the studio writes, can't be a file, or is being written
                by another take; or the recording is too long for the request, or of a sampler that goes on
                from none.
            OutOfResourcesError: too many takes are waiting.
        """
        return self._intake.submit(
            request,
            listen=listen,
            keep_running=keep_running,
            out=out,
            recording=recording,
            client=client,
            ring=ring,
        )

    def submit_all(self, requests: Sequence[GenerationRequest], *, client: str = "") -> Job:
        """Queue several takes as one job: nothing else comes between them, and to stop one is to stop all.

        `job.outcomes` grows with each that ends; one that fails does not keep the others from being made.
        All run where the first one's model does.

        Raises:
            OutOfResourcesError: too many takes are waiting.
        """
        return self._intake.submit_all(requests, client)

    def edit(
        self,
        edit: AnyEdit,
        take: str,
        other: str = "",
        *,
        out: Path | None = None,
        client: str = "",
        paths: bool = False,
        candidate: tuple[int, int] = (1, 1),
    ) -> Job:
        """Queue an edit of a take, which makes a new one beside it.

        Args:
            edit: what is to be done.
            take: its id.
            other: likewise, the take that it is spliced to.
            out: exactly this file instead of the take's next version.
            client: as of `submit`.
            paths: both may be paths of sounds that the studio made, too: for who owns the disk alone.
            candidate: which one it is of how many that are asked for one by one.

        Raises:
            InvalidRequestError: there is no such take, it can't be edited so, or `out` can't be written.
            OutOfResourcesError: too many takes are waiting.
        """
        takes = takes_of(edit, take, other, self.library, paths=paths)
        return self._intake.edit([edit], takes, out=out, client=client, candidate=candidate)

    def edit_all(self, edits: Sequence[AnyEdit], take: str, other: str = "", *, client: str = "") -> Job:
        """Queue candidates of one edit as one job, as `submit_all` does takes; else as `edit`."""
        takes = takes_of(edits[0], take, other, self.library)
        return self._intake.edit(edits, takes, out=None, client=client)

    def edit_cost(
        self, edit: AnyEdit, take: str, other: str = "", *, count: int = 1, again: bool = False
    ) -> Cost:
        """What `count` candidates of an edit would take: as `EditCosts.cost`; raises as `edit`."""
        takes = takes_of(edit, take, other, self.library)
        return self._edit_costs.cost(edit, takes, count, again=again)

    def resume(self, take_id: str, *, listen: bool = False) -> Job:
        """Go on with a take that was interrupted, or failed, from its last save point.

        Its file goes on as if nothing had been; the listener hears what is new.

        Raises:
            InvalidRequestError: no such take, or one that is whole, goes on already, was not saved, or was
                saved with other settings, by another version or other weights.
            OutOfResourcesError: too many takes are waiting.
        """
        return self._intake.resume(self.library.get(take_id), listen=listen)

    def store_recording(self, recording: Recording, model: str) -> RecordedDraft:
        """Keep a recording of the user's as a draft; `model` names the AudioGen whose codec reads it.

        Raises:
            InvalidRequestError: this studio hears no drafts.
            OutOfResourcesError: the disk is full.
        """
        if self._drafts is None:
            raise InvalidRequestError("There is nothing here that hears drafts: take no draft.")
        return self._drafts.store_recording(recording, model)

    def job(self, job_id: str) -> Job:
        """A job by its id. Raises `InvalidRequestError` for one that is not, or no longer, known."""
        return self._scheduler.job(job_id)

    def jobs(self) -> tuple[Job, ...]:
        """Every remembered job, the oldest first."""
        return self._scheduler.jobs()

    def position(self, job_id: str) -> int:
        """How many takes are before a waiting one; 0 once it runs."""
        return self._scheduler.position(self.job(job_id))

    def stop(self, job_id: str, reason: str = "Stopped.") -> None:
        """End a job, and say why; what was made so far is kept. Only sets a flag: safe on an event loop."""
        self._scheduler.stop(self.job(job_id), reason)

    def finish(self, job_id: str) -> None:
        """Let a job's take fade out and end within seconds; one that waits is ended at once."""
        self._scheduler.finish(self.job(job_id))

    def steer(
        self, job_id: str, prompt: str, points: tuple[PromptPoint, ...], script: str | None = None
    ) -> None:
        """Change what a take that plays is about: `prompt`, and the lane's `points` in the take's own time;
        and what it says, where there is a `script`.

        Raises:
            InvalidRequestError: the take is over, is of a kind that can't change, or says nothing.
        """
        self._scheduler.steer(self.job(job_id), prompt, points, script)

    def events(self, job_id: str) -> Iterator[Event]:
        """A job's events from now on, ending with its one terminal event.

        A reader that falls behind loses old events, so the sound itself is to be had from the file or from
        the job's stream, never pieced together from these.
        """
        return self.job(job_id).hub.events()

    def stream(self, token: str) -> PcmStream | None:
        """The listener's stream of that token, while its job is remembered."""
        streams = (job.stream for job in self.jobs() if job.stream is not None)
        return next((stream for stream in streams if stream.token == token), None)

    def preload(self, choice: ModelChoice) -> threading.Thread:
        """Load a checkpoint ahead of the first take; one that can't be is logged."""
        return self._models.preload(choice)

    def borrow(self, choice: ModelChoice) -> AbstractContextManager[Backend]:
        """A model for a call or two. Raises `InvalidRequestError` where a take is made on its device."""
        if self._lent:
            raise InvalidRequestError(
                "This studio has a GPU for takes alone: look inside one on a machine of yours."
            )
        return self._models.borrow(choice)

    def unload(self) -> int:
        """Let go of every loaded model; the bytes freed.

        Raises:
            InvalidRequestError: a take is being made with one.
        """
        if not self.settings.trusted:
            raise InvalidRequestError("Only the studio's owner unloads its models.")
        return self._models.unload()

    def listening(self, job_id: str, block: str, step: int) -> DraftAttention:
        """What a finished take attends to in its draft, at a block and a step of it.

        Raises:
            InvalidRequestError: there is no such take, it heard no draft or is endless; or one is being made.
        """
        return attention_to_draft(
            self.job(job_id) if job_id else None, self._drafts, self.borrow, block, step
        )

    def close(self) -> None:
        """End every job, keeping what was made."""
        if self._expiry is not None:
            self._expiry.close()
        self.sets.close()
        self._edit_costs.close()
        self.kits.close()
        self.mixes.close()
        self._scheduler.close()
