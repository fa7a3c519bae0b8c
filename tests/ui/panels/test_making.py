"""The list of what is being made: every take, whoever asked for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.service.studio import Studio
from studio.ui.panels.making import job_routes
from studio.ui.server.security import Hosts, guards

OWN = {"X-Longwave": "1"}


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    app = Starlette(routes=job_routes(studio), middleware=guards(Hosts(Settings())))
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        yield client


def test_what_runs_and_what_waits_is_listed_and_can_be_stopped(client: TestClient, studio: Studio) -> None:
    assert client.get("/making").json() == []
    endless = {"prompt": "rain " * 40, "duration_s": None, "model": {"id": "tone"}}
    running = studio.submit(parse_request(**endless))
    clips = [parse_request(prompt="sea", duration_s=2.0, model={"id": "tone"}, seed=seed) for seed in (1, 2)]
    waiting = studio.submit_all(clips)
    rows = client.get("/making").json()
    assert [row["id"] for row in rows] == [running.id, waiting.id]
    assert [row["mode"] for row in rows] == ["Infinite", "Infinite"]
    assert len(rows[0]["prompt"]) == 80
    assert (rows[1]["stands"], rows[1]["takes_left"]) == ("waiting", 2)
    assert client.post(f"/making/{waiting.id}/stop", headers=OWN).status_code == 200
    assert waiting.status == "stopped"
    assert client.post(f"/making/{running.id}/stop", headers=OWN).status_code == 200
    list(studio.events(running.id))
    assert running.cancel.reason == "Stopped from the list of takes."
    assert client.get("/making").json() == []


def test_another_site_s_page_stops_nothing(client: TestClient, studio: Studio) -> None:
    job = studio.submit(parse_request(prompt="rain", duration_s=None, model={"id": "tone"}))
    assert client.post(f"/making/{job.id}/stop").status_code == 403
    assert client.get(f"/making/{job.id}/stop", headers=OWN).status_code == 405
    assert not job.cancel.is_set()
    assert client.post("/making/nonesuch/stop", headers=OWN).status_code == 404
    studio.stop(job.id)
