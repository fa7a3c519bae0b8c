"""Finished takes by the tokens of the page that made them: the sound, its picture, what is known of it."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from studio.core.errors import InvalidRequestError, StudioError
from studio.service.takes.export import Export
from studio.service.takes.export_cache import ExportCache
from studio.service.takes.library import Library
from studio.service.takes.shelf import id_of
from studio.ui.panels.making import OWN_HEADER
from studio.ui.panels.offers import Offers, about
from studio.ui.server.exporting import NO_STORE, Refusal, fetched, made, told
from studio.ui.server.pictures import picture_png, width_of
from studio.ui.words import words

ORDERS = ("star", "unstar", "reject", "restore")
GONE = "There is no finished take of that name any more."


def take_routes(offers: Offers, scratch: Path, library: Library | None) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`.

    Args:
        scratch: private folder where takes are converted to other formats.
        library: where whoever reads may keep the takes in order; None where that is not theirs.
    """
    return [*_sound_routes(offers, scratch, listed=library is not None), *_order_routes(offers, library)]


def _sound_routes(offers: Offers, scratch: Path, *, listed: bool) -> list[BaseRoute]:
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


def _order_routes(offers: Offers, library: Library | None) -> list[BaseRoute]:
    """A take's star, and its way to the trash and back."""
    rejected: dict[str, str] = {}  # ids in the trash, by tokens

    def act(token: str, what: str) -> None:
        if library is None:
            raise InvalidRequestError(words.takes.not_yours)
        if what not in ORDERS:
            raise InvalidRequestError(f"Choose one of {', '.join(ORDERS)}.")
        if what == "restore" and token in rejected:
            library.trash.restore(rejected.pop(token))
            return
        path = offers.path(token)
        if path is None:
            raise InvalidRequestError(GONE)
        if what == "reject":
            rejected[token] = library.delete(id_of(path))
        else:
            library.favour(id_of(path), what == "star")

    async def order(request: Request) -> Response:
        if OWN_HEADER not in request.headers:
            return PlainTextResponse("Only Longwave's own page may do this.", 403)
        try:
            await run_in_threadpool(act, request.path_params["token"], request.path_params["what"])
        except InvalidRequestError as error:
            return PlainTextResponse(str(error), 404)
        except StudioError as error:
            return PlainTextResponse(str(error), 507)
        return PlainTextResponse("")

    return [Route("/take/{token}/{what:str}", order, methods=["POST"])]
