"""A folder of sets: what is asked for is made by whoever works in it, in turns, and nothing else is."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from set_fakes import make_tone, rows

from studio.core.errors import InvalidRequestError
from studio.pipeline.cancel import CancelToken
from studio.service.batch import queue
from studio.service.batch.folder import FolderError, Made, SetFolder
from studio.service.batch.listing import write_rows
from studio.service.batch.queue import ask, asked_ns, stop, work_queue
from studio.service.batch.units import Unit
from studio.service.batch.work import Fault, Progressed
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]


def put(path: Path, name: str, count: int, *, wanted: bool = True, first: int = 0) -> Path:
    """A set of so many rows."""
    write_rows(path / name, name, rows(first + count)[first:], 1)
    if wanted:
        ask(path / name)
    return path / name


def done(folder: Path, count: int, first: int = 0) -> bool:
    ids = {row.id for row in rows(first + count)[first:]}
    return SetFolder(folder).survey().done == ids


def once(path: Path, make: Callable[..., Iterator[Made | Fault]] = make_tone) -> list[Progressed]:
    told: list[Progressed] = []
    work_queue(path, make, cancel=CancelToken(), tell=told.append, once=True, look_s=0.01)
    return told


@contextmanager
def working(path: Path, make: Callable[..., Iterator[Made | Fault]] = make_tone) -> Iterator[CancelToken]:
    """A worker in a thread, for as long as the block takes."""
    cancel = CancelToken()
    options = {"cancel": cancel, "look_s": 0.01}
    thread = threading.Thread(target=work_queue, args=(path, make), kwargs=options)
    thread.start()
    try:
        yield cancel
    finally:
        cancel.set()
        thread.join(30)
    assert not thread.is_alive()


def test_what_is_asked_for_is_made_and_then_not_wanted_any_more(tmp_path: Path) -> None:
    one, other = put(tmp_path, "one", 5), put(tmp_path, "other", 2, wanted=False)
    told = once(tmp_path)
    assert [news.state for news in told].count("made") == 5
    assert done(one, 5)
    assert not asked_ns(one)
    assert SetFolder(other).survey().done == frozenset()


def test_what_is_deleted_later_is_not_made_again(tmp_path: Path) -> None:
    folder = put(tmp_path, "one", 2)
    once(tmp_path)
    gone = SetFolder(folder).sidecar(rows(1)[0].id)
    gone.unlink()
    assert not once(tmp_path)
    ask(folder)
    assert [news.state for news in once(tmp_path)] == ["making", "made"] or gone.exists()
    assert gone.exists()


def test_rows_that_come_while_it_waits_are_made(tmp_path: Path) -> None:
    with working(tmp_path):
        for name in ("one", "two"):
            folder = put(tmp_path, name, 3)
            until(lambda folder=folder: done(folder, 3))
            until(lambda folder=folder: not asked_ns(folder))


def test_a_long_set_keeps_no_other_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "TURN_S", 0.0)
    put(tmp_path, "long", 40)
    put(tmp_path, "short", 2, first=40)
    made = [news.line for news in once(tmp_path) if news.state == "made"]
    assert len(made) == 42
    assert max(made.index(41), made.index(42)) < 20


def test_one_that_is_stopped_is_left_in_the_middle_of_a_row_and_can_go_on(tmp_path: Path) -> None:
    folder = put(tmp_path, "one", 6)
    begun, held = threading.Event(), True

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        begun.set()
        while held:
            cancel.check()
            cancel.wait(0.01)
        yield from make_tone(unit, wanted, cancel)

    with working(tmp_path, make):
        assert begun.wait(30)
        stop(folder)
        until(lambda: not list((folder / ".claims").iterdir()))
        assert SetFolder(folder).survey().settled == frozenset()
        held = False
        ask(folder)
        until(lambda: done(folder, 6))


def test_a_worker_that_ends_lets_go_of_what_it_is_at(tmp_path: Path) -> None:
    folder = put(tmp_path, "one", 2)
    begun = threading.Event()

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        begun.set()
        while True:
            cancel.check()
            cancel.wait(0.01)
            yield from ()

    with working(tmp_path, make):
        assert begun.wait(30)
    assert not list((folder / ".claims").iterdir())
    assert asked_ns(folder)


def test_faults_end_a_row_and_not_the_worker(tmp_path: Path) -> None:
    folder = put(tmp_path, "one", 3)
    bad = rows(1)[0].id

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        if bad in wanted:
            raise InvalidRequestError("Nobody can make this.")
        yield from make_tone(unit, wanted, cancel)

    states = [news.state for news in once(tmp_path, make)]
    assert (states.count("made"), states.count("failed")) == (2, 1)
    assert not asked_ns(folder)
    SetFolder(folder).clear_errors([bad])
    ask(folder)
    once(tmp_path)
    assert done(folder, 3)


def test_a_set_that_is_deleted_meanwhile_or_damaged_ends_no_worker(tmp_path: Path) -> None:
    import shutil

    gone, damaged, whole = put(tmp_path, "a", 2), put(tmp_path, "b", 2), put(tmp_path, "c", 2)
    (damaged / "rows.jsonl").write_text("{}\n")

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        shutil.rmtree(gone, ignore_errors=True)
        yield from make_tone(unit, wanted, cancel)

    once(tmp_path, make)
    assert not gone.exists()
    assert done(whole, 2)


def test_no_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="There is no folder"):
        once(tmp_path / "none")


@pytest.mark.slow
def test_two_processes_of_the_command_share_a_queue(tmp_path: Path) -> None:
    """By the model "tone", as a user starts them; the first is interrupted at the end."""
    command = [sys.executable, "-m", "studio.app", "batch", "work", str(tmp_path / "sets"), "--json"]
    (tmp_path / "sets").mkdir()
    workers = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        folder = put(tmp_path / "sets", "one", 60)
        until(lambda: not asked_ns(folder), 240)
        for worker in workers:
            worker.send_signal(signal.SIGINT)
        said = [worker.communicate(timeout=60) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0]
    made = [json.loads(out)["made"] for out, _ in said]
    assert sum(made) == 60
    assert all("Traceback" not in err for _, err in said)
    assert done(folder, 60)
    assert not list((folder / ".claims").iterdir())
