"""A kit of a form: begun, told of, fetched by its id alone; one that waits is stopped at once."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.core.errors import InvalidRequestError
from studio.core.kit import parse_kit
from studio.core.request import parse_request
from studio.core.sampling import ClipSampler
from studio.core.settings import Settings
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from studio.testing import FakeBackend
from studio.ui.panels.kits import asked, kit_routes
from tests.waiting import until

OWN = {"x-longwave": "1"}
BARE = parse_kit(variations=0, states="none", shots=0)
RAIN = parse_request(
    mode="sparse", prompt="rain", duration_s=2.56, seed=1, sampler={"kind": "clip", "steps": 2}
)


@pytest.fixture
def let() -> threading.Event:
    return threading.Event()


@pytest.fixture
def studio(tmp_path: Path, let: threading.Event) -> Iterator[Studio]:
    """It has its model only once it is let."""

    def create(choice: Any) -> FakeBackend:
        assert let.wait(60)
        return FakeBackend()

    made = Studio(Settings(outputs=tmp_path), create, Renderer())
    yield made
    let.set()
    made.close()


@contextmanager
def served(studio: Studio) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=kit_routes(studio))) as client:
        yield client


def test_a_kit_is_told_of_and_fetched(studio: Studio, let: threading.Event, tmp_path: Path) -> None:
    first, second = (studio.kits.begin(RAIN, BARE) for _ in range(2))
    with served(studio) as client:
        until(lambda: client.get(f"/kits/{first}").json()["phase"] == "making")
        assert client.get(f"/kits/{second}").json()["phase"] == "waiting"
        assert [one.id for one in studio.kits.running()] == [first, second]
        assert client.get(f"/kits/{first}/zip").status_code == 404
        assert client.post(f"/kits/{second}/stop").status_code == 403  # of another site
        assert client.post(f"/kits/{second}/stop", headers=OWN).status_code == 200
        assert client.get(f"/kits/{second}").json()["phase"] == "stopped"
        let.set()
        until(lambda: client.get(f"/kits/{first}").json()["phase"] == "done", 60)
        answer = client.get(f"/kits/{first}/zip")
        assert "rain.zip" in answer.headers["content-disposition"]
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert "rain/loops/rain_bed.wav" in archive.namelist()
        assert [path.name for path in (tmp_path / "kits").iterdir()] == ["rain.zip"]
        assert client.get("/kits/none").status_code == client.get("/kits/none/zip").status_code == 404
    assert studio.kits.running() == []


def test_one_that_can_not_be_made_says_why(studio: Studio, let: threading.Event) -> None:
    let.set()
    sparse = RAIN.model_copy(
        update={"attention": parse_request(prompt="x", attention={"kind": "lite_focus"}).attention}
    )
    failed = studio.kits.begin(sparse, BARE)
    until(lambda: studio.kits.look(failed).phase == "failed", 60)
    assert "choose dense" in studio.kits.look(failed).said
    with pytest.raises(InvalidRequestError, match="by DDIM"):
        studio.kits.begin(RAIN.model_copy(update={"sampler": ClipSampler(method="ddpm")}), BARE)


def test_what_is_wrong_with_the_panel_is_told(studio: Studio) -> None:
    form = {"prompt": "", "model": "pocket/audioldm2"}
    assert "wrong" in asked(studio, "sparse", {"asked": 3, "variations": 2}, form)
