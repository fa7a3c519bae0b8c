"""The takes on disk: found by words, marked, renamed, put away, and read back from any file."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.core.preset import load_preset
from studio.service.takes.export import FORMATS, convert
from studio.service.takes.library import TRASH, Library, picture_of, settings_of
from studio.service.takes.writer import TakeWriter
from tests.service.service_fakes import RATE, ramp, request

WHEN = datetime(2026, 1, 31, 14, 2, 11)


def make(outputs: Path, status: str | None = "finished", **values: Any) -> Path:
    """A take of a second; with status None one whose writer was killed."""
    take = TakeWriter.begin(request(**values), RATE, outputs, when=WHEN)
    take.write(ramp(0, RATE))
    if status is None:
        take._wav.close()
    path = take.finish(status, {}) if status else take.path
    assert path is not None
    return path


def test_takes_are_found_by_words_of_prompt_lane_seed_and_name(tmp_path: Path) -> None:
    make(tmp_path, prompt="heavy rain", seed=1)
    make(tmp_path, prompt="sea", seed=2, lane=[{"at_s": 3, "prompt": "Gulls far away"}])
    library = Library(tmp_path)

    def found(words: str) -> list[int]:
        return sorted(take.record.settings["seed"] for take in library.takes(words))

    assert found("") == [1, 2]
    assert found("RAIN") == [1]
    assert found("gulls away") == [2]
    assert found("rain gulls") == []
    assert found("2") == [1, 2], "the date holds a 2 as well"
    assert next(library.takes("gulls")).prompts == "sea · Gulls far away"


def test_what_is_no_take_is_passed_over(tmp_path: Path) -> None:
    path = make(tmp_path)
    (path.parent / "notes.json").write_text("{}")
    (path.parent / "broken.json").write_text("{")
    (path.parent / "list.json").write_text("[1]")
    gone = make(tmp_path, seed=9)
    gone.unlink()
    elsewhere = json.loads(path.with_suffix(".json").read_text())
    elsewhere["take"]["file"] = f"../{path.parent.name}/{path.name}"
    (path.parent / "pointing.json").write_text(json.dumps(elsewhere))
    assert [take.path for take in Library(tmp_path).takes()] == [path]


def test_a_take_nobody_works_on_was_interrupted(tmp_path: Path) -> None:
    path = make(tmp_path, status=None)
    (take,) = Library(tmp_path, lambda: {path}).takes()
    assert take.status == "running"
    (take,) = Library(tmp_path).takes()
    assert (take.status, take.about.duration_s) == ("interrupted", 1.0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
def test_a_take_of_another_process_is_left_alone(tmp_path: Path) -> None:
    writer = TakeWriter.begin(request(), RATE, tmp_path, when=WHEN)
    writer.write(ramp(0, RATE))
    library = Library(tmp_path)
    (take,) = library.takes()
    assert take.status == "running"
    with pytest.raises(InvalidRequestError, match="still being made"):
        library.delete(take.id)
    with pytest.raises(InvalidRequestError, match="another Longwave"):
        TakeWriter.reopen(request(), take.path, 100)
    writer.finish("stopped", {})
    (take,) = library.takes()
    assert take.status == "stopped"


def test_a_take_beside_a_preset_keeps_its_own_record(tmp_path: Path) -> None:
    """`--out` into a folder of the library, beside a file of the user's that bears the sidecar's name."""
    folder = tmp_path / "mine"
    folder.mkdir()
    preset = folder / "foo.json"
    preset.write_text('{"name": "Mine", "settings": {"prompt": "rain"}}')
    before = preset.read_text()
    writer = TakeWriter.begin(request(), RATE, tmp_path, out=folder / "foo.flac")
    writer.write(ramp(0, RATE))
    writer.finish("finished", {})
    library = Library(tmp_path)
    (take,) = library.takes()
    library.favour(take.id, True)
    (take,) = library.takes(favourites=True)
    library.delete(take.id)
    assert preset.read_text() == before
    assert not list(library.takes())


def test_a_sidecar_whose_settings_are_none_is_passed_over(tmp_path: Path) -> None:
    sidecar = make(tmp_path).with_suffix(".json")
    whole = json.loads(sidecar.read_text())
    for settings in ({"prompt": None}, {"prompt": "rain", "lane": [1]}, {}):
        sidecar.write_text(json.dumps({**whole, "settings": settings}))
        assert not list(Library(tmp_path).takes())


def test_favourites_stay_favourites(tmp_path: Path) -> None:
    make(tmp_path, seed=1)
    make(tmp_path, seed=2)
    library = Library(tmp_path)
    library.favour(next(library.takes()).id, True)
    assert len(list(library.takes(favourites=True))) == 1
    library.favour(next(library.takes(favourites=True)).id, False)
    assert not list(library.takes(favourites=True))


@pytest.mark.parametrize("name", ["Night bed", "a/b\\c:*?", "…", "x" * 400, "rain\n\x00drops"])
def test_a_renamed_take_is_whole_and_called_so(tmp_path: Path, name: str) -> None:
    path = make(tmp_path)
    sound = path.read_bytes()
    library = Library(tmp_path)
    take = library.rename(next(library.takes()).id, name)
    assert [one.id for one in library.takes()] == [take.id]
    assert take.path.parent == path.parent
    assert take.path.read_bytes() == sound
    assert take.record.name.isprintable()
    assert load_preset(take.sidecar).take == take.about
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".flac", ".json"]
    assert library.rename(take.id, name).path == take.path, "the same name again changes nothing"


def test_two_takes_of_one_name_do_not_meet(tmp_path: Path) -> None:
    make(tmp_path, seed=1)
    make(tmp_path, seed=2)
    library = Library(tmp_path)
    for take in list(library.takes()):
        library.rename(take.id, "bed")
    assert sorted(take.path.name for take in library.takes()) == ["bed.flac", "bed_2.flac"]
    assert sorted(take.record.settings["seed"] for take in library.takes()) == [1, 2]


@pytest.mark.parametrize("name", ["", "   ", "\n\x00"])
def test_no_name_is_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path)
    library = Library(tmp_path)
    with pytest.raises(InvalidRequestError, match="empty"):
        library.rename(next(library.takes()).id, name)


def test_deleted_takes_lie_in_the_trash(tmp_path: Path) -> None:
    library = Library(tmp_path)
    for seed in (1, 1):
        make(tmp_path, seed=seed)
        library.delete(next(library.takes()).id)
    assert not list(library.takes())
    deleted = list(tmp_path.glob(f"*/{TRASH}/*.flac"))
    assert len(deleted) == 2
    assert all(sf.info(path).frames == RATE for path in deleted)


@pytest.mark.parametrize("take_id", ["", "nonesuch", "../../etc/passwd", "trash/x"])
def test_an_unknown_take_is_told(tmp_path: Path, take_id: str) -> None:
    make(tmp_path)
    with pytest.raises(InvalidRequestError, match="not in the library" if take_id else "choose one"):
        Library(tmp_path).delete(take_id)


@pytest.mark.parametrize("suffix", [".json", *FORMATS])
def test_settings_come_back_from_every_file(tmp_path: Path, suffix: str) -> None:
    path = make(tmp_path, prompt="Überraschung 🌊", seed=5)
    file = path.with_suffix(".json") if suffix == ".json" else convert(path, tmp_path / f"copy{suffix}")
    assert settings_of(file).request() == request(prompt="Überraschung 🌊", seed=5)


def test_files_of_other_makers_are_told(tmp_path: Path) -> None:
    sf.write(tmp_path / "plain.wav", np.zeros(100), RATE)
    (tmp_path / "text.flac").write_text("no sound")
    (tmp_path / "huge.json").write_text(" " * 5_000_000)
    (tmp_path / "page.html").write_text("<p>")
    for name in ("plain.wav", "text.flac", "huge.json", "page.html"):
        with pytest.raises(InvalidRequestError):
            settings_of(tmp_path / name)


@pytest.mark.parametrize("samples", [1, 100, RATE, 20 * RATE])
def test_a_picture_of_any_length(tmp_path: Path, samples: int) -> None:
    """A tone that stops halfway: bright on the left, dark on the right."""
    sound = 0.5 * np.sin(2 * np.pi * 1000 / RATE * np.arange(samples))
    sound[samples // 2 + 1 :] = 0
    sf.write(tmp_path / "a.flac", sound, RATE)
    picture = picture_of(tmp_path / "a.flac", width=40)
    assert picture.shape == (40, 64)
    if samples >= RATE:
        assert picture[2].max() > 150
        assert picture[-1].max() < 20
