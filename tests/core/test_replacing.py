"""Files that are replaced at once, or not at all; what a kill leaves of them goes later."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from studio.core.files import (
    LEFT_ALONE_S,
    PART_PATTERN,
    abandoned,
    part_beside,
    replacing_path,
    sweep_parts,
)


def aged(path: Path) -> Path:
    os.utime(path, (time.time() - 2 * LEFT_ALONE_S,) * 2)
    return path


@pytest.mark.parametrize("sync", [False, True])
def test_a_writer_that_opens_by_name_replaces_at_once(tmp_path: Path, sync: bool) -> None:
    target = tmp_path / "a.bin"
    target.write_text("old")
    with replacing_path(target, sync=sync) as partial:
        assert partial.match(PART_PATTERN)
        partial.write_text("new")
        assert target.read_text() == "old"
        assert not abandoned(aged(partial)), "it is held, however old it looks"
        sweep_parts(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.bin": "new"}


def test_a_writer_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_text("old")
    with pytest.raises(ValueError, match="broken"), replacing_path(target):
        raise ValueError("broken")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.bin": "old"}


def test_what_a_kill_left_goes_once_it_is_old_and_nothing_else(tmp_path: Path) -> None:
    left = [
        aged(path) for path in (part_beside(tmp_path / "a"), tmp_path / "last.partial") if not path.touch()
    ]
    kept = [part_beside(tmp_path / "young"), tmp_path / "notes.partial", tmp_path / "last.pt"]
    for path in (*left, *kept):
        path.touch()
    for path in (*left, *kept[1:]):
        aged(path)
    sweep_parts(tmp_path, "last.partial")
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)
    sweep_parts(tmp_path / "nowhere")
