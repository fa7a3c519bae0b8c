"""What a kill leaves that is of no use goes; anything that could be somebody's stays."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from studio.core.files import LEFT_ALONE_S, part_beside, replacing
from studio.core.settings import Settings
from studio.service.studio import Studio
from studio.service.takes.sweep import sweep
from studio.service.takes.writer import TakeWriter
from tests.service.service_fakes import RATE, create_backend, ramp, render_ramp, request


def age(path: Path, seconds: float = 2 * LEFT_ALONE_S) -> Path:
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def killed(outputs: Path, samples: int = 0) -> Path:
    """A take whose process was killed."""
    take = TakeWriter.begin(request(), RATE, outputs)
    if samples:
        take.write(ramp(0, samples))
    take._wav._file.close()
    return age(take.path)


def test_a_take_that_never_had_sound_goes_with_its_record(tmp_path: Path) -> None:
    empty, orphan, begun = killed(tmp_path), killed(tmp_path), killed(tmp_path, 100)
    orphan.with_suffix(".json").unlink()
    Studio(Settings(outputs=tmp_path), create_backend, render_ramp).close()
    assert not empty.exists()
    assert not empty.with_suffix(".json").exists()
    assert not orphan.exists()
    assert begun.exists(), "what has sound is never removed"
    assert begun.with_suffix(".json").exists()


def test_half_written_files_of_ours_go(tmp_path: Path) -> None:
    (tmp_path / "2026-01-31").mkdir()
    left = [part_beside(tmp_path / "a.json"), part_beside(tmp_path / "2026-01-31" / "a.flac")]
    mine = [tmp_path / "a.flac.part", tmp_path / "longwave-notes.part", tmp_path / "2026-01-31" / "b.part"]
    for path in (*left, *mine):
        path.write_text("half")
        age(path)
    sweep(tmp_path)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in mine)


def test_half_written_drafts_of_earlier_versions_go(tmp_path: Path) -> None:
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    digest = hashlib.sha256(b"rain").hexdigest()
    left = [drafts / f"{digest}.140123.partial", part_beside(drafts / f"{digest}.npy")]
    mine = [drafts / "a.partial", drafts / f"{digest}.npy", tmp_path / f"{digest}.140123.partial"]
    for path in (*left, *mine):
        path.write_text("half")
        age(path)
    sweep(tmp_path)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in mine)


def test_what_is_written_at_the_moment_stays(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.json") as file:
        file.write(b"new")
        (partial,) = tmp_path.glob("*.part")
        age(partial)
        sweep(tmp_path)
        young = part_beside(tmp_path / "b.json")
        young.write_text("half")  # where locks tell nothing its age does
        sweep(tmp_path)
        assert young.exists()
    assert (tmp_path / "a.json").read_text() == "new"
    take = TakeWriter.begin(request(), RATE, tmp_path)
    age(take.path)
    sweep(tmp_path)
    assert take.path.exists()
    take.finish("stopped", {})


def test_an_empty_wav_of_somebody_else_s_stays(tmp_path: Path) -> None:
    folder = tmp_path / "2026-01-31"
    folder.mkdir()
    (folder / "mine.wav").write_bytes(b"RIFF" + bytes(76))
    age(folder / "mine.wav")
    sweep(tmp_path)
    assert (folder / "mine.wav").exists()


@pytest.mark.parametrize("kind", ["missing", "file", "dangling"])
def test_any_folder_will_do(tmp_path: Path, kind: str) -> None:
    outputs = tmp_path / "o"
    if kind == "file":
        outputs.write_text("")
    elif kind == "dangling":
        outputs.symlink_to(tmp_path / "nowhere")
    sweep(outputs)
    assert outputs.exists() == (kind == "file")


def test_a_replacement_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("old")
    with pytest.raises(OSError, match="broken"), replacing(tmp_path / "a.json"):
        raise OSError("broken")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
