"""`/keep/{token}`: the last seconds of a running take, saved or fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.service.jobs.job import Job
from studio.service.live.pcm_stream import PcmStream
from studio.service.takes.library import Library
from studio.service.takes.writer import TakeWriter
from studio.ui.panels.live import LiveView, LiveViews
from studio.ui.server.keep_routes import keep_routes
from studio.ui.words import words

RATE = 16000
SOUND = (np.arange(3 * RATE) % 20000).astype("<i2")
OURS = {"X-Longwave": "1"}


@pytest.fixture
def views() -> LiveViews:
    return LiveViews()


@pytest.fixture
def view(views: LiveViews, tmp_path: Path) -> Iterator[LiveView]:
    job = Job(parse_request(prompt="rain", seed=1), PcmStream(8.0))
    take = TakeWriter.begin(job.request, RATE, tmp_path)
    take.write(SOUND / np.float32(32767))
    job.file = take.path
    yield views.open(job)
    take.discard()


def client_of(views: LiveViews, settings: Settings) -> TestClient:
    return TestClient(Starlette(routes=keep_routes(views, settings)))


def test_what_was_heard_is_saved_in_the_library(views: LiveViews, view: LiveView, tmp_path: Path) -> None:
    client = client_of(views, Settings(outputs=tmp_path))
    answer = client.post(f"/keep/{view.stream.token}?seconds=1&until=2.5", headers=OURS)
    assert answer.status_code == 200
    take = Library(tmp_path).get(answer.json()["id"])
    assert (answer.json()["name"], answer.json()["seconds"]) == (take.record.name, 1.0)
    samples, _ = sf.read(take.path, dtype="int16")
    np.testing.assert_array_equal(samples, SOUND[round(1.5 * RATE) : round(2.5 * RATE)])


def test_where_strangers_come_it_is_a_download(views: LiveViews, view: LiveView, tmp_path: Path) -> None:
    client = client_of(views, Settings(outputs=tmp_path, host="0.0.0.0"))
    before = sorted(tmp_path.rglob("*"))
    answer = client.post(f"/keep/{view.stream.token}?until=2", headers=OURS).json()
    assert set(answer) == {"name", "url", "seconds"}
    file = client.get(answer["url"])
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.content[:4] == b"fLaC"
    assert sorted(tmp_path.rglob("*")) == before


def test_another_sites_page_saves_nothing(views: LiveViews, view: LiveView, tmp_path: Path) -> None:
    client = client_of(views, Settings(outputs=tmp_path))
    assert client.post(f"/keep/{view.stream.token}?until=2").status_code == 403
    assert list(Library(tmp_path).takes())[1:] == []


@pytest.mark.parametrize(
    "query",
    ["", "until=x", "until=nan", "until=-1", "until=2&seconds=0", "until=2&seconds=601", "until=2&seconds=x"],
)
def test_a_span_is_of_numbers(views: LiveViews, view: LiveView, tmp_path: Path, query: str) -> None:
    client = client_of(views, Settings(outputs=tmp_path))
    answer = client.post(f"/keep/{view.stream.token}?{query}", headers=OURS)
    assert (answer.status_code, answer.json()) == (400, {"message": words.sound.keep_seconds})


def test_an_unknown_take_and_one_without_sound_are_told(views: LiveViews, tmp_path: Path) -> None:
    client = client_of(views, Settings(outputs=tmp_path))
    assert client.post("/keep/nothing?until=2", headers=OURS).status_code == 404
    silent = views.open(Job(parse_request(prompt="rain"), PcmStream(8.0)))
    answer = client.post(f"/keep/{silent.stream.token}?until=2", headers=OURS)
    assert (answer.status_code, answer.json()["message"][:17]) == (400, "Nothing was heard")
