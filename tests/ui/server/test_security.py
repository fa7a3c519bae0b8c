"""What stands before the page, against hosts, pages and clients that are not its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from studio.core.settings import Settings
from studio.ui.server import security, uploads
from studio.ui.server.security import HEADERS, Hosts, LoginGuard, machine_names
from studio.ui.server.uploads import UploadLimit

Client = Callable[..., TestClient]


async def page(request: Request) -> Response:
    body = await request.body()
    granted = {
        "Access-Control-Allow-Origin": "http://localhost:3000",
        "Access-Control-Allow-Credentials": "true",
    }
    return PlainTextResponse(f"{len(body)} bytes", headers=granted)


def client(*middleware: Middleware, host: str = "127.0.0.1:7860", **settings: Any) -> TestClient:
    hosts = Hosts(Settings(**settings))
    routes = [Route("/{path:path}", page, methods=["GET", "POST"])]
    app = Starlette(routes=routes, middleware=[*security.guards(hosts), *middleware])
    return TestClient(app, base_url=f"http://{host}", headers={"Host": host})


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:1", "[::1]:7860", "LOCALHOST"])
def test_own_names_are_answered(host: str) -> None:
    answer = client().get("/", headers={"Host": host})
    assert answer.status_code == 200
    assert all(answer.headers[name] == value for name, value in HEADERS.items())


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "a b", "10.0.0.1"]
)
def test_foreign_names_are_not(host: str) -> None:
    answer = client().get("/", headers={"Host": host})
    assert answer.status_code == 400
    assert "\n" not in answer.text


def test_who_is_refused_reads_which_option_would_help() -> None:
    assert "--allow-host sound.example.org" in client().get("/", headers={"Host": "sound.example.org"}).text


def test_a_name_can_be_allowed_and_others_stay_refused() -> None:
    allowed = client(allowed_hosts=("sound.example.org",))
    assert allowed.get("/", headers={"Host": "Sound.Example.org:443"}).status_code == 200
    assert allowed.get("/", headers={"Host": "127.0.0.1:7860"}).status_code == 200
    assert allowed.get("/", headers={"Host": "other.example.org"}).status_code == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_on_every_interface_addresses_and_the_machine_s_own_name_are_answered(host: str) -> None:
    on_network = TestClient(client_app(host))
    for name in ("192.168.1.5:7860", "[fd00::5]:7860", *machine_names()):
        assert on_network.get("/", headers={"Host": name}).status_code == 200, name
    assert on_network.get("/", headers={"Host": "rebound.evil.example"}).status_code == 400


def client_app(host: str) -> Starlette:
    routes = [Route("/", page)]
    return Starlette(routes=routes, middleware=security.guards(Hosts(Settings(host=host))))


def test_a_public_link_is_answered_once_it_is_known() -> None:
    hosts = Hosts(Settings(share=True))
    assert not hosts.answers("abc.gradio.live")
    hosts.allow("ABC.gradio.live")
    assert hosts.answers("abc.gradio.live")
    assert hosts.is_public("abc.gradio.live")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # no browser's
        ({"Origin": "http://127.0.0.1:7860"}, 200),
        ({"Origin": "http://127.0.0.1:7860", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "garbage"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_only_its_own_page_writes(headers: dict[str, str], status: int) -> None:
    answer = client().post("/gradio_api/upload", headers=headers, content=b"x")
    assert answer.status_code == status
    if status == 403:
        assert "Another site" in answer.text


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://evil.example", "null"])
def test_a_foreign_page_reads_nothing_with_our_credentials(origin: str) -> None:
    page = client()
    security.outermost(page.app, Middleware(security.NoForeignReaders, hosts=Hosts(Settings())))  # type: ignore[arg-type]
    answer = page.get("/", headers={"Origin": origin})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-credentials" not in answer.headers
    own = page.get("/", headers={"Origin": "http://127.0.0.1:7860"})
    assert own.headers["access-control-allow-credentials"] == "true"


def test_behind_a_proxy_the_page_s_own_origin_counts_whatever_host_it_hands_on() -> None:
    behind = client(allowed_hosts=("sound.example.org",))
    own = {"Origin": "https://sound.example.org", "Sec-Fetch-Site": "same-origin"}
    assert behind.post("/", headers=own).status_code == 200
    assert behind.post("/", headers={**own, "Host": "sound.example.org"}).status_code == 200
    assert behind.post("/", headers={**own, "Origin": "https://evil.example"}).status_code == 403


def limited(limit: int | None) -> TestClient:
    return client(Middleware(UploadLimit, bytes_per_client=limit))


def test_what_a_client_sends_is_counted_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(uploads.time, "monotonic", lambda: now[0])
    sender = limited(1000)
    assert sender.post("/", content=b"x" * 600).text == "600 bytes"
    answer = sender.post("/", content=b"x" * 600)
    assert answer.status_code == 413
    assert "come back tomorrow" in answer.json()["detail"]
    assert sender.post("/", content=b"x").status_code == 413, "a smaller one does not help"
    assert sender.get("/").status_code == 200
    now[0] = uploads.WITHIN_S + 1
    assert sender.post("/", content=b"x" * 900).text == "900 bytes"


def test_what_it_says_it_sends_is_not_what_counts() -> None:
    def pieces() -> Any:
        for _ in range(100):
            yield b"x" * 100

    assert limited(1000).post("/", content=pieces()).status_code == 413
    assert limited(None).post("/", content=pieces()).text == "10000 bytes"


def test_clients_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_CLIENTS", 3)
    limit = UploadLimit(page, 10)  # type: ignore[arg-type]
    for number in range(10):
        limit._is_beyond(str(number), 1)
    assert len(limit._sent) == 3


@pytest.mark.parametrize(
    ("auth", "cookie", "path", "status"),
    [
        (None, "", "/making", 200),
        ({"me": "x"}, "", "/making", 401),
        ({"me": "x"}, "wrong", "/making", 401),
        ({"me": "x"}, "token", "/making", 200),
        ({"me": "x"}, "", "/page/page.js", 200),
    ],
)
def test_what_is_not_gradio_s_asks_for_the_login_too(
    auth: dict[str, str] | None, cookie: str, path: str, status: int
) -> None:
    guarded = client(Middleware(LoginGuard, is_guarded=lambda path: path == "/making"))
    app: Any = guarded.app
    app.auth, app.cookie_id, app.tokens = auth, "id", {"token": "me"}
    cookies = {"Cookie": f"access-token-unsecure-id={cookie}"} if cookie else {}
    assert guarded.get(path, headers=cookies).status_code == status
