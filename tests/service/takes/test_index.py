"""The index keeps what the sidecars say, is never the truth, and never in anybody's way."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from studio.service.takes import index as indexes
from studio.service.takes import sidecar as sidecars
from studio.service.takes.index import INDEX_FILE, Index
from studio.service.takes.library import TRASH, Library
from studio.service.takes.sidecar import Entry
from studio.service.takes.sweep import sweep
from tests.service.takes.test_library_folders import DAY, put, record

NEXT_DAY = "2026-11-21"


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the sidecars that are read from now on."""
    names: list[str] = []
    whole = sidecars.read_text
    monkeypatch.setattr(
        sidecars, "read_text", lambda path, most: (names.append(path.name), whole(path, most))[1]
    )
    return names


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return count_reads(monkeypatch)


def rows(outputs: Path) -> int:
    with closing(sqlite3.connect(outputs / INDEX_FILE)) as database:
        return int(database.execute("SELECT count(*) FROM sidecars").fetchone()[0])


def some(outputs: Path, count: int = 3) -> list[Path]:
    return [put(outputs, f"take{i}", seed=i) for i in range(count)]


@pytest.mark.slow
def test_searching_three_thousand_takes_opens_no_sidecar(tmp_path: Path) -> None:
    """Of another process than the one that indexed them; what Python opens is heard of at its own hook."""
    for day in range(1, 31):
        folder = tmp_path / f"2026-11-{day:02d}"
        folder.mkdir()
        for i in range(100):
            name = f"rain{i}"
            (folder / f"{name}.flac").write_bytes(b"fLaC")
            (folder / f"{name}.json").write_text(json.dumps(record(f"{name}.flac", seed=100 * day + i)))
    assert len(Library(tmp_path).find()[0]) == 3000
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from studio.service.takes.library import Library\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: event == 'open' and opened.append(str(args[0])))\n"
        f"library = Library(Path({str(tmp_path)!r}))\n"
        "takes, others = library.find()\n"
        "some = library.find('rain7 tin')[0]\n"
        "print(len(takes), len(others), len(some), sum(name.endswith('.json') for name in opened))\n"
        "print(takes[0].record.name)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    numbers, name = ended.stdout.splitlines()
    assert numbers.split() == ["3000", "0", "330", "0"]
    assert name.startswith("rain")


def test_what_changed_is_read_and_what_is_gone_is_forgotten(tmp_path: Path, read: list[str]) -> None:
    paths = some(tmp_path)
    Library(tmp_path).find()
    read.clear()
    paths[0].write_text(json.dumps({**record("take0.flac"), "name": "the sea"}))
    paths[1].unlink()
    put(tmp_path, "new")
    takes, _ = Library(tmp_path).find()
    assert sorted(take.record.name for take in takes) == ["new.flac", "take2.flac", "the sea"]
    assert sorted(read) == ["new.json", "take0.json"]
    assert rows(tmp_path) == 3
    assert [take.record.name for take in Library(tmp_path).takes("sea")] == ["the sea"]


@pytest.mark.parametrize(("age_s", "waits"), [(0.003, True), (0.02, False), (3600, False), (-60, False)])
def test_a_file_of_this_very_moment_is_read_at_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_s: float, waits: bool
) -> None:
    """Or a change of the same moment and the same length would never be seen: its times tell, by ticks."""
    (path,) = some(tmp_path, 1)
    now, slept = path.stat().st_mtime_ns + int(age_s * 1e9), list[float]()
    monkeypatch.setattr(sidecars, "time", SimpleNamespace(time_ns=lambda: now, sleep=slept.append))
    assert len(Library(tmp_path).find()[0]) == 1
    assert slept == ([pytest.approx(sidecars.TICK_S - age_s)] if waits else [])


def test_a_folder_with_another_name_is_another(tmp_path: Path, read: list[str]) -> None:
    put(tmp_path, "sea")
    put(tmp_path, "rain", day=NEXT_DAY)
    library = Library(tmp_path)
    library.find()
    (tmp_path / DAY).rename(tmp_path / "mine")
    read.clear()
    assert sorted(take.id for take in library.takes()) == [f"{NEXT_DAY}/rain", "mine/sea"]
    assert read == ["sea.json"]
    assert rows(tmp_path) == 2


