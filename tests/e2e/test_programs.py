"""Programs that use a served studio: players of its streams, and assistants over MCP."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from studio.core.errors import InvalidRequestError
from studio.ui.server.mcp import server
from tests import aio
from tests.e2e.conftest import served, tone_settings
from tests.waiting import until

pytestmark = pytest.mark.slow
HAS_MCP = importlib.util.find_spec("mcp") is not None
LOGIN = ("game", "a secret: word")
KEY = ":".join(LOGIN)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """With a login, behind which all of it lies."""
    settings = tone_settings(tmp_path_factory.mktemp("outputs"))
    with served(replace(settings, auth=(LOGIN,), mcp=HAS_MCP)) as page:
        yield page


@pytest.fixture
def client(site: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, headers={"xi-api-key": KEY}, timeout=60) as client:
        yield client
    for job in site.studio.jobs():
        if not job.ended:
            site.studio.stop(job.id)


def live_take(client: httpx.Client) -> dict[str, Any]:
    return dict(client.post("v1/takes", json={"prompt": "rain"}).json())


def heard(client: httpx.Client, take: dict[str, Any], size: int) -> bytes:
    """So many bytes of a take as it is made, after which its listener hangs up."""
    got = b""
    with client.stream("GET", take["stream_url"], params={"format": "wav"}) as answer:
        for piece in answer.iter_raw():
            got += piece
            if len(got) >= size:
                break
    return got


@pytest.mark.parametrize(
    "headers",
    [
        {"xi-api-key": KEY},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": httpx.BasicAuth(*LOGIN)._auth_header},
    ],
    ids=["own header", "bearer", "name and password"],
)
def test_a_key_is_a_login(site: Any, headers: dict[str, str]) -> None:
    assert httpx.get(f"{site.url}v1/openapi.json", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["v1/openapi.json", "v1/takes/x/stream", "gradio_api/mcp/"])
def test_without_one_there_is_nothing(site: Any, path: str) -> None:
    for headers, said in (({}, "needs_authorization"), ({"xi-api-key": "game:wrong"}, "invalid_api_key")):
        answer = httpx.get(f"{site.url}{path}", headers=headers)
        assert (answer.status_code, answer.json()["detail"]["status"]) == (401, said)
    assert httpx.post(f"{site.url}v1/sound-generation", json={"text": "rain"}).status_code == 401


@pytest.mark.parametrize("name", ["mp3", "opus", "wav"])
def test_a_player_plays_a_stream(
    site: Any, client: httpx.Client, require_tool: Callable[[str], str], name: str
) -> None:
    take = live_take(client)
    command = [
        require_tool("ffmpeg"), "-v", "error", "-headers", f"xi-api-key: {KEY}\r\n",
        "-i", f"{take['stream_url']}?format={name}", "-t", "2", "-f", "s16le", "-",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    rate = 48000 if name == "opus" else 16000
    assert len(done.stdout) == pytest.approx(2 * 2 * rate, rel=0.02)
    assert any(done.stdout)
    assert not site.studio.job(take["id"]).ended, "another may listen"


def test_two_hear_one_take_and_one_who_hangs_up_ends_nothing(site: Any, client: httpx.Client) -> None:
    take = live_take(client)
    job = site.studio.job(take["id"])
    with client.stream("GET", take["stream_url"], params={"format": "wav"}) as first:
        pieces = first.iter_raw()
        begun = next(pieces)
        assert begun[:4] == b"RIFF"
        assert len(heard(client, take, 100_000)) >= 100_000
        assert len(next(pieces)) > 0
        assert not job.ended
    made_s = client.get(take["status_url"]).json()["seconds"]
    assert made_s < 60, "it is made as it is heard"
    with client.stream("GET", take["stream_url"]) as last:
        stopped = client.delete(take["status_url"]).json()
        assert stopped["id"] == take["id"]
        for _ in last.iter_raw():
            pass  # to its end, which comes
    until(lambda: job.ended)
    assert client.get(take["file_url"], params={"format": "flac"}).content[:4] == b"fLaC"


def test_a_call_that_is_left_ends_its_take(site: Any, client: httpx.Client) -> None:
    before = len(site.studio.jobs())
    asked = {"text": "rain", "duration_seconds": 600}
    blocker = client.post("v1/takes", json={"prompt": "rain"}).json()  # so that the other waits
    with pytest.raises(httpx.ReadTimeout):
        client.post("v1/sound-generation", json=asked, timeout=2.0)
    until(lambda: len(site.studio.jobs()) == before + 2)
    job = site.studio.jobs()[-1]
    until(lambda: job.ended)
    assert "Nobody waited" in job.cancel.reason
    assert not site.studio.job(blocker["id"]).ended


def test_strangers_pages_may_not_ask(site: Any, client: httpx.Client) -> None:
    foreign = {"Origin": "https://evil.example"}
    assert client.post("v1/takes", json={"prompt": "rain"}, headers=foreign).status_code == 403


def test_the_page_can_be_installed(site: Any) -> None:
    """Asked without the login, as a browser does."""
    answer = httpx.get(f"{site.url}manifest.json")
    assert answer.headers["content-type"] == "application/manifest+json"
    told = answer.json()
    assert (told["name"], told["start_url"], told["display"]) == ("Longwave", "./", "standalone")
    sizes = {icon["sizes"]: httpx.get(f"{site.url}{icon['src']}") for icon in told["icons"]}
    assert {"192x192", "512x512", "any"} <= sizes.keys()
    assert {got.headers["content-type"] for got in sizes.values()} == {"image/png", "image/svg+xml"}
    size = int.from_bytes(sizes["192x192"].content[16:20], "big")
    assert size == 192, "what its head says"


def test_without_the_package_one_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(InvalidRequestError, match=r"launch\.py"),
        served(replace(tone_settings(tmp_path), mcp=True)),
    ):
        pass


class Assistant:
    """An MCP client's session: a tool's answer as JSON, its mistake as a sentence."""

    def __init__(self, session: Any) -> None:
        self.session = session

    async def call(self, tool: str, **values: Any) -> Any:
        answer = await self.session.call_tool(tool, values)
        text = answer.content[0].text
        return text if answer.isError else json.loads(text)

    async def made(self, take: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while (told := await self.call("take_status", take_id=take["id"]))["status"] in ("queued", "running"):
            assert time.monotonic() < deadline, "it is not made"
        return dict(told)


def with_assistant(site: Any, act: Callable[[Assistant], Any]) -> Any:
    """What a client of the `mcp` package does with the served studio, over HTTP."""
    if not HAS_MCP:
        assert os.environ.get("CI") != "true", "the suite's environment has the group mcp"
        pytest.skip("mcp is not installed: uv pip install --group mcp")
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def session() -> Any:
        caller = httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
        address = f"{site.url}{server.PATH}"
        async with (
            caller,
            streamable_http_client(address, http_client=caller) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await act(Assistant(session))

    return aio.run(session())


def test_an_assistant_finds_the_tools_and_what_each_takes(site: Any) -> None:
    async def act(assistant: Assistant) -> Any:
        refused = await assistant.call("infinite", prompt="rain")
        return (await assistant.session.list_tools()).tools, refused

    tools, refused = with_assistant(site, act)
    assert {tool.name for tool in tools} == set(server.TOOLS), "none of the page's, nor of the API's"
    assert "Unknown tool" in refused
    for tool in tools:
        assert tool.description, tool.name
        assert all(one.get("description") for one in tool.inputSchema["properties"].values()), tool.name
    asked = {tool.name: tool.inputSchema.get("required", []) for tool in tools}
    assert (asked["take_status"], asked["start_take"], asked["list_presets"]) == (["take_id"], ["prompt"], [])


def test_an_assistant_makes_sound_and_fetches_it(site: Any, client: httpx.Client) -> None:
    async def act(assistant: Assistant) -> None:
        begun = await assistant.call("start_take", prompt="rain", seconds=2, seed="7")
        assert begun["id"]
        done = await assistant.made(begun)
        assert (done["status"], done["seconds"], done["seed"]) == ("finished", 2.0, "7")
        file = await assistant.call("take_file", take_id=begun["id"], format="mp3")
        assert client.get(file["url"]).headers["content-type"] == "audio/mpeg"
        loop = await assistant.call("make_loop", prompt="waves", bpm=120, bars=1, model="tone")
        assert (await assistant.made(loop))["seconds"] == 2.0
        assert site.studio.job(loop["id"]).ring
        listed = (await assistant.session.list_resources()).resources
        assert any("waves" in one.name for one in listed)
        told = (await assistant.session.read_resource(listed[0].uri)).contents[0].text
        assert json.loads(told)["file_url"].startswith(site.url)

    with_assistant(site, act)


def test_an_assistant_is_told_in_sentences(site: Any) -> None:
    async def act(assistant: Assistant) -> None:
        assert "mode must be one of" in await assistant.call("start_take", prompt="rain", mode="other")
        assert "no take of that id" in await assistant.call("take_file", take_id="none")
        assert (await assistant.call("start_take", prompt=" ")).startswith("Prompt is empty"), "unquoted"
        endless = await assistant.call("start_take", prompt="rain", seconds=0)
        assert "still being made" in await assistant.call("take_file", take_id=endless["id"])
        assert endless["stream_url"]
        stopped = await assistant.call("stop_take", take_id=endless["id"])
        assert (await assistant.made(stopped))["status"] == "stopped"
        assert "storm-passes" in await assistant.call("list_presets")
        assert "light" in (await assistant.call("what_it_knows", model="pocket/audioldm"))["sounds"]["rain"]
        assert "describe any sound" in (await assistant.call("what_it_knows"))["about"]

    with_assistant(site, act)
