"""What the page's own scripts send as JSON, and how they are answered: an object, or one sentence that says
what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from studio.core.errors import InvalidRequestError, StudioError
from studio.ui.panels.making import NO_STORE, OWN_HEADER
from studio.ui.server.security import login_of
from studio.ui.words import words

Answer = Response | dict[str, Any]


async def sent(request: Request, most: int, *, too_large: str, no_json: str) -> Any:
    """The JSON that the page sent, of so many bytes at most. Raises `InvalidRequestError`."""
    if OWN_HEADER not in request.headers:
        raise InvalidRequestError(words.sets.foreign)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise InvalidRequestError(too_large)
    try:
        return json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(no_json) from error


def caller_of(request: Request) -> str:
    """Who asks: by their login, else by their address."""
    return login_of(request.scope) or (request.client.host if request.client else "")


async def answered(do: Callable[[], Answer]) -> Response:
    """What `do` gives, made in a thread of its own; or what is wrong, as `refused`."""
    try:
        made = await run_in_threadpool(do)
    except StudioError as error:
        return refused(error)
    return made if isinstance(made, Response) else JSONResponse(made, headers=NO_STORE)


def refused(error: StudioError) -> Response:
    """Its sentence: with status 400 where another request mends it, else 507."""
    status = 400 if isinstance(error, InvalidRequestError) else 507
    return JSONResponse({"message": str(error)}, status, headers=NO_STORE)
