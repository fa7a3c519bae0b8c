"""Finished takes by the tokens of the page that made them: the sound, its picture, what is known of it."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from studio.core.errors import StudioError
from studio.service.takes.export import Export
from studio.service.takes.export_cache import ExportCache
from studio.ui.panels.offers import Offers, about
from studio.ui.server.exporting import NO_STORE, Refusal, fetched, made, told
from studio.ui.server.pictures import picture_png, width_of

GONE = "There is no finished take of that name any more."


def take_routes(offers: Offers, scratch: Path, *, listed: bool) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`.

    Args:
        scratch: private folder where takes are converted to other formats.
        listed: whether who reads may know the takes' ids in the Library.
    """
    exports = ExportCache(scratch)

    async def exported(request: Request) -> Export | Refusal:
        path = offers.path(request.path_params["token"])
        return Refusal(GONE, 404) if path is None else await made(exports, path, request.query_params)

    async def take(request: Request) -> Response:
        return fetched(await exported(request), inline="format" not in request.query_params)

    async def prepare(request: Request) -> Response:
        return told(await exported(request))

    async def known(request: Request) -> Response:
        path = offers.path(request.path_params["token"])
        try:
            if path is None:
                return PlainTextResponse(GONE, 404)
            return JSONResponse(await run_in_threadpool(about, path, listed=listed), headers=NO_STORE)
        except OSError:
            return PlainTextResponse(GONE, 404)

    async def picture(request: Request) -> Response:
        path = offers.path(request.path_params["token"])
        try:
            if path is None:
                return PlainTextResponse(GONE, 404)
            width = width_of(request.query_params.get("width"))
            png = await run_in_threadpool(picture_png, path, path.stat().st_mtime_ns, width)
        except ValueError:
            return PlainTextResponse("width is a number.", 400)
        except (OSError, StudioError):
            return PlainTextResponse(GONE, 404)
        return Response(png, media_type="image/png", headers=NO_STORE)

    return [
        Route("/take/{token}", take),
        Route("/take/{token}/prepare", prepare),
        Route("/take/{token}/about", known),
        Route("/take/{token}/picture", picture),
    ]
