"""Who still waits for the answer to a call of the API.

Gradio calls a function to its end whoever has left meanwhile. A caller listens on an event stream, which is
one request for as long as it waits; so here is counted which of those requests are open, and whose they are.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from contextlib import suppress
from urllib.parse import parse_qs

from gradio.context import LocalContext
from starlette.types import ASGIApp, Receive, Scope, Send

# A call's stream is named by its session, or by the event itself where the caller has no session.
_BY_SESSION = re.compile(r".*/gradio_api/queue/data")
_BY_EVENT = re.compile(r".*/gradio_api/call/(?:v2/)?[^/]+/([^/]+)")
GRACE_S = 10.0  # from the call to the opening of its stream
LEFT_S = 1.0  # from a stream's end: a session's next one may be on its way
MAX_REMEMBERED = 1024


class Callers:
    """The event streams that are open. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self._left_at: dict[str, float] = {}

    def enter(self, name: str) -> None:
        """A stream of that name was opened."""
        with self._lock:
            self._open[name] += 1

    def leave(self, name: str) -> None:
        """A stream of that name was closed, by whichever end."""
        with self._lock:
            self._open[name] -= 1
            self._left_at[name] = time.monotonic()
            if not self._open[name]:
                del self._open[name]
            while len(self._left_at) > MAX_REMEMBERED:
                del self._left_at[next(iter(self._left_at))]

    def wait_for(self, names: set[str], since: float) -> bool:
        """Whether somebody waits, on a stream of one of these names, for a call made at `since`, which is a
        time of `time.monotonic`.
        """
        with self._lock:
            if any(self._open[name] for name in names):
                return True
            left = [self._left_at[name] for name in names if self._left_at.get(name, 0.0) > since]
        deadline = max(left) + LEFT_S if left else since + GRACE_S
        return time.monotonic() < deadline


def client_of() -> str:
    """Who makes the call that is being answered: by their login, else by their address; empty outside one."""
    request = LocalContext.request.get(None)
    if request is None:
        return ""
    return str(request.username or (request.client.host if request.client else ""))


class CallerWatch:
    """Middleware that tells `Callers` of every event stream. Plain ASGI: it must not buffer them."""

    def __init__(self, app: ASGIApp, callers: Callers) -> None:
        self._app = app
        self._callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = _stream_name(scope) if scope["type"] == "http" and scope["method"] == "GET" else ""
        if not name:
            await self._app(scope, receive, send)
            return
        self._callers.enter(name)
        # Gradio looks only now and then whether its reader is still there.
        gone = asyncio.create_task(self._leave_when_gone(name, receive))
        try:
            await self._app(scope, receive, send)
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            if gone.cancelled():
                self._callers.leave(name)

    async def _leave_when_gone(self, name: str, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._callers.leave(name)


def _stream_name(scope: Scope) -> str:
    """What the stream that a request opens is called; empty for any other request."""
    if _BY_SESSION.fullmatch(scope["path"]):
        return parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0]
    match = _BY_EVENT.fullmatch(scope["path"])
    return match.group(1) if match else ""
