"""What the page is told of two takes compared by ear: how they differ, and what is wrong with each."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from studio.core.errors import StudioError
from studio.dsp.difference import SPAN_DB, difference_png, scale_png
from studio.service.differing import Differing, differing
from studio.service.looks import Looks
from studio.ui.panels.look import card
from studio.ui.panels.offers import Offers
from studio.ui.server.exporting import NO_STORE
from studio.ui.server.pictures import width_of
from studio.ui.words import words

AT_A_TIME = 2  # of either: each keeps a core busy for seconds


def ear_routes(offers: Offers, looks: Looks) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`, by the tokens of the page that made the takes."""
    turns = asyncio.Semaphore(AT_A_TIME)

    async def differ(request: Request) -> Response:
        tokens = request.path_params["token"], request.query_params.get("other", "")
        try:
            width = width_of(request.query_params.get("width"))
        except ValueError:
            return PlainTextResponse("width is a number.", 400)

        def answer(one: Path, other: Path) -> dict[str, Any]:
            return told(differing(one, other), width)

        return await _answered(turns, answer, [offers.path(token) for token in tokens])

    async def look(request: Request) -> Response:
        def answer(path: Path) -> dict[str, Any]:
            *_, found = looks.look(path)
            return {"card": card(found)}  # type: ignore[arg-type]

        return await _answered(turns, answer, [offers.path(request.path_params["token"])])

    return [Route("/take/{token}/difference", differ), Route("/take/{token}/look", look)]


async def _answered(
    turns: asyncio.Semaphore, answer: Callable[..., dict[str, Any]], paths: list[Path | None]
) -> Response:
    """What is answered of these takes' files, in its turn; or why there is nothing to tell."""
    if None in paths:
        return PlainTextResponse(words.ear.gone, 404)
    async with turns:
        try:
            return JSONResponse(await run_in_threadpool(answer, *paths), headers=NO_STORE)
        except StudioError as error:
            return PlainTextResponse(str(error), 404)


def told(seen: Differing, width: int) -> dict[str, Any]:
    """A difference as the page shows it: a picture of `width` columns at most, its scale, its places."""
    apart = seen.difference
    return {
        "picture": _address(difference_png(apart.pooled(width))) if len(apart.decibels) else "",
        "scale": _address(scale_png()),
        "span_db": SPAN_DB,
        "from_s": round(apart.from_s, 3),
        "length_s": round(apart.length_s, 3),
        "lag_s": round(apart.lag_s, 3),
        "top_hz": apart.top_hz,
        "louder_lu": None if seen.louder_lu is None else round(seen.louder_lu, 1),
        "alike": round(apart.alike(), 3),
        "cut": seen.cut,
        "places": [{"at_s": one.at_s, "hz": one.hz, "db": one.db} for one in apart.places()],
    }


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"
