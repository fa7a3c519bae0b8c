"""How much a client may send, counted as it comes and not as it says."""

from __future__ import annotations

import json
import threading
import time

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WITHIN_S = 24 * 3600.0
MAX_CLIENTS = 4096
TOO_MUCH = "That is more than one may send to this studio in a day: come back tomorrow, or send less."


class UploadLimit:
    """Refuses, with status 413, what a client sends beyond so many bytes a day, if there is a limit."""

    def __init__(self, app: ASGIApp, bytes_per_client: int | None) -> None:
        self._app = app
        self._limit = bytes_per_client
        self._lock = threading.Lock()
        self._sent: dict[str, tuple[float, int]] = {}  # since when, and how much

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._limit is None or scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else ""
        refused = False

        async def counted() -> Message:
            nonlocal refused
            message = await receive()
            if message["type"] == "http.request" and self._is_beyond(client, len(message.get("body", b""))):
                refused = True
                return {"type": "http.disconnect"}  # whoever reads gives up
            return message

        async def answer(message: Message) -> None:
            if not refused:
                await send(message)

        try:
            await self._app(scope, counted, answer)
        except Exception:
            if not refused:
                raise
        if refused:
            # As Gradio words its own refusals, which its page shows.
            await Response(json.dumps({"detail": TOO_MUCH}), 413, media_type="application/json")(
                scope, receive, send
            )

    def _is_beyond(self, client: str, more: int) -> bool:
        now = time.monotonic()
        with self._lock:
            since, sent = self._sent.pop(client, (now, 0))
            if now - since > WITHIN_S:
                since, sent = now, 0
            sent += more
            self._sent[client] = since, sent
            while len(self._sent) > MAX_CLIENTS:
                del self._sent[next(iter(self._sent))]
        return self._limit is not None and sent > self._limit
