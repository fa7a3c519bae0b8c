"""Several takes at once: found, marked, put away and got back; and how much there is of all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.core.errors import InvalidRequestError, OutOfResourcesError
from studio.core.preset import Group
from studio.service.takes.library import Library
from studio.service.takes.trash import Trash
from studio.service.takes.writer import TakeWriter
from tests.service.service_fakes import RATE, ramp, request
from tests.service.takes.test_library_folders import DAY, put

OTHER = "2026-11-21"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    for stem, day in (("a", DAY), ("b", DAY), ("c", OTHER)):
        put(tmp_path, stem, day=day)
    return Library(tmp_path)


def ids(library: Library) -> list[str]:
    return sorted(take.id for take in library.takes())


def test_several_are_deleted_and_put_back(library: Library) -> None:
    before = ids(library)
    deleted = library.delete_all([f"{OTHER}/c", f"{DAY}/a"])
    assert ids(library) == [f"{DAY}/b"]
    assert sorted(library.trash.restore_all(deleted)) == [f"{DAY}/a", f"{OTHER}/c"]
    assert ids(library) == before


def test_none_is_deleted_where_one_is_unknown(library: Library) -> None:
    before = ids(library)
    with pytest.raises(InvalidRequestError, match="refresh the list"):
        library.delete_all([f"{DAY}/a", f"{DAY}/nonesuch"])
    with pytest.raises(InvalidRequestError, match="refresh the list"):
        library.favour_all([f"{DAY}/a", f"{OTHER}/nonesuch"], True)
    assert ids(library) == before
    assert not list(library.takes(favourites=True))
    deleted = library.delete_all([f"{DAY}/a"])
    with pytest.raises(InvalidRequestError, match="not in the trash"):
        library.trash.restore_all([*deleted, f"{DAY}/nonesuch"])
    assert len(library.trash.takes()) == 1


def test_what_was_moved_comes_back_where_the_next_can_t_be(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, put_away = ids(library), Trash.put

    def full(self: Trash, files: tuple[Path, ...]) -> str:
        if files[0].stem == "c":
            raise OutOfResourcesError("The disk is too full.")
        return put_away(self, files)

    monkeypatch.setattr(Trash, "put", full)
    with pytest.raises(OutOfResourcesError, match="too full"):
        library.delete_all(before)
    assert ids(library) == before
    assert not library.trash.takes()


def test_a_take_named_twice_is_put_away_once(library: Library) -> None:
    assert len(library.delete_all([f"{DAY}/a", f"{DAY}/a"])) == 1


def test_several_become_favourites_and_none(library: Library) -> None:
    library.favour_all([f"{DAY}/a", f"{OTHER}/c"], True)
    assert sorted(take.id for take in library.takes(favourites=True)) == [f"{DAY}/a", f"{OTHER}/c"]
    library.favour_all(ids(library), False)
    assert not list(library.takes(favourites=True))


def test_several_are_erased(library: Library, tmp_path: Path) -> None:
    size = sum(path.stat().st_size for path in (tmp_path / DAY).iterdir())
    assert library.erase_all([f"{DAY}/a", f"{DAY}/b"]) == size
    assert ids(library) == [f"{OTHER}/c"]


def test_how_much_there_is_counts_every_take_s_files_alone(library: Library, tmp_path: Path) -> None:
    (tmp_path / DAY / "notes.txt").write_bytes(bytes(5000))
    (tmp_path / DAY / "lone.flac").write_bytes(bytes(5000))
    (tmp_path / DAY / "a.state").write_bytes(bytes(100))
    damaged = tmp_path / DAY / "damaged.json"
    damaged.write_text("{")
    damaged.with_suffix(".wav").write_bytes(bytes(50))
    takes = [path for stem in ("a", "b") for path in (tmp_path / DAY).glob(f"{stem}.*")]
    takes += [*(tmp_path / OTHER).iterdir(), damaged, damaged.with_suffix(".wav")]
    assert library.holds() == (4, sum(path.stat().st_size for path in takes))
    library.delete_all(ids(library))
    assert library.holds() == (1, 51)
    assert Library(tmp_path / "none").holds() == (0, 0)


def test_a_take_s_group_is_read_from_its_record_and_may_be_left_out(tmp_path: Path) -> None:
    sidecar = put(tmp_path, "a")
    library = Library(tmp_path)
    (take,) = library.takes()
    assert (take.about.group, take.entry.group_id) == (None, "")
    record = json.loads(sidecar.read_text())
    record["take"]["group"] = {"id": "x1", "position": 2, "takes": 4}
    sidecar.write_text(json.dumps(record))
    (take,) = library.takes()
    assert take.about.group is not None
    assert (take.entry.group_id, take.about.group.position, take.about.group.takes) == ("x1", 2, 4)
    renamed = library.rename(take.id, "named")
    assert renamed.about.group == take.about.group
    record["take"]["group"]["id"] = "<b>"
    sidecar.with_name("b.json").write_text(json.dumps(record))
    sidecar.with_name("b.flac").write_bytes(b"fLaC")
    assert [other.name for other in library.find()[1]] == ["b"]


def test_a_take_that_goes_on_stays_in_its_group(tmp_path: Path) -> None:
    together = Group(id="x1", position=1, takes=2)
    writer = TakeWriter.begin(request(), RATE, tmp_path, group=together)
    writer.write(ramp(0, RATE))
    writer._wav.close()  # as a kill leaves it
    TakeWriter.reopen(request(), writer.path, RATE).finish("finished", {})
    (take,) = Library(tmp_path).takes()
    assert take.about.group == together
