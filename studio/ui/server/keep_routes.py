"""The last seconds heard of a take: saved in the library, or fetched where that is its owner's alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from studio.core.errors import InvalidRequestError, StudioError
from studio.core.settings import Settings
from studio.service.excerpt import MAX_EXCERPT_S, Excerpt, as_flac, excerpt_of, keep
from studio.ui.panels.live import LiveViews
from studio.ui.panels.making import OWN_HEADER
from studio.ui.server.exporting import NO_STORE
from studio.ui.words import words

DEFAULT_S = 30.0

Made = TypeVar("Made")


def keep_routes(views: LiveViews, settings: Settings) -> list[BaseRoute]:
    """`POST /keep/{token}` saves what was heard, `GET` gives it as a file. The token is the take's key."""

    async def of_request(request: Request, make: Callable[[Excerpt], Made]) -> Made | Response:
        """What `make` makes of the span that an address asks for; or why not."""
        view = views.get(request.path_params["token"])
        if view is None:
            return _refusal(words.sound.keep_unknown, 404)
        try:
            seconds, until_s = _span(request)
            return await run_in_threadpool(lambda: make(excerpt_of(view.job, seconds, until_s)))
        except InvalidRequestError as error:
            return _refusal(str(error), 400)
        except StudioError as error:
            return _refusal(str(error), 507)

    async def save(request: Request) -> Response:
        if OWN_HEADER not in request.headers:
            return _refusal(words.sound.keep_foreign, 403)
        if not settings.trusted:  # a library of everybody's would be nobody's
            return await offer(request)
        kept = await of_request(request, lambda excerpt: keep(excerpt, settings.outputs))
        if isinstance(kept, Response):
            return kept
        return JSONResponse({"name": kept.name, "id": kept.id, "seconds": kept.seconds}, headers=NO_STORE)

    async def offer(request: Request) -> Response:
        """The address of the file, relative to the page's."""
        excerpt = await of_request(request, lambda excerpt: excerpt)
        if isinstance(excerpt, Response):
            return excerpt
        seconds, until_s = _span(request)
        query = urlencode({"seconds": seconds, "until": until_s})
        url = f"keep/{quote(request.path_params['token'])}?{query}"
        answer = {"name": excerpt.name, "url": url, "seconds": excerpt.duration_s}
        return JSONResponse(answer, headers=NO_STORE)

    async def fetch(request: Request) -> Response:
        file = await of_request(request, as_flac)
        if isinstance(file, Response):
            return file
        name, content = file
        headers = {**NO_STORE, "Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}"}
        return Response(content, media_type="audio/flac", headers=headers)

    return [Route("/keep/{token}", save, methods=["POST"]), Route("/keep/{token}", fetch)]


def _refusal(message: str, status: int) -> Response:
    return JSONResponse({"message": message}, status, headers=NO_STORE)


def _span(request: Request) -> tuple[float, float]:
    """How many seconds, and up to where. Raises `InvalidRequestError` for what is none."""
    query = request.query_params
    try:
        seconds, until_s = float(query.get("seconds", DEFAULT_S)), float(query["until"])
    except (KeyError, ValueError):
        raise InvalidRequestError(words.sound.keep_seconds) from None
    if not (math.isfinite(until_s) and 0 <= until_s < 1e9 and 1 <= seconds <= MAX_EXCERPT_S):
        raise InvalidRequestError(words.sound.keep_seconds)
    return seconds, until_s
