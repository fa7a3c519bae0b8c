"""The routes of /v1: sounds and takes for programs, without Gradio's protocol."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from studio.core.errors import StudioError
from studio.service.jobs.job import Job
from studio.service.live.broadcast import Broadcast
from studio.service.live.containers import Container, container_of, endless_file
from studio.service.studio import Studio
from studio.service.takes.export_cache import ExportCache
from studio.ui.server import exporting
from studio.ui.server.exporting import NO_STORE
from studio.ui.server.v1 import sound
from studio.ui.server.v1.bodies import json_of, take_body
from studio.ui.server.v1.keys import caller_of
from studio.ui.server.v1.openapi import described
from studio.ui.server.v1.refusals import RefusedError
from studio.ui.server.v1.takes import ApiTakes, Links

POLL_S = 0.05
NOWHERE = "There is nothing at this address: /v1/openapi.json tells what there is."
BUG = "Something went wrong inside Longwave; its log says what."

log = logging.getLogger(__name__)
Handler = Callable[[Request], Awaitable[Response]]


def v1_routes(studio: Studio, takes: ApiTakes, scratch: Path) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`; `scratch` is a private folder for files in other formats."""
    exports = ExportCache(scratch)

    def links(request: Request) -> Links:
        return Links.of(request, studio.settings.root_path)

    async def start(request: Request) -> Response:
        body, client = take_body(await json_of(request)), caller_of(request)
        job = await run_in_threadpool(takes.start, body, client)
        where = links(request)
        return JSONResponse(takes.status(job.id, where), 201, {"Location": where.take(job.id)})

    async def status(request: Request) -> Response:
        take_id, where = request.path_params["id"], links(request)
        if request.method == "DELETE":
            fade = request.query_params.get("fade", "") in ("1", "true")
            await run_in_threadpool(partial(takes.stop, take_id, fade=fade))
        return JSONResponse(await run_in_threadpool(takes.status, take_id, where), headers=NO_STORE)

    async def stream(request: Request) -> Response:
        name = request.query_params.get("format", "mp3")
        container, job = container_of(name), takes.find(request.path_params["id"])
        if not isinstance(job, Job) or job.ended:
            return RedirectResponse(f"file?format={name}")
        headers = {**NO_STORE, "X-Accel-Buffering": "no"}
        broadcast = takes.broadcast(job)
        if request.method == "HEAD":
            return Response(media_type=container.media_type, headers=headers)
        return StreamingResponse(
            _sent(broadcast, container, request), media_type=container.media_type, headers=headers
        )

    async def file(request: Request) -> Response:
        path = await run_in_threadpool(takes.sound, request.path_params["id"])
        query = dict(request.query_params)
        if "format" in query:
            query["format"] = f".{query['format'].lower().removeprefix('.')}"
        made = await exporting.made(exports, path, QueryParams(query))
        if isinstance(made, exporting.Refusal):
            raise RefusedError(507 if made.status == 507 else 422, made.message, "invalid_request")
        return exporting.fetched(made)

    async def nowhere(request: Request) -> Response:
        raise RefusedError(404, NOWHERE)

    def described_here(request: Request) -> Response:
        return JSONResponse(described(links(request).root))

    return [
        _route("/v1/sound-generation", partial(sound.generate, studio=studio), "POST"),
        _route("/v1/takes", start, "POST"),
        _route("/v1/takes/{id:path}/stream", stream, "GET"),
        _route("/v1/takes/{id:path}/file", file, "GET"),
        _route("/v1/takes/{id:path}", status, "GET", "DELETE"),
        Route("/v1/openapi.json", described_here),
        _route("/v1/{rest:path}", nowhere, "GET", "POST", "PUT", "PATCH", "DELETE"),
    ]


def _route(path: str, handler: Handler, *methods: str) -> Route:
    """A route whose errors are told as programs read them."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except RefusedError as refusal:
            return refusal.response()
        except StudioError as error:
            return RefusedError.of(error).response()
        except Exception:  # the server's boundary: whatever it is, a program gets JSON
            log.exception("A call of %s failed", path)
            return RefusedError(500, BUG, "internal_error").response()

    return Route(path, answer, methods=list(methods))


async def _sent(broadcast: Broadcast, container: Container, request: Request) -> AsyncIterator[bytes]:
    """A live take's sound as one file without an end, until the take ends or the listener is gone."""
    listener = broadcast.listen()
    file = endless_file(container, broadcast.sample_rate, broadcast.channels)
    while not await request.is_disconnected():
        samples = listener.read()
        if samples is None:
            yield await run_in_threadpool(file.flush)
            return
        if not len(samples):
            await asyncio.sleep(POLL_S)
        elif data := await run_in_threadpool(file.push, samples):
            yield data
