"""`POST /v1/sound-generation`: one call, one sound, as programs for the well-known service ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from studio.core.errors import StudioError
from studio.core.events import Finished
from studio.core.request import GenerationRequest
from studio.service.studio import Studio
from studio.service.takes.wire import USUAL_WIRE, on_the_wire, wire_of
from studio.ui.server.client_api import LEFT, POLL_S, bounded, request_of, submitted
from studio.ui.server.exporting import NO_STORE
from studio.ui.server.queued_calls import queued_take
from studio.ui.server.v1.bodies import USUAL_S, SoundBody, json_of, validated
from studio.ui.server.v1.keys import caller_of
from studio.ui.server.v1.refusals import RefusedError
from studio.ui.server.v1.takes import require_ring

MODE = "sparse"  # whole clips
SERVICES_OWN = "eleven_"  # what that service calls its models begins so
USUAL_INFLUENCE = 0.3
SHORT_S = 30.0  # up to which every model attends to all, as some can't do otherwise
STOPPED = "The sound was stopped before it was made."


async def generate(request: Request, studio: Studio) -> Response:
    """The sound's bytes, once all of it is made; the take ends with its caller. Raises `RefusedError`."""
    body = validated(SoundBody, await json_of(request))
    try:
        wire = wire_of(request.query_params.get("output_format") or body.output_format or USUAL_WIRE)
    except StudioError as error:
        raise RefusedError(400, str(error), "invalid_output_format") from error
    read, client = partial(asked_for, body, studio), caller_of(request)
    async with _attended(request) as is_waited_for:
        try:
            made = await _made(read, body.loop, studio, client, is_waited_for)
            sound = await run_in_threadpool(on_the_wire, made, wire, goes_round=body.loop)
        except StudioError as error:
            raise RefusedError.of(error) from error
    return Response(sound, media_type=wire.media_type, headers=NO_STORE)


def asked_for(body: SoundBody, studio: Studio) -> GenerationRequest:
    """The take that is meant. Raises `StudioError`."""
    model = model_of(body.model_id or "")
    seconds = body.duration_seconds or USUAL_S
    given = {"prompt": body.text, "duration_s": seconds, **({"model": model} if model else {})}
    if seconds <= SHORT_S:
        given["attention"] = "dense"
    request = bounded(request_of(MODE, given, studio), studio)
    if body.loop:
        require_ring(request)
    if body.prompt_influence is None:
        return request
    scale = guidance(request.guidance_scale, body.prompt_influence)
    return request.model_copy(update={"guidance_scale": scale})


def model_of(named: str) -> str:
    """The studio's model of that name; empty, for its usual one, where the name is the service's."""
    return "" if named.startswith(SERVICES_OWN) else named


def guidance(usual: float, influence: float) -> float:
    """The guidance scale of an influence from 0 to 1: none at 0, the model's `usual` one at 0.3."""
    return 1 + (usual - 1) * influence / USUAL_INFLUENCE


async def _made(
    read: Callable[[], GenerationRequest],
    ring: bool,
    studio: Studio,
    client: str,
    is_waited_for: Callable[[], bool],
) -> Path:
    """The take's file. Raises `StudioError`, or `RefusedError` where it was begun and came to nothing."""
    if studio.settings.queue is not None and not ring:
        path, _ = await queued_take(studio, lambda: (read(), ""), client, is_waited_for)
        if path is not None:
            return path
    job = await submitted(studio, lambda: studio.submit(read(), client=client, ring=ring))
    try:
        while not job.ended and is_waited_for():
            await asyncio.sleep(POLL_S)
    finally:
        if not job.ended:
            studio.stop(job.id, LEFT)
    outcome = job.outcome
    if not isinstance(outcome, Finished):
        raise RefusedError(500, outcome.message if outcome else LEFT)
    if outcome.stopped or outcome.path is None:
        raise RefusedError(409, STOPPED)
    return outcome.path


@asynccontextmanager
async def _attended(request: Request) -> AsyncIterator[Callable[[], bool]]:
    """Whether the caller of a request, whose body was read, still waits for its answer."""
    gone = asyncio.Event()

    async def watch() -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(POLL_S)
        gone.set()

    watching = asyncio.create_task(watch())
    try:
        yield lambda: not gone.is_set()
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
