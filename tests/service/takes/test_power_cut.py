"""What a save point vouches for is on the disk before it is: whatever a power cut leaves, goes on."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.core.audio import to_int16
from studio.core.errors import InvalidRequestError
from studio.service.takes import writer
from studio.service.takes.savepoint import read_savepoint
from studio.service.takes.wav import HEADER_BYTES
from studio.service.takes.writer import TakeWriter
from tests.service.service_fakes import CHUNK, RATE, checkpoint, ramp, request

WANTED = request(duration_s=None)


class Disk:
    """Keeps what was synced of each file: all that a power cut leaves of it.

    A file that was given a name by `os.replace` has it at once: the worst case for what it refers to.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._synced: dict[int, bytes] = {}
        self._fsync, self._replace = os.fsync, os.replace
        self.named: Callable[[Path], None] = lambda path: None  # told of every file that got its name
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(os, "replace", self.replace)

    def fsync(self, file: int) -> None:
        self._fsync(file)
        number = os.fstat(file).st_ino
        path = next(path for path in self._folder.rglob("*") if path.stat().st_ino == number)
        self._synced[number] = path.read_bytes()

    def replace(self, source: Path, target: Path) -> None:
        self._replace(source, target)
        self.named(Path(target))

    def left(self, path: Path) -> bytes:
        """What would be there of a file."""
        return self._synced.get(path.stat().st_ino, b"")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr(writer, "INTERVAL_S", 0.0)
    return Disk(tmp_path, monkeypatch)


@pytest.fixture
def take(tmp_path: Path, disk: Disk) -> Iterator[TakeWriter]:
    """An endless one."""
    take = TakeWriter.begin(WANTED, RATE, tmp_path / "takes")
    yield take
    take.finish("stopped", {})


def played(take: TakeWriter, index: int) -> None:
    """A chunk and the save point after it."""
    take.write(ramp(index * CHUNK, CHUNK))
    end = (index + 1) * CHUNK
    take.save(checkpoint(end))


def test_a_power_cut_as_a_save_point_gets_its_name_leaves_a_take_that_goes_on(
    tmp_path: Path, disk: Disk, take: TakeWriter
) -> None:
    seen = []

    def cut(path: Path) -> None:
        if path.suffix != ".state":
            return
        after = tmp_path / f"after-{len(seen)}"
        after.mkdir()
        (after / "a.wav").write_bytes(disk.left(take.path))
        (after / "a.state").write_bytes(disk.left(path))
        shutil.copy(take.path.with_suffix(".json"), after / "a.json")
        samples = read_savepoint(after / "a.state").samples
        TakeWriter.reopen(WANTED, after / "a.wav", samples)._wav.close()
        kept = np.frombuffer((after / "a.wav").read_bytes()[HEADER_BYTES:], "<i2")
        np.testing.assert_array_equal(kept, to_int16(ramp(0, samples)))
        seen.append(samples)

    disk.named = cut
    for index in range(4):
        played(take, index)
    assert seen == [CHUNK, 2 * CHUNK, 3 * CHUNK, 4 * CHUNK]


def test_where_the_sound_can_t_be_put_on_the_disk_no_save_point_says_it_was(
    disk: Disk, take: TakeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(take, 0)
    state = take.path.with_suffix(".state")
    before = state.read_bytes()

    def broken(file: int) -> Any:
        if os.fstat(file).st_ino == take.path.stat().st_ino:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        disk.fsync(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        with pytest.raises(InvalidRequestError, match="Can't write"):
            played(take, 1)
    assert state.read_bytes() == before, "the one before still holds"
    assert read_savepoint(state).samples == CHUNK
