"""What stands before the page: which hosts are answered, whose pages may write, what a browser may run.

All plain ASGI: Starlette's base class for middleware would buffer the streams.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.core.hosts import address_of, host_of, is_every_interface, is_loopback, normal
from studio.core.settings import Settings

LOCAL = ("127.0.0.1", "localhost", "::1")
WRITING = {"POST", "PUT", "PATCH", "DELETE"}
HEADERS = {
    # Gradio's own page needs inline scripts and `eval`; nothing at all may come from or go to another host.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
        "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'self' https://huggingface.co"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FOREIGN_HOST = (
    "Longwave does not answer to the name '{name}': if it is yours, start it with --allow-host {name}."
)
FOREIGN_PAGE = "Another site's page may not do this: open Longwave's own."


class Hosts:
    """The names that this server answers to. A page of another name could be anybody's, on its own domain."""

    def __init__(self, settings: Settings, names: Iterable[str] = ()) -> None:
        """`names` are more that are the server's own, such as a Space's."""
        self._any_address = not is_loopback(settings.host)
        self._names = {*LOCAL, normal(settings.host)}
        if is_every_interface(settings.host):
            self._names |= machine_names()
        self._public = {normal(name) for name in (*settings.allowed_hosts, *names)}

    def allow(self, name: str) -> None:
        """Answer to another name, known only once the server runs: a public link's."""
        self._public.add(normal(name))

    def answers(self, host: str | None) -> bool:
        """Whether a host, `normal`, is one of the server's names.

        An address is nobody's to give a page of theirs, so any is answered where not only this machine asks.
        """
        if host is None:
            return False
        if host in self._names or host in self._public:
            return True
        return self._any_address and address_of(host) is not None

    def is_public(self, host: str | None) -> bool:
        """Whether it is a name by which a proxy or a tunnel is reached, whatever Host that hands on."""
        return host is not None and host in self._public

    def wrote(self, headers: Headers) -> bool:
        """Whether a request comes from a page of this server's, or from no page at all."""
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        try:
            parts = urlsplit(origin)
            host = host_of(parts.netloc)
        except ValueError:
            return False
        if self.is_public(host):
            return True  # a proxy need not hand on the host that the browser asked for
        return bool(parts.netloc) and parts.netloc.lower() == headers.get("host", "").lower()


def machine_names() -> set[str]:
    """What this machine is called on its network."""
    name = socket.gethostname()
    return {normal(one) for one in (name, name.split(".")[0], f"{name.split('.')[0]}.local") if one}


def guards(hosts: Hosts) -> list[Middleware]:
    """Middleware against other sites' pages."""
    return [
        Middleware(HostGuard, hosts=hosts),
        Middleware(OriginGuard, hosts=hosts),
        Middleware(SecurityHeaders),
    ]


class HostGuard:
    """Answers requests that name one of the server's own hosts, and refuses any other with status 400."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            header = Headers(scope=scope).get("host", "")
            name = host_of(header)
            if not self._hosts.answers(name):
                said = FOREIGN_HOST.format(name=name) if name else "The request names no host."
                await PlainTextResponse(said, 400)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class OriginGuard:
    """Refuses what a foreign page would write, with status 403.

    The same machine at another port is foreign as well: there another program's page is served.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["method"] in WRITING and not self._hosts.wrote(headers):
            await PlainTextResponse(FOREIGN_PAGE, 403)(scope, receive, send)
            return

        await self._app(scope, receive, send)


class NoForeignReaders:
    """Takes back what Gradio grants to pages of any port of this machine: to read, with our credentials.

    It must stand before Gradio's own middleware, which `outermost` is for.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._hosts.wrote(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return

        async def without_grants(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in ("access-control-allow-origin", "access-control-allow-credentials"):
                    del headers[name]
            await send(message)

        await self._app(scope, receive, without_grants)


def outermost(app: Starlette, middleware: Middleware) -> None:
    """Put middleware before all that an app has, which Gradio has no word for; the app may run already."""
    app.user_middleware.insert(0, middleware)
    app.middleware_stack = app.build_middleware_stack()


class SecurityHeaders:
    """Adds `HEADERS` to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class LoginGuard:
    """Lets who has logged in through to `paths`, where a login is asked for; Gradio guards only its own."""

    def __init__(self, app: ASGIApp, is_guarded: Callable[[str], bool]) -> None:
        self._app, self._is_guarded = app, is_guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_guarded(scope["path"]) and not _is_logged_in(scope):
            await PlainTextResponse("Log in first.", 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_logged_in(scope: Scope) -> bool:
    """Whether Gradio's own cookie is there, or no login is asked for."""
    return scope["app"].auth is None or bool(login_of(scope))


def login_of(scope: Scope) -> str:
    """Who has logged in, by Gradio's own cookie; empty where nobody has."""
    from starlette.requests import Request

    app = scope["app"]
    if getattr(app, "auth", None) is None:
        return ""
    cookies = Request(scope).cookies
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return next((str(app.tokens[cookies[name]]) for name in names if cookies.get(name) in app.tokens), "")
