"""Whatever ails the index's file, the takes are found, and nothing that it says gets into a sidecar."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from studio.core.preset import load_preset
from studio.service.takes.index import INDEX_FILE
from studio.service.takes.library import Library
from tests.service.takes.test_index import count_reads, rows, some
from tests.service.takes.test_library_folders import DAY, record


def garbage(path: Path) -> None:
    path.write_bytes(b"a diary, and no index" * 100)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def torn(path: Path) -> None:
    """All but the first page overwritten, as by a disk that failed."""
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def altered(sql: str) -> Callable[[Path], None]:
    def alter(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database:
            database.executescript(sql)

    return alter


def foreign(path: Path) -> None:
    path.unlink()
    altered("CREATE TABLE diary (day); INSERT INTO diary VALUES ('a secret')")(path)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


AILMENTS: dict[str, Callable[[Path], None]] = {
    "gone": Path.unlink,
    "empty": lambda path: os.truncate(path, 0),
    "garbage": garbage,
    "cut": cut,
    "torn": torn,
    "somebody else's": foreign,
    "a folder": folder_instead,
    "newer": altered("PRAGMA user_version = 99"),
    "older": altered("PRAGMA user_version = 0; DROP TABLE sidecars; CREATE TABLE sidecars (path)"),
    "another version's": altered("UPDATE sidecars SET made_by = '0.0.9', reason = CAST('old' AS BLOB)"),
    "no table": altered("DROP TABLE sidecars"),
    "values of another kind": altered("UPDATE sidecars SET words = 7, record = NULL, file = 1.5"),
    "a record that is none": altered("UPDATE sidecars SET record = CAST('{' AS BLOB)"),
}
LEFT_ALONE = ("garbage", "somebody else's", "a folder", "newer")
MADE_ANEW = ("gone", "empty", "cut", "torn", "older", "another version's", "values of another kind")


@pytest.mark.parametrize("ailment", AILMENTS)
def test_whatever_ails_the_file_the_takes_are_found(
    tmp_path: Path, ailment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = count_reads(monkeypatch)
    paths = some(tmp_path, 40)
    path = tmp_path / INDEX_FILE
    Library(tmp_path).find()
    AILMENTS[ailment](path)
    before = path.read_bytes() if path.is_file() else None
    library = Library(tmp_path)
    for _ in range(2):
        takes, others = library.find()
        assert sorted(take.record.name for take in takes) == sorted(f"{one.stem}.flac" for one in paths)
        assert not others
        assert [take.id for take in library.takes("take7")] == [f"{DAY}/take7"]
    read.clear()
    library.find()
    assert read == [], "what was read once is known, in memory if need be"
    if ailment in LEFT_ALONE:
        assert (path.read_bytes() if path.is_file() else None) == before or path.is_dir()
    if ailment in MADE_ANEW:
        Library(tmp_path).find()
        assert (rows(tmp_path), read) == (40, [])
    assert library.favour(f"{DAY}/take3", True).about.favourite
    about = load_preset(paths[3]).take
    assert about is not None
    assert about.favourite


def test_a_mark_is_put_on_the_record_and_not_on_what_the_index_has_of_it(tmp_path: Path) -> None:
    (path,) = some(tmp_path, 1)
    Library(tmp_path).find()
    text = json.dumps({**record("take0.flac"), "name": "nonsense"}).encode().hex()
    altered(f"UPDATE sidecars SET record = x'{text}'")(tmp_path / INDEX_FILE)
    Library(tmp_path).favour(f"{DAY}/take0", True)
    assert load_preset(path).name == "take0.flac"
