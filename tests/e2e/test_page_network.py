"""A server that others reach: with a login, with strangers, and behind real proxies."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError, AuthenticationError

from studio.core.errors import InvalidRequestError
from tests.e2e.conftest import free_port, served, tone_settings, wait_for_position, wait_for_state

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow
DEPLOY = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"
NAME = "sound.example.org"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # a server's lies in sbin
LOGIN = ("me", "a secret: word")


@pytest.fixture(scope="module")
def login_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    outputs = tmp_path_factory.mktemp("outputs")
    settings = replace(tone_settings(outputs), auth=(LOGIN,), allowed_hosts=(NAME,))
    with served(settings) as page:
        yield page


@pytest.fixture(scope="module")
def open_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Reached by strangers, as behind a proxy without a login."""
    settings = replace(tone_settings(tmp_path_factory.mktemp("outputs")), allowed_hosts=(NAME,))
    with served(settings) as page:
        yield page


def test_without_the_login_nothing_is_to_be_had(login_site: Any) -> None:
    for path in ("config", "making", "gradio_api/info", f"gradio_api/file={login_site.settings.outputs}"):
        assert httpx.get(f"{login_site.url}{path}").status_code == 401, path
    posted = httpx.post(f"{login_site.url}gradio_api/call/infinite", json={"data": []})
    assert posted.status_code == 401
    assert httpx.post(f"{login_site.url}gradio_api/upload", files={"files": b"x"}).status_code == 401
    with pytest.raises((ValueError, AuthenticationError)):
        Client(login_site.url, verbose=False, auth=("me", "wrong"))


def test_with_the_login_all_is(login_site: Any) -> None:
    client = Client(login_site.url, verbose=False, auth=LOGIN)
    _, figures = client.predict("rain", "", 1.0, 7, api_name="/infinite")
    assert figures["seed"] == "7"
    with httpx.Client(base_url=login_site.url) as browser:
        form = {"username": LOGIN[0], "password": LOGIN[1]}
        assert browser.post("/login", data=form).status_code == 200
        assert browser.get("/making").json() == []
        assert '"library-search"' in browser.get("/config").text, "whoever has a login keeps the takes"


def test_strangers_see_no_library_and_unload_nothing(open_site: Any) -> None:
    page = httpx.get(f"{open_site.url}config").text
    assert '"library-search"' not in page  # which its style may name
    assert "infinite-prompt" in page
    assert httpx.get(f"{open_site.url}making").status_code == 404
    with pytest.raises(InvalidRequestError, match="owner"):
        open_site.studio.unload()


@pytest.mark.parametrize("model", ["/etc", "..", "~", "no/such-model", "./assets/pocket/audioldm"])
def test_strangers_get_the_listed_models_alone(open_site: Any, model: str) -> None:
    client = Client(open_site.url, verbose=False)
    with pytest.raises(AppError, match="models of its list alone"):
        client.predict("rain", "", 1.0, 7, model, api_name="/infinite")
    draft = {"kind": "audiogen", "model": model}
    settings = {"mode": "dual", "sampler": {"kind": "clip"}, "draft": draft}
    preset = json.dumps({"name": "x", "settings": settings})
    with pytest.raises(AppError, match="models of its list alone"):
        client.predict("rain", "", 1.0, 7, "tone", preset=preset, api_name="/dual")


def call(site: Any, seconds: float, client: str) -> str:
    """Ask for a take as a client behind a proxy; the event."""
    data = ["rain", "", seconds, 1, "tone", "", "", None, "", -1, -1, -1]
    url = f"{site.url}gradio_api/call/infinite"
    return httpx.post(url, json={"data": data}, headers={"X-Forwarded-For": client}).json()["event_id"]


def answer(site: Any, event: str) -> str:
    return httpx.get(f"{site.url}gradio_api/call/infinite/{event}", timeout=60).text


