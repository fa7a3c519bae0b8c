"""Takes that are asked for from outside the page, over HTTP or MCP: begun, looked at, heard, stopped."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gradio.route_utils import get_root_url
from starlette.requests import Request

from studio.core.errors import InvalidRequestError, StudioError
from studio.core.events import Failed, Finished
from studio.core.request import GenerationRequest
from studio.service.jobs.job import Job
from studio.service.live.broadcast import Broadcast
from studio.service.studio import Studio
from studio.service.takes.shelf import Take, id_of
from studio.ui.server.client_api import bounded, read_call, request_of
from studio.ui.server.v1.bodies import USUAL_S, TakeBody
from studio.ui.server.v1.refusals import RefusedError

PATIENCE_S = 60.0  # for which a live take waits for a listener
KEPT = 64  # ids: as many as jobs are remembered
UNKNOWN = "There is no take of that id, or it is not known any more."
NOT_LIVE = "That take is not made live: look at its status, and fetch its file when it is finished."
NO_FILE = "That take has no sound."
STILL_MADE = "That take is still being made: look at its status, or stop it first."
STOPPED = "Stopped by the API."


@dataclass(frozen=True)
class Links:
    """Where a caller finds a take: below the address by which he came."""

    root: str

    @classmethod
    def of(cls, request: Request, root_path: str) -> Links:
        """As the page's own addresses are found, behind a proxy too."""
        return cls(get_root_url(request, request.url.path, root_path or None))

    def take(self, take_id: str, what: str = "") -> str:
        """The address of a take, or of its file or stream."""
        return f"{self.root}/v1/takes/{quote(take_id)}{what and f'/{what}'}"


class ApiTakes:
    """The takes of a studio, as programs ask for them. Any thread may call."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._live: dict[str, Broadcast] = {}
        self._asked: deque[str] = deque(maxlen=KEPT)  # the latest last

    def start(self, body: TakeBody, client: str) -> Job:
        """Queue a take. One without an end, or that is to be `live`, is made as it is heard.

        Raises:
            StudioError: it can't be made, or not now.
        """
        said = body.said
        endless = body.mode == "infinite" and "seconds" not in said
        given = read_call(body.mode, said)
        if endless:
            given["endless"] = True
        elif "seconds" not in said:
            given["duration_s"] = USUAL_S
        request = bounded(request_of(body.mode, given, self._studio), self._studio)
        if body.loop:
            require_ring(request)
        live = endless or body.live
        job = self._studio.submit(request, listen=live, client=client, ring=body.loop)
        self._asked.append(job.id)
        self._live = {name: one for name, one in self._live.items() if not self._ended(name)}
        if job.stream is not None:
            self._live[job.id] = Broadcast(job.stream, PATIENCE_S)
        return job

    def status(self, take_id: str, links: Links) -> dict[str, Any]:
        """How a take stands. Raises `RefusedError` where there is none of that id."""
        found = self.find(take_id)
        return self._status(found, links) if isinstance(found, Job) else _of_library(found, links)

    def latest(self, most: int) -> list[tuple[str, str]]:
        """Ids and prompts of takes that were asked for here, or made by the page where that is for who asks.

        Strangers' ids are the keys to their takes, and told to nobody else.
        """
        if not self._studio.settings.trusted:
            return []
        jobs = [job for job in self._studio.jobs() if job.id in self._asked and not job.ended]
        made = islice(self._studio.library.takes(), most)
        return [
            *((job.id, job.request.prompt) for job in reversed(jobs)),
            *((one.id, one.prompts) for one in made),
        ]

    def find(self, take_id: str) -> Job | Take:
        """A job by its id; or a take of the library, where that is for who asks. Raises `RefusedError`."""
        try:
            return self._studio.job(take_id)
        except InvalidRequestError:
            if not self._studio.settings.trusted:
                raise RefusedError(404, UNKNOWN) from None
        try:
            return self._studio.library.get(take_id)
        except StudioError:
            raise RefusedError(404, UNKNOWN) from None

    def stop(self, take_id: str, *, fade: bool = False) -> None:
        """End a take; what was made is kept. Raises `RefusedError` where there is none of that id."""
        job = self.find(take_id)
        if not isinstance(job, Job):
            return  # it has ended long ago
        if fade and job.request.sampler.kind == "endless":
            self._studio.finish(job.id)
        else:
            self._studio.stop(job.id, STOPPED)

    def broadcast(self, job: Job) -> Broadcast:
        """What is heard of a live take. Raises `RefusedError` where it is none."""
        if job.id not in self._live:
            raise RefusedError(409, NOT_LIVE)
        return self._live[job.id]

    def sound(self, take_id: str) -> Path:
        """The file of a take that has ended. Raises `RefusedError`."""
        found = self.find(take_id)
        if not isinstance(found, Job):
            if found.status == "running":
                raise RefusedError(409, STILL_MADE)
            return found.path
        if found.outcome is None:
            raise RefusedError(409, STILL_MADE)
        if found.outcome.path is None:
            raise RefusedError(404, NO_FILE)
        return found.outcome.path

    def _ended(self, job_id: str) -> bool:
        try:
            return self._studio.job(job_id).ended
        except InvalidRequestError:
            return True

    def _status(self, job: Job, links: Links) -> dict[str, Any]:
        outcome, length_s = job.outcome, job.request.duration_s
        made_s = outcome.duration_s if isinstance(outcome, Finished) else _made_s(job)
        told = {
            "id": job.id,
            "status": job.status,
            "message": self._message(job),
            "mode": job.request.mode,
            "prompt": job.request.prompt,
            "seed": str(job.request.seed),
            "seconds": round(made_s, 3),
            "length": length_s,
            "remaining": None if job.remaining_s is None else round(job.remaining_s, 1),
            "status_url": links.take(job.id),
        }
        if not job.ended and job.id in self._live:
            told["stream_url"] = links.take(job.id, "stream")
        if not job.ended:
            told["file_url"] = links.take(job.id, "file")
        elif outcome is not None and outcome.path is not None:
            told |= {"take": id_of(outcome.path.with_suffix(".json")), "file_url": links.take(job.id, "file")}
        return told

    def _message(self, job: Job) -> str:
        """Beside the status: why it failed or ended, what it waits for, or what was noticed."""
        if isinstance(job.outcome, Failed):
            return job.outcome.message
        if job.status == "queued" and (place := self._studio.position(job.id)):
            return f"{place} take{'s' if place > 1 else ''} before this one."
        return job.cancel.reason if job.cancel.is_set() else " ".join(job.notes)


def require_ring(request: GenerationRequest) -> None:
    """Raise `InvalidRequestError` for what can't be sampled as a loop."""
    from studio.pipeline.ring import LEAST_S, can_be_ring  # torch, which a page that opens waits for not

    if not can_be_ring(request):
        raise InvalidRequestError(
            "Only a sparse take of a prompt alone is sampled as a loop: choose that mode."
        )
    if (request.duration_s or 0) < LEAST_S:
        raise InvalidRequestError(f"A loop lasts {LEAST_S:g} s at least: give more seconds.")


def _made_s(job: Job) -> float:
    return job.latest.audio_s if job.latest is not None else 0.0


def _of_library(take: Take, links: Links) -> dict[str, Any]:
    """The status of a take that was made before, or by the page."""
    told = {
        "id": take.id,
        "status": take.status,
        "message": "",
        "mode": take.record.mode,
        "prompt": take.prompts,
        "seconds": round(take.length_s, 3),
        "status_url": links.take(take.id),
        "take": take.id,
    }
    return told if take.status == "running" else {**told, "file_url": links.take(take.id, "file")}
