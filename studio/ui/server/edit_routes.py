"""What the page asks of edits: one begun, how it stands, one dropped, the take before, all takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from studio.core.edit import AnyEdit, edit_of_words
from studio.core.errors import InvalidRequestError
from studio.core.preset import parse_markers
from studio.service.edit_costs import Cost
from studio.service.studio import Studio
from studio.service.takes.shelf import Take
from studio.ui.panels.edits import MOST_CANDIDATES, before, told, told_of_cost
from studio.ui.panels.making import NO_STORE
from studio.ui.panels.offers import Offers
from studio.ui.server.edit_api import NO_OTHER
from studio.ui.server.page_calls import Answer, answered, caller_of, refused, sent
from studio.ui.words import words

MAX_BYTES = 300_000  # as many markers as a take may have
MOST_TAKES = 200  # to choose from, the newest


def edit_routes(studio: Studio, offers: Offers) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`, of the Library's takes alone."""

    async def begin(request: Request) -> Response:
        client = caller_of(request)
        return await _answer(request, lambda asked: _begun(studio, asked, client))

    async def cost(request: Request) -> Response:
        return await _answer(request, lambda asked: told_of_cost(_cost(studio, asked)))

    async def look(request: Request) -> Response:
        known = request.query_params.get("known", "")
        try:
            job = studio.job(request.path_params["id"])
        except InvalidRequestError:
            return JSONResponse({"phase": "gone", "message": words.edits.gone}, 404, headers=NO_STORE)
        first = int(known) if known in map(str, range(MOST_CANDIDATES + 1)) else 0
        return await answered(lambda: told(job, studio.library, offers, first))

    async def stop(request: Request) -> Response:
        def end(_: dict[str, Any]) -> Answer:
            studio.stop(request.path_params["id"])
            return {}

        return await _answer(request, end)

    async def drop(request: Request) -> Response:
        def delete(asked: dict[str, Any]) -> Answer:
            studio.library.delete(str(asked.get("take", "")))
            return {}

        return await _answer(request, delete)

    async def earlier(request: Request) -> Response:
        return await answered(lambda: before(studio.library, request.query_params.get("take", "")))

    async def markers(request: Request) -> Response:
        return await answered(lambda: _marked(studio.library.get(request.query_params.get("take", ""))))

    async def mark(request: Request) -> Response:
        def keep(asked: dict[str, Any]) -> Answer:
            wanted = parse_markers(asked.get("markers"))
            return _marked(studio.library.mark(str(asked.get("take", "")), wanted))

        return await _answer(request, keep)

    async def takes(request: Request) -> Response:
        return await answered(lambda: {"takes": _takes(studio)})

    return [
        Route("/edits", begin, methods=["POST"]),
        Route("/edits/cost", cost, methods=["POST"]),
        Route("/edits/drop", drop, methods=["POST"]),
        Route("/edits/before", earlier),
        Route("/edits/takes", takes),
        Route("/edits/markers", markers),
        Route("/edits/markers", mark, methods=["POST"]),
        Route("/edits/{id}", look),
        Route("/edits/{id}/stop", stop, methods=["POST"]),
    ]


@dataclass(frozen=True)
class _Asked:
    """Candidates of one edit of a take, or of two; each has a seed of its own."""

    edits: list[AnyEdit]
    take: str
    other: str


def _read(asked: dict[str, Any]) -> _Asked:
    """What texts ask for by the words of `edit_of_words`, with `take`, `kind` and `candidates`."""
    said = {str(name): str(value) for name, value in asked.items()}
    take, kind, other, count = (said.pop(name, "") for name in ("take", "kind", "other", "candidates"))
    if count not in ("", *map(str, range(1, MOST_CANDIDATES + 1))):
        raise InvalidRequestError(words.edits.wrong_count.format(most=MOST_CANDIDATES))
    edits = [edit_of_words(kind, said) for _ in range(int(count or 1))]
    if kind == "splice" and not other:
        raise InvalidRequestError(NO_OTHER)
    return _Asked(edits, take, other)


def _begun(studio: Studio, asked: dict[str, Any], client: str) -> dict[str, Any]:
    """The id of an edit's job."""
    wanted = _read(asked)
    return {"id": studio.edit_all(wanted.edits, wanted.take, wanted.other, client=client).id}


def _cost(studio: Studio, asked: dict[str, Any]) -> Cost:
    """What an edit would take; with `again` its trial is looked at, and none begun."""
    again = bool(asked.pop("again", False))
    wanted = _read(asked)
    return studio.edit_cost(wanted.edits[0], wanted.take, wanted.other, count=len(wanted.edits), again=again)


def _takes(studio: Studio) -> list[dict[str, str]]:
    whole = (take for take in studio.library.takes() if take.status in ("finished", "stopped"))
    return [{"id": take.id, "name": take.name} for take in islice(whole, MOST_TAKES)]


def _marked(take: Take) -> dict[str, Any]:
    return {"markers": [one.model_dump() for one in take.about.markers]}


async def _answer(request: Request, do: Callable[[dict[str, Any]], Answer]) -> Response:
    """What `do` makes of the object that the page sent; or what is wrong with it, in a sentence."""
    unread = words.edits.unread
    try:
        asked = await sent(request, MAX_BYTES, too_large=unread, no_json=unread)
        if not isinstance(asked, dict):
            raise InvalidRequestError(unread)
    except InvalidRequestError as error:
        return refused(error)
    return await answered(lambda: do(asked))
