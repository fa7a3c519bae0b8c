"""The addresses of sets: a sheet read and made, rows some at a time, sounds, one ZIP; and who may."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile as sf
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.backends.systems.tone import ToneBackend
from studio.core.errors import OutOfResourcesError
from studio.core.request import GenerationRequest, parse_request
from studio.core.settings import Settings
from studio.pipeline.renderer import Renderer
from studio.service.batch.rows import row_of
from studio.service.studio import Studio
from studio.service.takes.zip_stream import zip_stream
from studio.ui.panels.making import job_routes
from studio.ui.server import set_routes as module
from studio.ui.server.security import Hosts, guards
from studio.ui.server.set_routes import set_routes
from tests.waiting import until

OWN = {"X-Longwave": "1"}
SHEET = b"\xef\xbb\xbfprompt,seconds,seed,model\n=rain,0.2,1,tone\ntoo large,0.2,2,tone\nwind,0.2,3,tone\n"


class Crowded(Renderer):
    """Has no room for the take of that prompt, while it is `full`."""

    full = True

    def __call__(self, request: GenerationRequest, *rest: Any) -> Iterator[Any]:
        if request.prompt == "too large" and self.full:
            raise OutOfResourcesError("There is no room for it: ask for less.")
        yield from super().__call__(request, *rest)


@pytest.fixture
def render() -> Crowded:
    return Crowded()


def opened(outputs: Path, render: Crowded, **more: Any) -> tuple[Studio, TestClient]:
    settings = Settings(outputs=outputs, model_id="tone", device="cpu", **more)
    studio = Studio(settings, lambda choice: ToneBackend(), render)
    app = Starlette(
        routes=[*set_routes(studio, outputs / "scratch"), *job_routes(studio)],
        middleware=guards(Hosts(Settings())),
    )
    return studio, TestClient(app, base_url="http://127.0.0.1:7860")


@pytest.fixture
def site(tmp_path: Path, render: Crowded) -> Iterator[tuple[Studio, TestClient]]:
    studio, client = opened(tmp_path, render)
    with client:
        yield studio, client
    studio.close()


def begin(client: TestClient, sheet: bytes = SHEET, name: str = "village") -> str:
    answer = client.post("/sets/sheet", params={"begin": "1", "name": name}, content=sheet, headers=OWN)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def ended(client: TestClient, set_id: str) -> dict[str, Any]:
    until(lambda: client.get(f"/sets/{set_id}").json()["phase"] not in ("making", "waiting"))
    return dict(client.get(f"/sets/{set_id}").json())


def test_a_sheet_from_its_reading_to_one_zip(site: tuple[Studio, TestClient], render: Crowded) -> None:
    studio, client = site
    planned = client.post("/sets/sheet", content=SHEET, headers=OWN).json()
    assert planned["said"].startswith("3 takes of 0:00, 0:00 of sound. How long")
    assert client.get("/sets").json() == []
    set_id = begin(client)
    found = ended(client, set_id)
    assert (found["phase"], found["made"], found["failed"], found["matching"]) == ("failed", 2, 1, 3)
    rows = found["rows"]
    assert [(row["number"], row["name"], row["seed"]) for row in rows] == [
        (1, "=rain", "1"), (2, "too large", "2"), (3, "wind", "3")
    ]  # fmt: skip
    assert rows[1]["said"] == "There is no room for it: ask for less."
    only = client.get(f"/sets/{set_id}", params={"only": "done", "from": 1, "count": 1}).json()
    assert ([row["name"] for row in only["rows"]], only["matching"]) == (["wind"], 2)
    render.full = False
    client.post(f"/sets/{set_id}/retry", params={"row": rows[1]["id"]}, headers=OWN)
    assert ended(client, set_id)["phase"] == "done"
    archive = client.get(f"/sets/{set_id}/zip")
    assert archive.headers["content-disposition"].endswith("village.zip")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as whole:
        assert whole.testzip() is None
        names = [f"{n}_{name}_s{n}.flac" for n, name in ((1, "=rain"), (2, "too_large"), (3, "wind"))]
        assert whole.namelist() == [*names, "set.csv"]
        assert sf.info(io.BytesIO(whole.read(names[0]))).duration == pytest.approx(0.2)
        sheet = list(csv.reader(io.StringIO(whole.read("set.csv").decode("utf-8-sig"))))
    assert sheet[1] == [names[0], "'=rain", "0.2", "1", ""], "no formula for who opens it"
    assert {take.entry.group_id for take in studio.library.takes()} == {studio.sets.look(set_id).folder.group}


def test_a_row_is_heard_seen_and_exported(site: tuple[Studio, TestClient]) -> None:
    _, client = site
    set_id = begin(client)
    rows = ended(client, set_id)["rows"]
    row = {"row": rows[0]["id"]}
    assert client.get(f"/sets/{set_id}/sound", params=row).content[:4] == b"fLaC"
    assert client.get(f"/sets/{set_id}/picture", params={**row, "width": 40}).content[1:4] == b"PNG"
    told = client.get(f"/sets/{set_id}/export/prepare", params={**row, "format": ".wav"}).json()
    assert told["name"].endswith(".wav")
    assert client.get(f"/sets/{set_id}/export", params={**row, "format": ".wav"}).content[:4] == b"RIFF"
    for wrong in ({"row": rows[1]["id"]}, {"row": "../../x"}, {}):
        assert client.get(f"/sets/{set_id}/sound", params=wrong).status_code == 404


@pytest.mark.parametrize(
    ("sheet", "said"),
    [
        (b"prompt,seconds\nrain,2\nwind,ten\n", "ine 3"),
        (b"prompt,count\nrain,2000000\n", "10,000"),
        ("prompt\nré\n".encode("utf-16"), "UTF-8"),
        (b"", "asks for nothing"),
        (b"prompt,seconds\nrain,0.2\n" * 500_000, "larger than"),
    ],
)
def test_a_sheet_that_can_t_be_read_says_where(
    site: tuple[Studio, TestClient], sheet: bytes, said: str
) -> None:
    answer = site[1].post("/sets/sheet", content=sheet, headers=OWN)
    assert answer.status_code in (400, 413)
    assert said in answer.json()["message"]


def test_the_example_makes_a_set(site: tuple[Studio, TestClient]) -> None:
    example = site[1].get("/sets/example.csv")
    assert example.headers["content-disposition"].startswith("attachment")
    assert "takes" in site[1].post("/sets/sheet", content=example.content, headers=OWN).json()["said"]


def test_another_site_s_page_begins_and_stops_nothing(site: tuple[Studio, TestClient]) -> None:
    _, client = site
    assert client.post("/sets/sheet?begin=1", content=SHEET).status_code == 403
    assert client.post("/sets/village/stop").status_code == 403
    assert client.get("/sets/village/stop", headers=OWN).status_code == 405
    assert client.get("/sets").json() == []


def test_a_set_that_is_made_is_in_the_list_of_what_is(
    site: tuple[Studio, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    studio, client = site
    choice = {"id": "tone", "device": "cpu"}  # the queue of the sheet's rows
    running = studio.submit(parse_request(prompt="rain", duration_s=None, model=choice))
    until(lambda: running.status == "running")
    set_id = begin(client)  # which waits for the take
    (row,) = [row for row in client.get("/making").json() if row["id"] == set_id]
    assert (row["mode"], row["prompt"], row["stands"], row["takes_left"]) == ("Set", "village", "waiting", 3)
    assert client.post(f"/making/{set_id}/stop", headers=OWN).status_code == 200
    assert ended(client, set_id)["told"] == "0 of 3 made · stopped"
    studio.stop(running.id)


def test_a_stranger_finds_no_set_but_by_its_id(tmp_path: Path, render: Crowded) -> None:
    studio, client = opened(tmp_path, render, host="0.0.0.0")
    with client:
        set_id = begin(client)
        assert set_id.startswith("village__")
        assert client.get("/sets").json() == []
        assert [one["id"] for one in client.get("/sets", params={"id": set_id}).json()] == [set_id]
        assert client.get("/sets/village").status_code == 400
        many = b"prompt,count,model,seconds\nrain,21,tone,0.1\n"
        refused = client.post("/sets/sheet?begin=1", content=many, headers=OWN)
        assert "up to 20 takes" in refused.json()["message"]
    studio.close()


@pytest.mark.slow
def test_thousands_of_rows_are_told_some_at_a_time(site: tuple[Studio, TestClient]) -> None:
    studio, client = site
    running = studio.submit(parse_request(prompt="rain", duration_s=None, model={"id": "tone"}))
    first = parse_request(prompt="rain", seed=1, duration_s=1.0, model={"id": "tone"})
    wanted = [
        row_of(first.model_copy(update={"seed": seed}), lambda _: "", line=seed) for seed in range(1, 5001)
    ]
    set_id = studio.sets.begin(wanted, "many")
    found = client.get(f"/sets/{set_id}", params={"from": 4990, "count": 100_000}).json()
    assert ([row["number"] for row in found["rows"]], found["matching"]) == (list(range(4991, 5001)), 5000)
    assert len(client.get(f"/sets/{set_id}", params={"count": 100_000}).json()["rows"]) == 200
    studio.sets.stop(set_id)
    studio.stop(running.id)


def test_a_set_too_large_for_one_zip_says_where_it_lies(
    site: tuple[Studio, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = site
    set_id = begin(client)
    ended(client, set_id)
    monkeypatch.setattr(module, "MAX_ZIP_BYTES", 1000)
    answer = client.get(f"/sets/{set_id}/zip")
    assert answer.status_code == 413
    assert "sets/village" in answer.text


def test_a_zip_is_sent_as_it_is_read_without_what_is_gone(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * 8192)
    parts = list(zip_stream([("a", large), ("gone", tmp_path / "gone"), ("b.txt", b"words")]))
    assert max(map(len, parts)) < 1 << 19
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as whole:
        assert whole.testzip() is None
        assert whole.namelist() == ["a", "b.txt"]
        assert whole.read("a") == large.read_bytes()