def test_the_trash_is_indexed_and_what_is_gone_for_good_leaves_no_word(
    tmp_path: Path, read: list[str]
) -> None:
    put(tmp_path, "sea", prompt="a word like zanzibar")
    put(tmp_path, "erased", prompt="or like timbuktu")
    library = Library(tmp_path)
    library.delete(f"{DAY}/sea")
    library.trash.takes()
    read.clear()
    (deleted,) = Library(tmp_path).trash.takes()
    assert (deleted.name, read) == ("sea.flac", [])
    assert b"zanzibar" in (tmp_path / INDEX_FILE).read_bytes()
    library.trash.empty()
    library.erase(f"{DAY}/erased")
    kept = (tmp_path / INDEX_FILE).read_bytes()
    assert b"zanzibar" not in kept
    assert b"timbuktu" not in kept
    assert not (tmp_path / DAY / TRASH).exists()


def test_a_file_that_somebody_holds_keeps_nobody_waiting_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "BUSY_S", 0.05)
    some(tmp_path)
    Library(tmp_path).find()
    put(tmp_path, "new")
    with closing(sqlite3.connect(tmp_path / INDEX_FILE, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        library = Library(tmp_path)
        assert len(library.find()[0]) == 4
        assert len(library.find("new")[0]) == 1
    assert rows(tmp_path) == 3


@pytest.mark.parametrize("message", ["database or disk is full", "disk I/O error", "locking protocol"])
def test_a_disk_that_takes_no_index_has_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[str], message: str
) -> None:
    """A full one, one without locks: SQLite tells by errors of one kind."""
    some(tmp_path)
    put_on_disk = indexes._put

    def refused(database: sqlite3.Connection, changes: object) -> None:
        if database.execute("PRAGMA database_list").fetchone()[2]:
            raise sqlite3.OperationalError(message)
        put_on_disk(database, changes)  # type: ignore[arg-type]

    monkeypatch.setattr(indexes, "_put", refused)
    library = Library(tmp_path)
    assert len(library.find()[0]) == 3
    read.clear()
    assert len(library.find()[0]) == 3
    assert read == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs rights that can be lacked")
def test_a_folder_that_can_t_be_written(tmp_path: Path, read: list[str]) -> None:
    some(tmp_path)
    tmp_path.chmod(0o500)
    try:
        library = Library(tmp_path)
        assert len(library.find()[0]) == 3
        read.clear()
        assert len(library.find()[0]) == 3
        assert read == []
    finally:
        tmp_path.chmod(0o700)


def test_nothing_is_made_where_there_is_nothing_to_keep(tmp_path: Path) -> None:
    assert Library(tmp_path / "outputs").find() == ([], [])
    (tmp_path / "outputs").mkdir()
    assert Library(tmp_path / "outputs").find() == ([], [])
    assert not list((tmp_path / "outputs").iterdir())


def test_the_index_is_no_take_and_no_rubbish(tmp_path: Path) -> None:
    some(tmp_path, 1)
    library = Library(tmp_path)
    library.find()
    before = (tmp_path / INDEX_FILE).read_bytes()
    os.utime(tmp_path / INDEX_FILE, (0, 0))
    sweep(tmp_path)
    library.delete(f"{DAY}/take0")
    library.trash.empty()
    assert (tmp_path / INDEX_FILE).is_file()
    assert before[:16] == b"SQLite format 3\0"
    assert library.find() == ([], [])
    assert stat.S_ISREG((tmp_path / INDEX_FILE).stat().st_mode)


def test_two_libraries_at_once_see_the_same(tmp_path: Path) -> None:
    """As of a page and a command line, each search with a connection of its own."""
    some(tmp_path, 60)
    failed: list[BaseException] = []

    def search(number: int) -> None:
        library = Library(tmp_path)
        try:
            for i in range(5):
                put(tmp_path, f"more{number}-{i}")
                assert len(library.find("take")[0]) == 60
                if i == 2:
                    (tmp_path / INDEX_FILE).unlink(missing_ok=True)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=search, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(Library(tmp_path).find()[0]) == 80


def test_text_that_no_encoding_has_is_kept(tmp_path: Path) -> None:
    index = Index(tmp_path)
    entry = Entry(file="caf\udce9.flac", created="\ud800", favourite=True, words="é 🌊", record="{}")
    index.put({"a\udce9": {"b\udce9.json": ("stamp", entry)}})
    assert Index(tmp_path).known(["a\udce9"]) == {"a\udce9": {"b\udce9.json": ("stamp", entry)}}
    assert Index(tmp_path).folders() == {"a\udce9"}
    index.forget(["a\udce9"])
    assert Index(tmp_path).known(["a\udce9"]) == {"a\udce9": {}}
