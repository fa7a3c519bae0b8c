"""Deleted takes: seen, put back whole, deleted for good, and nothing else with them."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from studio.core.errors import InvalidRequestError, OutOfResourcesError
from studio.core.locks import lock
from studio.service.takes.index import INDEX_FILE
from studio.service.takes.library import TRASH, Library
from tests.service.takes.test_library_folders import DAY, put, unix


def content(folder: Path) -> dict[str, bytes]:
    """What lies there but for the index, which is nobody's loss."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != INDEX_FILE)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_take_comes_back_as_it_was(tmp_path: Path) -> None:
    put(tmp_path, "sea").with_suffix(".state").write_bytes(b"where it stood")
    put(tmp_path, "rain")
    before, library = content(tmp_path), Library(tmp_path)
    deleted = library.delete(f"{DAY}/sea")
    assert [take.id for take in library.takes()] == [f"{DAY}/rain"]
    assert [(one.id, one.name) for one in library.trash.takes()] == [(deleted, "sea.flac")]
    assert library.trash.size() == sum(len(raw) for name, raw in before.items() if "sea" in name)
    assert library.trash.restore(deleted) == f"{DAY}/sea"
    assert content(tmp_path) == before
    assert (library.trash.takes(), library.trash.size()) == ([], 0)


def test_takes_of_one_name_do_not_meet(tmp_path: Path) -> None:
    library = Library(tmp_path)
    for created in ("2026-11-20T01:00:00", "2026-11-20T02:00:00", "2026-11-20T03:00:00"):
        put(tmp_path, "sea", created=created)
        library.delete(f"{DAY}/sea")
    assert [one.id for one in library.trash.takes()] == [f"{DAY}/sea_3", f"{DAY}/sea_2", f"{DAY}/sea"]
    put(tmp_path, "sea", created="2026-11-20T04:00:00")
    assert [library.trash.restore(one.id) for one in library.trash.takes()] == [
        f"{DAY}/sea_3", f"{DAY}/sea_2", f"{DAY}/sea_4",
    ]  # fmt: skip
    assert [take.about.created[-8:-6] for take in library.takes()] == ["04", "03", "02", "01"]
    assert {take.path.stem for take in library.takes()} == {"sea", "sea_2", "sea_3", "sea_4"}


def test_emptying_deletes_the_takes_and_nothing_else(tmp_path: Path) -> None:
    library, kept = Library(tmp_path), put(tmp_path, "rain")
    for stem in ("sea", "wind"):
        put(tmp_path, stem, day="2026-11-21")
        library.delete(f"2026-11-21/{stem}")
    put(tmp_path, "gulls")
    library.delete(f"{DAY}/gulls")
    (tmp_path / DAY / TRASH / "notes.txt").write_text("mine")
    (tmp_path / DAY / TRASH / "folder.json").mkdir()
    size = library.trash.size()
    assert library.trash.empty() == size > 0
    assert library.trash.size() == 0
    assert set(content(tmp_path)) == {f"{DAY}/rain.json", f"{DAY}/rain.flac", f"{DAY}/{TRASH}/notes.txt"}
    assert not (tmp_path / "2026-11-21" / TRASH).exists(), "an empty trash is none"
    assert [take.sidecar for take in library.takes()] == [kept]
    assert library.trash.empty() == 0


def test_what_an_older_longwave_deleted_comes_back_too(tmp_path: Path) -> None:
    """It lay in one folder for all days."""
    put(tmp_path, "sea", day=TRASH)
    put(tmp_path, "odd", day=TRASH, created="some day")
    library = Library(tmp_path)
    assert not list(library.takes())
    assert [library.trash.restore(one.id) for one in library.trash.takes()] == [f"{DAY}/sea", "restored/odd"]
    assert [take.id for take in library.takes()] == [f"{DAY}/sea", "restored/odd"]


@unix
def test_a_trash_that_is_a_link_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    put(tmp_path, "sea", day="mine")
    put(tmp_path, "rain")
    (tmp_path / DAY / TRASH).symlink_to(tmp_path / "mine")
    library = Library(tmp_path)
    assert library.trash.takes() == []
    library.trash.empty()
    assert (tmp_path / "mine" / "sea.flac").is_file()
    with pytest.raises(OutOfResourcesError, match="take it away, or delete the take for good"):
        library.delete(f"{DAY}/rain")
    assert (tmp_path / DAY / "rain.flac").is_file()


def test_a_take_is_moved_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "sea").with_suffix(".state").touch()
    before, library, rename = content(tmp_path), Library(tmp_path), Path.rename

    def refused(self: Path, target: Path) -> Path:
        if self.suffix == ".json":
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(InvalidRequestError, match="Permission denied"):
        library.delete(f"{DAY}/sea")
    assert content(tmp_path) == before


def test_a_disk_too_full_for_the_trash_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, **_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    put(tmp_path, "sea")
    put(tmp_path, "rain")
    library = Library(tmp_path)
    library.delete(f"{DAY}/rain")
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OutOfResourcesError, match="empty the trash, or delete the take for good"):
        library.delete(f"{DAY}/sea")
    assert library.trash.empty() > 0
    size = sum(map(len, content(tmp_path).values()))
    assert library.erase(f"{DAY}/sea") == size
    assert content(tmp_path) == {}


def test_what_can_t_be_read_is_put_away_and_comes_back(tmp_path: Path) -> None:
    put(tmp_path, "sea").write_text("{")
    before, library = content(tmp_path), Library(tmp_path)
    deleted = library.delete(f"{DAY}/sea")
    assert library.find() == ([], [])
    (one,) = library.trash.takes()
    assert (one.id, one.name) == (deleted, "sea")
    library.trash.restore(deleted)
    assert content(tmp_path) == before
    library.erase(f"{DAY}/sea")
    assert content(tmp_path) == {}


@pytest.mark.parametrize("take_id", ["", "nonesuch", "../../etc/passwd", f"{DAY}/sea"])
def test_an_unknown_take_is_told(tmp_path: Path, take_id: str) -> None:
    put(tmp_path, "sea")
    library = Library(tmp_path)
    with pytest.raises(InvalidRequestError, match="not in the trash"):
        library.trash.restore(take_id)
    assert [take.id for take in library.takes()] == [f"{DAY}/sea"]


@unix
def test_what_somebody_writes_is_not_taken_from_them(tmp_path: Path) -> None:
    """Not even where its record can't be read."""
    sidecar = put(tmp_path, "sea")
    sidecar.write_text("{")
    before, library = content(tmp_path), Library(tmp_path)
    with open(sidecar.with_suffix(".flac"), "rb") as writer:
        assert lock(writer)
        for act in (library.delete, library.erase):
            with pytest.raises(InvalidRequestError, match="still being made"):
                act(f"{DAY}/sea")
    assert content(tmp_path) == before
