"""Who calls the API of a studio with a login: by a key, which is a login written NAME:PASSWORD."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from studio.ui.server.security import login_of
from studio.ui.server.v1.refusals import RefusedError

PATHS = re.compile(r"/(v1|gradio_api/mcp)(/|$)")  # the page's own ask for its cookie
MISSING = "This studio asks for a key: give a login as xi-api-key, written NAME:PASSWORD."
WRONG = "That key is no login of this studio: write it NAME:PASSWORD, as its owner gave it."
_CALLER = "longwave_caller"


class KeyGuard:
    """Refuses calls without a key, with status 401, where a login is asked for. The page's cookie will do."""

    def __init__(self, app: ASGIApp, logins: Sequence[tuple[str, str]]) -> None:
        self._app = app
        self._logins = [(name, f"{name}:{password}".encode()) for name, password in logins]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._logins and scope["type"] == "http" and PATHS.search(scope["path"]):
            key = key_in(Headers(scope=scope))
            name = login_of(scope) or self._name_of(key)
            if not name:
                said, code = (WRONG, "") if key else (MISSING, "needs_authorization")
                await RefusedError(401, said, code).response()(scope, receive, send)
                return
            scope[_CALLER] = name
        await self._app(scope, receive, send)

    def _name_of(self, key: bytes) -> str:
        """Whose key it is; all are compared, so that the time it takes tells nothing."""
        found = [name for name, known in self._logins if hmac.compare_digest(known, key)]
        return found[0] if found else ""


def key_in(headers: Headers) -> bytes:
    """The key that a request brings: as `xi-api-key`, as a bearer's, or as HTTP's own name and password."""
    kind, _, word = headers.get("authorization", "").partition(" ")
    given = headers.get("xi-api-key") or (word.strip() if kind.lower() == "bearer" else "")
    if not given and kind.lower() == "basic":
        try:
            return base64.b64decode(word.strip(), validate=True)
        except (binascii.Error, ValueError):
            return b"?"
    return given.encode("latin-1", "replace")


def caller_of(request: Request) -> str:
    """Who calls: by the key's login, else by the address."""
    return str(request.scope.get(_CALLER) or (request.client.host if request.client else ""))
