"""Whatever lies in the folder of takes, the Library lists the whole ones and says what ails the others."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.core.preset import MAX_PRESET_BYTES, Preset, load_preset
from studio.service.takes import sidecar as sidecars
from studio.service.takes.library import Library
from studio.service.takes.naming import portable, slug
from studio.service.takes.shelf import Take, Unreadable
from studio.service.takes.sidecar import write_sidecar
from tests.service.service_fakes import request

DAY = "2026-11-20"
unix = pytest.mark.skipif(sys.platform == "win32", reason="files of this kind are Unix's")


def record(file: str, created: str = f"{DAY}T09:00:00", **values: Any) -> dict[str, Any]:
    take = {"file": file, "created": created, "version": "0.1.0", "duration_s": 1.0, "sample_rate": 16000}
    settings = request(**values).model_dump(mode="json")
    return {"schema_version": 1, "name": file, "settings": settings, "take": take}


def put(outputs: Path, stem: str, *, day: str = DAY, **about: Any) -> Path:
    """A take's two files, the sound as good as any: its record."""
    folder = outputs / day
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}.flac").write_bytes(b"fLaC")
    sidecar = folder / f"{stem}.json"
    sidecar.write_text(json.dumps(record(f"{stem}.flac", **about)))
    return sidecar


def bad(text: str | bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(text.encode(errors="surrogatepass") if isinstance(text, str) else text)

    return write


def named(file: Any) -> Callable[[Path], None]:
    return bad(json.dumps({**record("x.flac"), "take": {**record("x.flac")["take"], "file": file}}))


def sparse_file(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(2**40)


def bound_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path has a limit of its own
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(here)


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "no JSON": (bad("{"), "not JSON"),
    "half a record": (bad(json.dumps(record("bad.flac"))[:300]), "not JSON"),
    "nothing": (bad(b""), "not JSON"),
    "zeros": (bad(bytes(100)), "UTF-16|not JSON"),
    "no text": (bad(b"\xff\xfe\xfd"), "UTF-16"),
    "UTF-16": (bad(json.dumps(record("bad.flac")).encode("utf-16")), "saved as UTF-16: save it as UTF-8"),
    "Latin-1": (bad('{"name": "é"}'.encode("latin-1")), "not text in UTF-8"),
    "deep": (bad("[" * 100_000), "not JSON"),
    "large": (sparse_file, "MB large"),
    "just too large": (bad(b" " * (MAX_PRESET_BYTES + 1)), "4 MB large"),
    "a long name": (named("x" * 5000), "same folder"),
    "no name": (named(""), "same folder"),
    "a path": (named(f"../{DAY}/whole.flac"), "same folder"),
    "an absolute path": (named("/etc/passwd"), "same folder"),
    "a zero": (named("a\0b.flac"), "same folder"),
    "a number": (named(7), "same folder"),
    "its folder": (named(".."), "same folder"),
    "a surrogate": (named("\ud800.flac"), "same folder"),
    "NaN": (bad(json.dumps(record("bad.flac")).replace("1.0, \"samp", "NaN, \"samp")), "not a number"),
    "a list for settings": (bad(json.dumps({**record("bad.flac"), "settings": []})), "used"),
    "no prompt": (bad(json.dumps({**record("bad.flac"), "settings": {}})), "Prompt"),
    "another schema": (bad(json.dumps({**record("bad.flac"), "schema_version": 99})), "newer"),
    "a folder": (Path.mkdir, "no ordinary file"),
}  # fmt: skip
SPECIAL: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pipe": (lambda path: os.mkfifo(path), "no ordinary file"),
    "a socket": (bound_socket, "no ordinary file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "no ordinary file"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "no such file"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "symbolic links"),
}


def check(outputs: Path, says: str) -> None:
    library = Library(outputs)
    takes, (other,) = library.find()
    assert [take.path.name for take in takes] == ["whole.flac"]
    assert (other.id, other.name) == (f"{DAY}/bad", "bad")
    assert library.find("bad")[1] == [other]
    assert library.find("whole")[1] == []
    with pytest.raises(InvalidRequestError, match=f"can't be opened.*(?:{says})") as caught:
        library.get(other.id)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("what", BAD)
def test_a_bad_record_hides_no_other_and_is_told(tmp_path: Path, what: str) -> None:
    make, says = BAD[what]
    put(tmp_path, "whole")
    put(tmp_path, "bad").unlink()
    make(tmp_path / DAY / "bad.json")
    check(tmp_path, says)


@unix
@pytest.mark.parametrize("what", SPECIAL)
def test_a_special_file_keeps_nobody_waiting(tmp_path: Path, what: str) -> None:
    make, says = SPECIAL[what]
    put(tmp_path, "whole")
    put(tmp_path, "bad").unlink()
    make(tmp_path / DAY / "bad.json")
    check(tmp_path, says)


@pytest.mark.parametrize("text", ["{}", "[1]", '{"a": 1}', '{"name": "Mine", "settings": {"prompt": "x"}}'])
def test_what_is_none_of_the_studio_s_is_passed_over(tmp_path: Path, text: str) -> None:
    put(tmp_path, "whole")
    put(tmp_path, "bad").write_text(text)
    (tmp_path / DAY / "notes.json").write_text("{")
    (tmp_path / DAY / "notes.txt").write_text("bad")
    takes, others = Library(tmp_path).find()
    assert ([take.path.name for take in takes], others) == (["whole.flac"], [])


def test_a_sound_that_is_gone_is_told_and_its_record_can_be_put_away(tmp_path: Path) -> None:
    sidecar = put(tmp_path, "bad")
    put(tmp_path, "whole")
    sidecar.with_suffix(".flac").unlink()
    check(tmp_path, "not in its folder")
    library = Library(tmp_path)
    library.delete(f"{DAY}/bad")
    assert library.find()[1] == []


def test_a_record_is_not_another_take_s(tmp_path: Path) -> None:
    copied = put(tmp_path, "bad")
    copied.with_suffix(".flac").unlink()
    copied.write_text(put(tmp_path, "whole").read_text())
    check(tmp_path, "another take, whole.flac")


def test_a_copied_record_beside_a_sound_of_its_own_is_that_one_s(tmp_path: Path) -> None:
    put(tmp_path, "b").write_text(put(tmp_path, "a").read_text())
    takes, others = Library(tmp_path).find()
    assert sorted((take.sidecar.name, take.path.name, take.about.file) for take in takes) == [
        ("a.json", "a.flac", "a.flac"),
        ("b.json", "b.flac", "b.flac"),
    ]
    assert not others


def test_two_records_of_one_sound_are_one_take(tmp_path: Path) -> None:
    sidecar = put(tmp_path, "a")
    text = sidecar.read_text()
    sidecar.unlink()
    for name in ("one.json", "two.json"):
        (tmp_path / DAY / name).write_text(text)
    takes, others = Library(tmp_path).find()
    assert [take.sidecar.name for take in takes] == ["one.json"]
    assert ["another take" in other.reason for other in others] == [True]


def test_a_take_renamed_or_converted_in_the_file_manager_is_found(tmp_path: Path) -> None:
    sidecar = put(tmp_path, "a")
    sidecar.rename(sidecar.with_name("sea.json"))
    sidecar.with_suffix(".flac").rename(sidecar.with_name("sea.mp3"))
    (take,) = Library(tmp_path).takes()
    assert (take.path.name, take.about.file) == ("sea.mp3", "sea.mp3")


def test_only_sounds_are_takes(tmp_path: Path) -> None:
    """Or a record could make the server hand out any file of its folder."""
    put(tmp_path, "whole")
    (tmp_path / DAY / "diary.txt").write_text("private")
    (tmp_path / DAY / "bad.json").write_text(json.dumps(record("diary.txt")))
    check(tmp_path, "not in its folder")


def test_takes_are_ordered_by_the_date_they_were_made(tmp_path: Path) -> None:
    for stem, created in (
        ("a", "2026-11-20T09:00:00"),
        ("d", "2026-11-20T08:00:00.5"),
        ("c", "2026-11-19"),
        ("b", "2026-11-21T09:00:00"),
        ("y", "yesterday"),
        ("z", "0001-01-01T00:00:00+14:00"),
        ("x", ""),
    ):
        put(tmp_path, stem, created=created)
    library = Library(tmp_path)
    assert "".join(take.path.stem for take in library.takes()) == "badczyx"
    library.rename(f"{DAY}/a", "zz")
    assert [take.record.name for take in library.takes()][1] == "zz", "a new name moves nothing"


@unix
def test_links_to_other_disks_are_takes_like_any(tmp_path: Path) -> None:
    outputs, disk = tmp_path / "outputs", tmp_path / "disk"
    outputs.mkdir()
    disk.mkdir()
    put(disk, "a")
    (outputs / DAY).symlink_to(disk / DAY)
    put(outputs, "b", day="2026-11-21")
    file = outputs / "2026-11-21" / "b.flac"
    file.rename(disk / "b.flac")
    file.symlink_to(disk / "b.flac")
    library = Library(outputs)
    assert sorted(take.id for take in library.takes()) == [f"{DAY}/a", "2026-11-21/b"]
    renamed = library.rename(f"{DAY}/a", "sea")
    assert (disk / DAY / "sea.flac").is_file()
    library.trash.restore(library.delete(renamed.id))
    assert (disk / DAY / "sea.flac").is_file()
    library.delete("2026-11-21/b")
    assert (disk / "b.flac").is_file(), "the link is put away, not what it shows"


@unix
@pytest.mark.parametrize(
    "make", [lambda path: path.symlink_to("unplugged"), lambda path: path.write_text(""), lambda _: None]
)
def test_no_folder_of_takes_is_no_take(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "outputs")
    library = Library(tmp_path / "outputs")
    assert library.find() == ([], [])
    assert (library.trash.takes(), library.trash.size(), library.trash.empty()) == ([], 0, 0)


@unix
def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    put(tmp_path, "whole")
    put(tmp_path, "bad").chmod(0)
    put(tmp_path, "away", day="2026-11-21")
    (tmp_path / "2026-11-21").chmod(0)
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    try:
        takes, others = Library(tmp_path).find()
    finally:
        (tmp_path / "2026-11-21").chmod(0o700)
    assert [take.path.name for take in takes] == ["whole.flac"]
    assert sorted((other.id, "permission denied" in other.reason) for other in others) == [
        ("2026-11-20/bad", True),
        ("2026-11-21", True),
    ]


@unix
def test_names_that_are_no_text(tmp_path: Path) -> None:
    """As of a disk written under another encoding: the take is listed, marked, renamed, put away."""
    sidecar = put(tmp_path, "caf\udce9")
    put(tmp_path, "ring\x07\u202e")
    library = Library(tmp_path)
    ids = [take.id for take in library.takes()]
    assert sorted(ids) == [f"{DAY}/caf\\udce9", f"{DAY}/ring\\x07\\u202e"]
    for take_id in ids:
        library.favour(take_id, True)
    assert load_preset(sidecar).take == library.get(ids[ids.index(f"{DAY}/caf\\udce9")]).about
    library.trash.restore(library.delete(f"{DAY}/caf\\udce9"))
    assert library.rename(f"{DAY}/caf\\udce9", "café").path.name == "café.flac"


def test_a_record_is_read_again_only_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [put(tmp_path, stem) for stem in "abc"]
    read: list[str] = []
    whole = sidecars.read_text
    monkeypatch.setattr(
        sidecars, "read_text", lambda path, most: (read.append(path.name), whole(path, most))[1]
    )
    library = Library(tmp_path)
    assert len(list(library.takes())) == 3
    assert sorted(read) == ["a.json", "b.json", "c.json"]
    paths[1].write_text(json.dumps({**record("b.flac"), "name": "sea"}))
    paths[2].unlink()
    read.clear()
    assert sorted(take.record.name for take in library.takes()) == ["a.flac", "sea"]
    assert read == ["b.json"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("CON", "CON_"),
        ("con", "con_"),
        ("Nul", "Nul_"),
        ("aux.flac", "aux_.flac"),
        ("COM1", "COM1_"),
        ("lpt9.a.b", "lpt9_.a.b"),
        ("COM²", "COM²_"),
        ("CONIN$", "CONIN$_"),
        ("PRN .txt", "PRN_.txt"),
        ("rain. . ", "rain"),
        ("...", "untitled"),
        ("CON:", "CON_"),
        ("\u200bcon\u202e", "con_"),
        ("console", "console"),
        ("COM10", "COM10"),
        ("a con", "a_con"),
    ],
)
def test_no_take_is_called_like_a_device(tmp_path: Path, name: str, stem: str) -> None:
    put(tmp_path, "a")
    take = Library(tmp_path).rename(f"{DAY}/a", name) if slug(name) != "untitled" else None
    assert slug(name) == stem
    assert portable(stem) == stem
    if take is not None:
        assert take.path.name == f"{stem}.flac"
        assert Library(tmp_path).get(take.id).path == take.path


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_record_is_a_take_or_a_reason_or_nobody_s(tmp_path: Path, data: st.DataObject) -> None:
    """Any bytes, any JSON, and true records of which a part was changed, dropped or added."""
    put(tmp_path, "whole")
    sidecar = put(tmp_path, "bad")
    kind = data.draw(st.sampled_from(["bytes", "json", "changed", "cut"]))
    whole: Any = record("bad.flac", lane=[{"at_s": 3, "prompt": "wind"}])
    if kind == "bytes":
        raw = data.draw(st.binary(max_size=200))
    elif kind == "json":
        raw = json.dumps(data.draw(JSON)).encode()
    elif kind == "cut":
        raw = json.dumps(whole).encode()
        raw = raw[: data.draw(st.integers(0, len(raw)))]
    else:
        parts = [whole, whole["take"], whole["settings"], whole["settings"]["sampler"]]
        part = data.draw(st.sampled_from(parts))
        key = data.draw(st.sampled_from(sorted(part)) | st.text(max_size=8))
        if data.draw(st.booleans()):
            part.pop(key, None)
        else:
            part[key] = data.draw(JSON)
        raw = json.dumps(whole).encode()
    sidecar.write_bytes(raw)
    library = Library(tmp_path)
    takes, others = library.find()
    assert "whole.flac" in [take.path.name for take in takes]
    assert all(isinstance(other, Unreadable) and other.reason.endswith(".") for other in others)
    assert all(isinstance(take, Take) and take.path.parent == tmp_path / DAY for take in takes)
    assert len(takes) + len(others) <= 2
    try:
        assert isinstance(load_preset(sidecar), Preset)
    except InvalidRequestError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either answer is right
    for take in takes:
        write_sidecar(take.sidecar, take.record)
        assert load_preset(take.sidecar) == take.record, "what can be read can be written"