def test_each_client_has_so_many_takes_at_once(open_site: Any) -> None:
    studio = open_site.studio
    begun = [call(open_site, 3600.0, "10.0.0.1") for _ in range(2)]
    deadline = time.monotonic() + 30
    while sum(not job.ended for job in studio.jobs()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "of yours are being made" in answer(open_site, call(open_site, 1.0, "10.0.0.1"))
    other = call(open_site, 1.0, "10.0.0.2")
    while sum(not job.ended for job in studio.jobs()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for job in studio.jobs():
        if job.request.duration_s == 3600.0:
            studio.stop(job.id)
    assert "event: complete" in answer(open_site, other)
    assert len(begun) == 2


@pytest.mark.parametrize("site", ["login_site", "open_site", "tone_site"])
def test_foreign_hosts_and_pages_are_refused_however_it_is_opened(
    request: pytest.FixtureRequest, site: str
) -> None:
    url = request.getfixturevalue(site).url
    assert httpx.get(url, headers={"Host": "evil.example"}).status_code == 400
    foreign = {"Origin": "https://evil.example"}
    assert httpx.post(f"{url}gradio_api/upload", headers=foreign, files={"files": b"x"}).status_code == 403
    other_port = httpx.get(f"{url}config", headers={"Origin": "http://localhost:1"})
    assert "access-control-allow-origin" not in other_port.headers


def snippet(language: str) -> str:
    """The configuration that docs/deploy.md gives."""
    match = re.search(rf"```{language}\n(.*?)```", DEPLOY.read_text(encoding="utf-8"), re.S)
    assert match is not None
    return match.group(1)


def nginx(folder: Path, port: int, studio_port: int) -> list[str]:
    """The command of an nginx with the documented lines."""
    lines = snippet("nginx").replace(":7860", f":{studio_port}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temp = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/log;"
        f"events {{}} http {{ access_log off; {temp} server {{ listen 127.0.0.1:{port}; {lines} }} }}"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, port: int, studio_port: int) -> list[str]:
    """The command of a Caddy with the documented lines."""
    lines = snippet("caddy").replace(":7860", f":{studio_port}")
    head = "{\n admin off\n auto_https off\n}\n"
    (folder / "Caddyfile").write_text(f"{head}http://:{port} {{\n bind 127.0.0.1\n{lines}\n}}\n")
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@contextmanager
def proxied(command: list[str], port: int, folder: Path) -> Iterator[None]:
    with open(folder / "output", "w", encoding="utf-8") as output:
        environ = {"HOME": str(folder), "PATH": PATH}
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environ)
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/")
                    break
                except httpx.TransportError:
                    assert process.poll() is None, (folder / "output").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield
        finally:
            process.kill()  # asked kindly, some wait for the end of every stream
            process.wait()


@pytest.mark.browser
@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_behind_a_real_proxy_under_a_sub_path_with_a_login(
    tmp_path: Path,
    browser: Browser,
    require_tool: Callable[[str], str],
    proxy: Callable[[Path, int, int], list[str]],
) -> None:
    """The live player included: its stream must come as it is made, and its take be downloaded."""
    require_tool(proxy.__name__)
    port = free_port()
    settings = replace(
        tone_settings(tmp_path / "o"), auth=(LOGIN,), allowed_hosts=("localhost",), root_path="/studio"
    )
    command = proxy(tmp_path, port, settings.port)
    assert shutil.which(command[0], path=PATH)
    with served(settings), proxied(command, port, tmp_path):
        url = f"http://localhost:{port}/studio"
        page = browser.new_page()
        failed: list[str] = []
        page.on("response", lambda got: failed.append(got.url) if got.status >= 400 else None)
        page.goto(url)
        page.wait_for_selector("input[type=password]")
        failed.clear()  # that one has to log in
        page.locator("input").first.fill(LOGIN[0])
        page.locator("input[type=password]").fill(LOGIN[1])
        page.get_by_role("button", name="Login").click()
        page.wait_for_selector("#infinite-player[data-state]", timeout=60_000)
        page.fill("#infinite-prompt textarea", "rain")
        page.click("#infinite-generate")
        wait_for_position(page, 2)
        page.click("#infinite-stop")
        wait_for_state(page, "stopped")
        page.wait_for_selector("#transport-export:not([disabled])")
        assert failed == []
        devtools = page.context.new_cdp_session(page)
        manifest = devtools.send("Page.getAppManifest")
        assert (manifest["url"], manifest["errors"]) == (f"{url}/manifest.json", [])
        hindered = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert {one["errorId"] for one in hindered} <= {"in-incognito"}, "but for the test's own browser"
        page.close()
        asked, key = {"prompt": "rain", "seconds": 1}, {"xi-api-key": ":".join(LOGIN)}
        begun = httpx.post(f"{url}/v1/takes", json=asked, headers=key).json()
        assert httpx.get(begun["status_url"], headers=key).json()["id"] == begun["id"]
        assert begun["status_url"].startswith(f"{url}/v1/takes/")
        client = Client(f"{url}/", verbose=False, auth=LOGIN)
        file, _ = client.predict("rain", "", 1.0, 7, api_name="/infinite")
        assert Path(file).stat().st_size > 1000
