"""What the page asks of edits: one begun, how it stands, one dropped, the take before, all takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from studio.core.edit import edit_of_words
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.preset import parse_markers
from studio.service.studio import Studio
from studio.ui.panels.edits import before, told
from studio.ui.panels.making import NO_STORE, OWN_HEADER
from studio.ui.panels.offers import Offers
from studio.ui.server.edit_api import NO_OTHER
from studio.ui.words import words

MAX_BYTES = 300_000  # as many markers as a take may have
MOST_TAKES = 200  # to choose from, the newest


def edit_routes(studio: Studio, offers: Offers) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`, of the Library's takes alone."""

    async def begin(request: Request) -> Response:
        asked = await _asked(request)
        return await _answer(lambda: _begun(studio, asked()))

    async def look(request: Request) -> Response:
        return await _answer(lambda: told(studio.job(request.path_params["id"]), studio.library, offers))

    async def stop(request: Request) -> Response:
        asked = await _asked(request)

        def end() -> dict[str, Any]:
            asked()
            studio.stop(request.path_params["id"])
            return {}

        return await _answer(end)

    async def drop(request: Request) -> Response:
        asked = await _asked(request)

        def delete() -> dict[str, Any]:
            studio.library.delete(str(asked().get("take", "")))
            return {}

        return await _answer(delete)

    async def earlier(request: Request) -> Response:
        return await _answer(lambda: before(studio.library, request.query_params.get("take", "")))

    async def markers(request: Request) -> Response:
        asked = await _asked(request) if request.method == "POST" else None

        def told() -> dict[str, Any]:
            given = asked() if asked else None
            if given is None:
                take = studio.library.get(request.query_params.get("take", ""))
            else:
                take = studio.library.mark(str(given.get("take", "")), parse_markers(given.get("markers")))
            return {"markers": [one.model_dump() for one in take.about.markers]}

        return await _answer(told)

    async def takes(request: Request) -> Response:
        return await _answer(lambda: {"takes": _takes(studio)})

    return [
        Route("/edits", begin, methods=["POST"]),
        Route("/edits/drop", drop, methods=["POST"]),
        Route("/edits/before", earlier),
        Route("/edits/takes", takes),
        Route("/edits/markers", markers, methods=["GET", "POST"]),
        Route("/edits/{id}", look),
        Route("/edits/{id}/stop", stop, methods=["POST"]),
    ]


def _begun(studio: Studio, asked: dict[str, Any]) -> dict[str, Any]:
    """The id of an edit's job, of texts by the words of `edit_of_words`, with `take` and `kind`."""
    said = {str(name): str(value) for name, value in asked.items()}
    take, kind, other = (said.pop(name, "") for name in ("take", "kind", "other"))
    edit = edit_of_words(kind, said)
    if kind == "splice" and not other:
        raise InvalidRequestError(NO_OTHER)
    return {"id": studio.edit(edit, take, other).id}


def _takes(studio: Studio) -> list[dict[str, str]]:
    whole = (take for take in studio.library.takes() if take.status in ("finished", "stopped"))
    return [{"id": take.id, "name": take.name} for take in islice(whole, MOST_TAKES)]


async def _asked(request: Request) -> Callable[[], dict[str, Any]]:
    """The object that the page sent, as a function that raises `InvalidRequestError` for anything else."""
    body = bytearray()
    async for part in request.stream():
        body += part[: MAX_BYTES + 1 - len(body)]

    def read() -> dict[str, Any]:
        if OWN_HEADER not in request.headers:
            raise InvalidRequestError(words.sets.foreign)
        try:
            asked = json.loads(bytes(body)) if len(body) <= MAX_BYTES else None
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            raise InvalidRequestError(words.edits.unread)
        return asked

    return read


async def _answer(do: Callable[[], dict[str, Any]]) -> Response:
    """What `do` gives; or what is wrong, in a sentence."""
    try:
        return JSONResponse(await run_in_threadpool(do), headers=NO_STORE)
    except InvalidRequestError as error:
        return JSONResponse({"message": str(error)}, 400, headers=NO_STORE)
    except StudioError as error:
        return JSONResponse({"message": str(error)}, 507, headers=NO_STORE)
