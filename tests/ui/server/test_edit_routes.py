"""What the page asks of edits: begun, looked at, heard, dropped; and one sentence for anything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from wavinfo import WavInfoReader

from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from studio.service.takes.export import export
from studio.service.takes.export_range import ExportRange
from studio.service.takes.library import settings_of
from studio.testing.backend import FakeBackend
from studio.ui.panels.live import LiveViews
from studio.ui.panels.offers import Offers
from studio.ui.server.edit_routes import MAX_BYTES, edit_routes
from tests.waiting import until

OWN = {"x-longwave": "1"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(Settings(outputs=tmp_path_factory.mktemp("out")), lambda choice: FakeBackend(), Renderer())
    yield made
    made.close()


@pytest.fixture(scope="module")
def take(studio: Studio) -> str:
    """A take of two seconds in the library."""
    job = studio.submit(parse_request(prompt="rain", duration_s=2.0, seed=1))
    for _ in studio.events(job.id):
        pass
    return next(studio.library.takes()).id


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=edit_routes(studio, Offers(LiveViews()))), headers=OWN) as client:
        yield client


def ended(client: TestClient, job: str) -> dict[str, Any]:
    until(lambda: client.get(f"/edits/{job}").json()["phase"] not in ("waiting", "making"), 120)
    told: dict[str, Any] = client.get(f"/edits/{job}").json()
    return told


def test_a_span_is_made_anew_heard_and_dropped(studio: Studio, client: TestClient, take: str) -> None:
    asked = {"take": take, "kind": "repaint", "start": "0.5", "end": "1.2", "strength": "1.0"}
    made = ended(client, client.post("/edits", json=asked).json()["id"])
    assert made["phase"] == "done", made
    source = made["source"]
    assert source["lengthS"] == pytest.approx(2.0)
    (span,) = source["madeS"]
    assert span[0] <= 0.5 < 1.2 <= span[1] + 1e-6
    earlier = client.get("/edits/before", params={"take": source["id"]}).json()["source"]
    assert earlier["id"] == take
    assert client.get("/edits/before", params={"take": take}).json() == {"source": None}
    assert {one["id"] for one in client.get("/edits/takes").json()["takes"]} == {take, source["id"]}
    assert client.post("/edits/drop", json={"take": source["id"]}).json() == {}
    assert [one.id for one in studio.library.takes()] == [take]


def test_markers_are_set_moved_by_edits_and_exported(
    studio: Studio, client: TestClient, take: str, tmp_path: Path
) -> None:
    wanted = [{"at_s": 1.8, "label": "the end"}, {"at_s": 0.25, "label": "a drop"}]
    set_ = client.post("/edits/markers", json={"take": take, "markers": wanted}).json()["markers"]
    assert [one["label"] for one in set_] == ["a drop", "the end"], "in their order"
    assert client.get("/edits/markers", params={"take": take}).json()["markers"] == set_

    cut = export(studio.library.get(take).path, tmp_path / "cut.wav", cut=ExportRange(start_s=0.2, end_s=1.0))
    cues = WavInfoReader(str(cut.path)).cues
    labels = {cues.label_and_note(cue.name)[0] for cue in cues.cues}
    assert "a drop" in labels
    assert "the end" not in labels
    record = settings_of(cut.path).take
    assert record is not None
    assert [(one.label, one.at_s) for one in record.markers] == [("a drop", pytest.approx(0.05))]

    longer = client.post("/edits", json={"take": take, "kind": "extend", "left": "1"})
    made = ended(client, longer.json()["id"])
    moved = studio.library.get(made["source"]["id"]).about.markers
    assert [(one.label, one.at_s) for one in moved] == [
        ("a drop", pytest.approx(1.25)), ("the end", pytest.approx(2.8)),
    ]  # fmt: skip
    client.post("/edits/drop", json={"take": made["source"]["id"]})
    for wrong, sentence in (
        ([{"at_s": 9.0, "label": "x"}], "behind the take's end"), ([{"at_s": -1, "label": "x"}], "mend it"),
        ([{"at_s": 0, "label": ""}], "mend it"), ("x", "mend it"),
    ):  # fmt: skip
        answer = client.post("/edits/markers", json={"take": take, "markers": wrong})
        assert sentence in answer.json()["message"]
    assert client.post("/edits/markers", json={"take": take, "markers": []}).json() == {"markers": []}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"kind": "repaint", "start": "3", "end": "4"}, "2"),
        ({"kind": "repaint", "start": "1", "end": "0.5"}, "later end"),
        ({"kind": "splice"}, "another take"),
        ({"kind": "paint"}, "There is no edit"),
        ({"kind": "extend", "start": "1"}, "has no 'start'"),
        ({"kind": "vary", "take": "../etc/passwd"}, "take"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(
    client: TestClient, take: str, asked: dict[str, str], sentence: str
) -> None:
    answer = client.post("/edits", json={"take": take, **asked})
    assert answer.status_code == 400
    assert sentence in answer.json()["message"]


def test_nothing_but_the_page_s_own_word_is_taken(client: TestClient, take: str) -> None:
    assert client.post("/edits", content=b"[1]").status_code == 400
    assert client.post("/edits", content=b"{" * (MAX_BYTES + 1)).status_code == 400
    assert client.get("/edits/nothing").status_code == 400
    del client.headers["x-longwave"]
    assert "own page" in client.post("/edits/drop", json={"take": take}).json()["message"]
