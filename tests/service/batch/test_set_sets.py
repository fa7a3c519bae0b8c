"""The sets of a studio: begun, made between takes, stopped, gone on with, bounded for strangers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.core.errors import InvalidRequestError, OutOfResourcesError
from studio.core.events import Progress
from studio.core.settings import Settings
from studio.service.batch.folder import Made
from studio.service.batch.listing import read_rows, sets_in, write_rows
from studio.service.batch.rows import Row
from studio.service.batch.sets import STRANGERS_ROWS, Sets
from studio.service.batch.units import Unit
from studio.service.batch.work import Fault
from studio.service.jobs.device_queue import BETWEEN
from studio.service.studio import Studio
from tests.service.batch.set_fakes import made, make_tone, rows
from tests.service.service_fakes import GatedRender, create_backend, request
from tests.waiting import until

Make = Callable[..., Sets]


class Gate:
    """A maker that makes a row for each time it is let, and fails those it is told to."""

    def __init__(self) -> None:
        self.lets = threading.Semaphore(0)
        self.failing: set[str] = set()

    def __call__(self, unit: Unit, wanted: Any, cancel: Any) -> Iterator[Made | Fault]:
        for row in unit.rows:
            while not self.lets.acquire(timeout=0.01):
                cancel.check()
            if row.id in self.failing:
                yield Fault(row, OutOfResourcesError("There is no room for it: ask for less."))
            else:
                yield made(row)

    def let(self, count: int) -> None:
        self.lets.release(count)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[Sets] = []

    def build(maker: Any = make_tone, require_place: Any = lambda *_: None, **settings: Any) -> Sets:
        sets = Sets(
            Settings(outputs=tmp_path, **settings), maker, lambda *_: nullcontext(), lambda _: "",
            lambda _: None, require_place,
        )  # fmt: skip
        opened.append(sets)
        return sets

    yield build
    for sets in opened:
        sets.close()


def ended(sets: Sets, set_id: str) -> None:
    until(lambda: sets.summary(set_id).phase not in ("making", "waiting"))


def test_a_set_is_a_folder_with_all_its_rows(make: Make, tmp_path: Path) -> None:
    sets, wanted = make(), rows(5)
    set_id = sets.begin([*wanted, wanted[0]], "Rain: five of it")
    assert set_id == "Rain_five_of_it"
    ended(sets, set_id)
    look = sets.look(set_id)
    assert (look.summary.phase, look.summary.made, look.summary.failed) == ("done", 5, 0)
    assert look.rows == tuple(wanted) == read_rows(tmp_path / "sets" / set_id)
    assert [look.of(row) for row in wanted] == ["done"] * 5
    assert sets.sound(set_id, wanted[3].id).is_file()
    assert sets.begin(wanted, "Rain: five of it") == "Rain_five_of_it_2"
    assert [one.id for one in sets.all()] == ["Rain_five_of_it_2", set_id]


def test_one_that_is_stopped_goes_on_where_it_was_in_another_process_too(make: Make) -> None:
    gate = Gate()
    sets, wanted = make(gate), rows(4)
    set_id = sets.begin(wanted, "wind")
    gate.let(2)
    until(lambda: sets.summary(set_id).made == 2)
    assert sets.summary(set_id).phase == "making"
    sets.stop(set_id)
    ended(sets, set_id)
    assert (sets.summary(set_id).phase, sets.summary(set_id).made) == ("stopped", 2)
    with pytest.raises(InvalidRequestError, match="Nothing of that set"):
        sets.stop(set_id)
    first = {row.id: sets.sound(set_id, row.id).stat().st_mtime_ns for row in wanted[:2]}
    sets.close()
    others = make()
    assert others.summary(set_id).phase == "stopped"
    others.go_on(set_id)
    ended(others, set_id)
    assert others.summary(set_id).phase == "done"
    assert {row.id: others.sound(set_id, row.id).stat().st_mtime_ns for row in wanted[:2]} == first


def test_what_failed_says_why_and_is_tried_again_alone(make: Make) -> None:
    gate = Gate()
    sets, wanted = make(gate), rows(3)
    gate.failing = {wanted[0].id, wanted[1].id}
    set_id = sets.begin(wanted, "wind")
    gate.let(3)
    ended(sets, set_id)
    look = sets.look(set_id)
    assert (look.summary.phase, look.summary.failed) == ("failed", 2)
    error = look.folder.error_of(wanted[1].id)
    assert error is not None
    assert error.sentence.startswith("There is no room")
    gate.failing = set()
    sets.retry(set_id, rows=[wanted[1].id])
    gate.let(1)
    ended(sets, set_id)
    assert [sets.look(set_id).of(row) for row in wanted] == ["failed", "done", "done"]
    sets.retry(set_id)
    gate.let(1)
    ended(sets, set_id)
    assert sets.summary(set_id).phase == "done"


def test_sets_wait_for_each_other_and_one_that_waits_is_stopped_at_once(make: Make) -> None:
    gate = Gate()
    sets = make(gate)
    first, second = sets.begin(rows(2), "first"), sets.begin(rows(2), "second")
    until(lambda: sets.summary(first).phase == "making")
    assert sets.summary(second).phase == "waiting"
    assert [one.id for one in sets.running()] == [first, second]
    sets.stop(second)
    assert sets.summary(second).phase == "stopped"
    gate.let(2)
    ended(sets, first)
    assert sets.summary(first).phase == "done"


def test_a_full_disk_stops_a_set_with_a_sentence(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.service.batch.folder import FolderError, SetFolder

    def full(*_: Any, **__: Any) -> float:
        raise FolderError("The disk is full: free some space and try again.")

    monkeypatch.setattr(SetFolder, "write", full)
    sets = make()
    set_id = sets.begin(rows(2), "wind")
    ended(sets, set_id)
    summary = sets.summary(set_id)
    assert (summary.phase, summary.made, summary.failed) == ("stopped", 0, 0)
    assert "disk is full" in summary.said


def test_how_long_it_takes_is_known_once_some_are_made(make: Make) -> None:
    gate = Gate()
    sets, wanted = make(gate), rows(6)
    assert sets.plan(wanted).time_s is None
    set_id = sets.begin(wanted[:2], "wind")
    gate.let(1)
    until(lambda: sets.summary(set_id).left_s is not None)
    plan = sets.plan(wanted)
    assert plan.takes == 6
    assert plan.time_s is not None
    assert plan.time_s > 0


def test_no_set_without_rows_or_without_an_end(make: Make) -> None:
    sets, (row,) = make(), rows(1)
    with pytest.raises(InvalidRequestError, match="this one 0"):
        sets.begin([], "wind")
    endless = replace(row, request=request(duration_s=None))
    with pytest.raises(InvalidRequestError, match="give each its seconds"):
        sets.begin([endless], "wind")
    with pytest.raises(InvalidRequestError, match="not there any more"):
        sets.look("../elsewhere")


def test_a_stranger_has_few_and_an_id_that_nobody_guesses(make: Make) -> None:
    gate, places = Gate(), []
    sets = make(gate, lambda *asked: places.append(asked), host="0.0.0.0", jobs_per_client=2)
    with pytest.raises(InvalidRequestError, match=f"up to {STRANGERS_ROWS} takes"):
        sets.begin(rows(STRANGERS_ROWS + 1), "wind", "1.2.3.4")
    set_id = sets.begin(rows(2), "wind", "1.2.3.4")
    assert len(set_id) > len("wind__") + 30
    sets.begin(rows(2), "wind", "1.2.3.4")
    assert places == [("1.2.3.4", 2), ("1.2.3.4", 1)], "a set that is under way has the place of a take"


def test_a_folder_that_is_half_made_is_no_set(tmp_path: Path) -> None:
    folder = tmp_path / "sets" / "wind"
    write_rows(folder, "wind", rows(2), 1)
    with pytest.raises(InvalidRequestError):
        write_rows(folder, "wind", rows(2), 1)
    assert sets_in(tmp_path / "sets") == [folder]
    (folder / "rows.jsonl").write_text(
        '{"id": "../../x", "line": 1, "name": "", "request": {"prompt": "x"}}\n'
    )
    with pytest.raises(InvalidRequestError, match="damaged"):
        read_rows(folder)
    (folder / "rows.jsonl").unlink()
    assert sets_in(tmp_path / "sets") == []


def test_a_take_that_is_asked_for_waits_for_the_unit_that_is_made_and_no_longer(tmp_path: Path) -> None:
    """And a set waits for all takes, however many there are."""
    gate, render = Gate(), GatedRender()
    studio = Studio(Settings(outputs=tmp_path), create_backend, render)
    sets = Sets(studio.settings, gate, studio._scheduler.turn, lambda _: "", lambda _: None, lambda *_: None)
    try:
        wanted: list[Row] = rows(3)
        set_id = sets.begin(wanted, "wind")
        until(lambda: sets.look(set_id).making)
        given_up = studio.submit(request(seed=0))
        assert given_up.hub.subscribe().get() == Progress(BETWEEN)
        jobs = [studio.submit(request(seed=seed)) for seed in (1, 2)]
        assert [job.status for job in jobs] == ["queued", "queued"]
        sets.summary(set_id)  # the queue's thread had the time to take one of them up by now
        studio.stop(given_up.id)
        assert given_up.ended, "at once: it was still in the queue"
        assert studio.position(jobs[1].id) == 1
        gate.let(2)
        render.running.wait(10)
        assert jobs[0].status == "running"
        assert sets.summary(set_id).made == 1
        assert not sets.look(set_id).making, "it has no turn while takes wait"
        render.gate.set()
        until(lambda: all(job.ended for job in jobs))
        gate.let(1)
        ended(sets, set_id)
        assert sets.summary(set_id).phase == "done"
    finally:
        sets.close()
        studio.close()
