"""What lies in the folder of a set, when it counts as done, and what a power cut leaves."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.audio import to_int16
from studio.core.errors import InvalidRequestError, NoSoundError
from studio.core.preset import load_preset
from studio.core.speech import Said
from studio.service.batch.folder import FolderError, Made, SetFolder
from studio.service.takes.library import Library, settings_of
from tests.service.batch.set_fakes import RATE, made, rows, samples_of


@pytest.fixture
def folder(tmp_path: Path) -> SetFolder:
    folder = SetFolder(tmp_path / "rain", rows=5)
    folder.prepare()
    return folder


@pytest.mark.parametrize("suffix", [".flac", ".wav", ".ogg", ".mp3"])
def test_a_row_is_a_take_that_opens_everywhere(tmp_path: Path, suffix: str) -> None:
    folder = SetFolder(tmp_path, suffix, group="rain", rows=5)
    folder.prepare()
    row = rows(3, seconds=0.5)[2]
    seconds = folder.write(made(row), ["a" * 32, row.id])
    assert seconds == 0.5
    sound = folder.found(row.id)
    assert sound == tmp_path / row.id[:2] / f"{row.id}{suffix}"
    samples, rate = sf.read(sound, dtype="int16")
    assert rate == RATE
    if suffix in (".flac", ".wav"):
        np.testing.assert_array_equal(samples, to_int16(samples_of(row)))
    record = load_preset(folder.sidecar(row.id))
    assert record.request() == row.request
    assert record.take is not None
    assert record.take.figures == {"realtime_factor": 0.5}
    assert record.take.batch is not None
    assert (record.take.batch.row, record.take.batch.line) == (row.id, 3)
    assert record.take.batch.unit == ("a" * 32, row.id)
    assert record.take.group is not None
    assert (record.take.group.id, record.take.group.position, record.take.group.takes) == ("rain", 3, 5)
    assert settings_of(sound).request() == row.request, "its file says how it was made"
    (take,) = Library(tmp_path).takes()
    assert take.path == sound


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_the_same_samples_are_the_same_file(tmp_path: Path, suffix: str) -> None:
    (row,) = rows(1)
    files = []
    for number, place in enumerate(("here", "there")):
        folder = SetFolder(tmp_path / place, suffix)
        folder.prepare()
        one = replace(row, line=number)
        folder.write(Made(one, RATE, [samples_of(row)], {"step_ms": float(number)}), [row.id])
        files.append(folder.sound(row.id).read_bytes())
    assert files[0] == files[1]


def test_what_is_said_in_a_row_is_told_to_have_been_synthetic(folder: SetFolder) -> None:
    (row,) = rows(1)
    one = made(row)
    one.said = (Said(text="Hello", start_s=0.0, end_s=0.02),)
    folder.write(one, [row.id])
    record = load_preset(folder.sidecar(row.id))
    assert record.take is not None
    assert record.take.said == one.said
    assert "synthetic" in record.description
    assert "synthetic" in settings_of(folder.sound(row.id)).description


def test_done_are_those_whose_record_names_a_sound_that_is_there(folder: SetFolder, tmp_path: Path) -> None:
    whole, no_sound, no_record, damaged, other_format = rows(5)
    for row in (whole, no_sound, no_record, damaged):
        folder.write(made(row), [row.id])
    SetFolder(folder.path, ".wav").write(made(other_format), [other_format.id])
    folder.sound(no_sound.id).unlink()
    folder.sidecar(no_record.id).unlink()
    folder.sound(damaged.id).rename(folder.sound(damaged.id).with_suffix(".wav"))
    (folder.path / "ab" / "notes.json").parent.mkdir(exist_ok=True)
    (folder.path / "ab" / "notes.json").write_text("{}")
    done = {whole.id, other_format.id}
    assert {row.id for row in rows(5) if folder.is_done(row.id)} == done
    assert folder.survey().done == done
    assert folder.survey([whole.id, no_sound.id]).done == {whole.id}
    found = folder.found(other_format.id)
    assert found is not None
    assert found.suffix == ".wav"


def test_an_error_is_told_until_the_row_is_made(folder: SetFolder) -> None:
    failed, other = rows(2)
    folder.write_error(failed, "NoSoundError", "It is too loud: turn it down.")
    error = folder.error_of(failed.id)
    assert error is not None
    assert (error.kind, error.line, error.sentence) == ("NoSoundError", 1, "It is too loud: turn it down.")
    assert folder.survey().failed == {failed.id}
    assert folder.error_of(other.id) is None
    folder.clear_errors([other.id])
    assert folder.survey().failed == {failed.id}
    folder.write(made(failed), [failed.id])
    assert folder.survey().failed == frozenset()
    assert not folder.error(failed.id).exists()
    folder.write_error(other, "A", "B.")
    folder.clear_errors([failed.id, other.id])
    assert folder.survey().settled == {failed.id}


@pytest.mark.parametrize("samples", [[np.array([0.0, np.nan], np.float32)], [np.zeros(0, np.float32)], []])
def test_what_is_no_sound_leaves_nothing(folder: SetFolder, samples: list[np.ndarray]) -> None:
    (row,) = rows(1)
    with pytest.raises((NoSoundError, InvalidRequestError)):
        folder.write(Made(row, RATE, samples), [row.id])
    assert not [path for path in folder.path.rglob("*") if path.is_file()]


def test_an_error_of_what_makes_a_row_is_none_of_the_disk(folder: SetFolder) -> None:
    (row,) = rows(1)

    def broken():  # type: ignore[no-untyped-def]
        yield samples_of(row)
        raise OSError("the model's file is gone")

    with pytest.raises(OSError, match="the model's file"):
        folder.write(Made(row, RATE, broken()), [row.id])
    assert not [path for path in folder.path.rglob("*") if path.is_file()]


def test_a_long_row_is_written_at_constant_memory(folder: SetFolder) -> None:
    (row,) = rows(1)
    second = np.zeros(RATE, np.float32)
    tracemalloc.start()
    try:
        seconds = folder.write(Made(row, RATE, (second for _ in range(1800))), [row.id])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds == 1800
    assert peak < 25e6, "57 MB of it in 16 bits"


def test_a_folder_that_was_taken_away_ends_the_run_and_is_not_made_again(folder: SetFolder) -> None:
    (row,) = rows(1)
    shutil.rmtree(folder.path)
    with pytest.raises(FolderError, match="was deleted or moved meanwhile"):
        folder.write(made(row), [row.id])
    assert not folder.path.exists()


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"end the name in \.wav"):
        SetFolder(tmp_path, ".aac")


def test_a_record_is_on_the_disk_only_after_its_sound(
    folder: SetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was renamed may be all that a power cut leaves; what was not synced may be empty."""
    (row,) = rows(1)
    happened: list[tuple[str, str]] = []
    synced: set[int] = set()
    fsync, replace = os.fsync, os.replace

    def noted_fsync(file: int) -> None:
        fsync(file)
        synced.add(os.fstat(file).st_ino)
        if os.fstat(file).st_ino == folder.sound(row.id).parent.stat().st_ino:
            happened.append(("folder", ""))

    def noted_replace(source: Path, target: Path) -> None:
        assert Path(source).stat().st_ino in synced, "renamed before it was on the disk"
        happened.append(("renamed", Path(target).suffix))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    folder.write(made(row), [row.id])
    assert happened == [("renamed", ".flac"), ("folder", ""), ("renamed", ".json")]
    folder.settle()
    assert happened[-1] == ("folder", "")
