"""Takes of sets in the Library: found two folders deeper, called by their rows, put away and got back."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.pipeline.cancel import CancelToken
from studio.service.batch.folder import SetFolder
from studio.service.batch.work import work
from studio.service.takes.library import Library
from studio.service.takes.shelf import id_of
from tests.service.batch.set_fakes import ids, make_tone, units


@pytest.fixture
def folder(tmp_path: Path) -> SetFolder:
    """A set of three takes."""
    folder = SetFolder(tmp_path / "sets" / "rain", rows=3)
    work(folder, units(3), make_tone, cancel=CancelToken())
    return folder


def test_takes_of_a_set_are_found_as_a_group(folder: SetFolder, tmp_path: Path) -> None:
    library = Library(tmp_path)
    takes = list(library.takes())
    assert {take.id for take in takes} == {f"sets/rain/{row[:2]}/{row}" for row in ids(units(3))}
    assert {take.entry.group_id for take in takes} == {folder.group}
    assert sorted(take.about.group.position for take in takes if take.about.group) == [1, 2, 3]
    assert all(library.get(take.id).path == take.path and id_of(take.path) == take.id for take in takes)
    assert [take.name for take in library.takes("rain 2")] == ["rain 2"]


def test_a_take_of_a_set_keeps_its_file_under_a_new_name(folder: SetFolder, tmp_path: Path) -> None:
    """Or its row would be made again."""
    library, (row, *_) = Library(tmp_path), ids(units(3))
    renamed = library.rename(f"sets/rain/{row[:2]}/{row}", "the best")
    assert (renamed.name, renamed.path) == ("the best", folder.sound(row))
    library.favour(renamed.id, True)
    assert folder.survey().done == set(ids(units(3)))
    assert [take.name for take in library.takes(favourites=True)] == ["the best"]


def test_a_deleted_take_of_a_set_is_in_the_trash_and_comes_back(folder: SetFolder, tmp_path: Path) -> None:
    library, (row, *_) = Library(tmp_path), ids(units(3))
    take_id = f"sets/rain/{row[:2]}/{row}"
    deleted = library.delete(take_id)
    assert not folder.is_done(row)
    assert [one.id for one in library.trash.takes()] == [deleted] == [take_id]
    assert library.trash.restore(deleted) == take_id
    assert folder.is_done(row)
    library.erase(take_id)
    assert len(list(library.takes())) == 2


def test_what_else_lies_in_a_set_is_no_take(folder: SetFolder, tmp_path: Path) -> None:
    row = units(3)[0].rows[0]
    folder.write_error(row, "OutOfMemory", "There is no room for it.")
    (folder.path / "notes").mkdir()
    (folder.path / "notes" / "x.json").write_text('{"name": "x", "settings": {}, "take": {}}')
    takes, others = Library(tmp_path).find()
    assert (len(takes), others) == (3, [])
