"""What the page asks of edits: begun, looked at, heard, dropped; and one sentence for anything else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from wavinfo import WavInfoReader

from studio.core.errors import OutOfResourcesError
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
    asked = {"take": take, "kind": "repaint", "start": "0.5", "end": "1.2", "strength": "1.0", "steps": "2"}
    made = ended(client, client.post("/edits", json=asked).json()["id"])
    assert made["phase"] == "done", made
    assert made["said"].startswith("The edit of “rain” is there")
    source = made["made"][0]["source"]
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

    longer = client.post("/edits", json={"take": take, "kind": "extend", "left": "1", "steps": "2"})
    made = ended(client, longer.json()["id"])
    source = made["made"][0]["source"]
    moved = studio.library.get(source["id"]).about.markers
    assert [(one.label, one.at_s) for one in moved] == [
        ("a drop", pytest.approx(1.25)), ("the end", pytest.approx(2.8)),
    ]  # fmt: skip
    client.post("/edits/drop", json={"take": source["id"]})
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
        ({"kind": "vary", "candidates": "4"}, "1 to 3"),
        ({"kind": "vary", "candidates": "-1"}, "1 to 3"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(
    client: TestClient, take: str, asked: dict[str, str], sentence: str
) -> None:
    for path in ("/edits", "/edits/cost"):
        answer = client.post(path, json={"take": take, **asked})
        assert answer.status_code == 400
        assert sentence in answer.json()["message"]


def test_nothing_but_the_page_s_own_word_is_taken(client: TestClient, take: str) -> None:
    assert client.post("/edits", content=b"[1]").status_code == 400
    assert client.post("/edits", content=b"{" * (MAX_BYTES + 1)).status_code == 400
    gone = client.get("/edits/nothing")
    assert (gone.status_code, gone.json()["phase"]) == (404, "gone")
    del client.headers["x-longwave"]
    assert "own page" in client.post("/edits/drop", json={"take": take}).json()["message"]


def test_candidates_are_one_job_told_of_one_by_one(
    studio: Studio, client: TestClient, take: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second can't be made: the others are, and it is said why."""
    render, begun = Renderer.__call__, []

    def failing(self: Renderer, *given: Any, **more: Any) -> Any:
        begun.append(1)
        if len(begun) == 2:
            raise OutOfResourcesError("Memory ran out.")
        return render(self, *given, **more)

    monkeypatch.setattr(Renderer, "__call__", failing)
    asked = {"take": take, "kind": "repaint", "start": "0.5", "end": "1.2", "steps": "2", "candidates": "3"}
    job = client.post("/edits", json=asked).json()["id"]
    told = ended(client, job)
    assert told["phase"] == "failed"
    assert [(one["number"], "source" in one) for one in told["made"]] == [(1, True), (2, False), (3, True)]
    assert told["said"] == (
        "2 of 3 edits of “rain” are there, and in the Library. Candidate 2 was not made: Memory ran out."
    )
    first, _, third = told["made"]
    files = [one["source"]["file"] for one in (first, third)]
    assert [name.split(".")[1] for name in files] == ["v2", "v3"], "each is a version of its own"
    titles = [one["source"]["title"] for one in (first, third)]
    assert titles == ["rain · candidate 1 of 3", "rain · candidate 3 of 3"]
    seeds = {studio.library.get(one["source"]["id"]).about.edit.settings.seed for one in (first, third)}
    assert len(seeds) == 2
    assert studio.library.get(first["source"]["id"]).about.group is None, "they belong to their take"
    assert [one["number"] for one in client.get(f"/edits/{job}?known=2").json()["made"]] == [3]
    for one in (first, third):
        client.post("/edits/drop", json={"take": one["source"]["id"]})
    assert [sorted(one) for one in client.get(f"/edits/{job}").json()["made"]] == [["number"]] * 3


def test_a_bound_of_one_lets_three_candidates_be_made_and_no_other_edit(tmp_path: Path) -> None:
    """On a page with logins, as the tabs' takes are bound."""
    settings = Settings(outputs=tmp_path, host="0.0.0.0", auth=(("ann", "x"),), jobs_per_client=1)
    begun, go_on = threading.Event(), threading.Event()

    class Held(Renderer):
        def __call__(self, *given: Any, **more: Any) -> Any:
            yield from super().__call__(*given, **more)
            begun.set()
            assert go_on.wait(60)

    studio = Studio(settings, lambda choice: FakeBackend(), Held())
    go_on.set()
    for _ in studio.events(studio.submit(parse_request(prompt="rain", duration_s=2.0, seed=1)).id):
        pass
    go_on.clear()
    begun.clear()
    take = next(studio.library.takes()).id
    asked = {"take": take, "kind": "repaint", "start": "0.5", "end": "1.2", "steps": "2", "candidates": "3"}
    routes = edit_routes(studio, Offers(LiveViews()))
    with TestClient(Starlette(routes=routes), headers=OWN) as client:
        job = client.post("/edits", json=asked).json()["id"]
        assert begun.wait(60)
        refused = client.post("/edits", json=asked)
        assert (refused.status_code, "takes of yours" in refused.json()["message"]) == (507, True)
        other = TestClient(Starlette(routes=routes), headers=OWN, client=("10.0.0.7", 1))
        assert (waiting := other.post("/edits", json={**asked, "candidates": "1"}).json()["id"]) != job
        assert client.get(f"/edits/{waiting}").json()["phase"] == "waiting"
        go_on.set()
        told = ended(client, job)
        assert [one["number"] for one in told["made"] if "source" in one] == [1, 2, 3]
        assert ended(client, waiting)["phase"] == "done"
    studio.close()


def test_what_an_edit_takes_is_said_once_it_was_tried(client: TestClient, take: str) -> None:
    asked = {"take": take, "kind": "repaint", "start": "0.5", "end": "1.2"}

    def said() -> str:
        return str(client.post("/edits/cost", json={**asked, "again": True}).json()["said"])

    first = client.post("/edits/cost", json=asked).json()
    assert first["said"].startswith(("Working out how long", "About "))
    until(lambda: said().startswith("About "), 60)
    assert "to make, and" in said()
    assert said().endswith("of memory.")


def test_a_model_is_not_loaded_to_say_what_an_edit_takes(studio: Studio, take: str) -> None:
    loaded: list[int] = []

    def load(choice: Any) -> FakeBackend:
        loaded.append(1)
        return FakeBackend()

    anew = Studio(studio.settings, load, Renderer())
    with TestClient(Starlette(routes=edit_routes(anew, Offers(LiveViews()))), headers=OWN) as client:
        for more in ({"kind": "extend", "right": "1"}, {"kind": "vary"}):
            answer = client.post("/edits/cost", json={"take": take, **more}).json()
            assert "shows once its model is loaded" in answer["said"]
            assert not answer["more"]
    anew.close()
    assert not loaded
