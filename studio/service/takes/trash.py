"""Deleted takes: seen, put back, or deleted for good.

Each folder of takes has a trash of its own, since moving a file needs no space and no time only on the disk
where it lies: a day's folder may be a link to another.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from studio.core.errors import InvalidRequestError, OutOfResourcesError
from studio.core.files import disk_error
from studio.service.takes.naming import TAKE_SUFFIXES, ending_of, free_stem
from studio.service.takes.shelf import Found, Shelf, Take, Unreadable, place_of, shown

TRASH = "trash"


@dataclass(frozen=True)
class Deleted:
    """A take in the trash. `home` is the folder that it goes back to, `found` what is there of it."""

    id: str
    home: Path
    found: Found

    @property
    def name(self) -> str:
        return self.found.record.name if isinstance(self.found, Take) else self.found.name


class Trash:
    """The deleted takes of an outputs folder."""

    def __init__(self, homes: Callable[[], Iterable[Path]], older: Path, shelf: Shelf) -> None:
        """`homes` gives the folders of takes; `older` is where deleted ones lay before each had a trash."""
        self._homes = homes
        self._older = older
        self._shelf = shelf

    def put(self, files: Sequence[Path]) -> str:
        """Move the files of a take, which lie in one folder, to the trash; its id there.

        Raises:
            InvalidRequestError: the folder can't be written.
            OutOfResourcesError: the trash has no place for them: the disk is so full that not even a folder
                can be made, or the trash is on another.
        """
        home = files[0].parent
        folder = home / TRASH
        try:
            with suppress(FileExistsError):
                folder.mkdir()
            if not stat.S_ISDIR(folder.lstat().st_mode):
                raise OSError(errno.EXDEV, "no folder of this disk")
            stem = free_stem(folder, files[0].stem)
            _move(files, folder, stem)
        except OSError as error:
            told = disk_error(error, folder / files[0].name)
            if error.errno == errno.EXDEV:
                told = OutOfResourcesError(
                    f"{folder} is no folder of the same disk: take it away, or delete the take for good."
                )
            elif isinstance(told, OutOfResourcesError):
                told = OutOfResourcesError(
                    "The disk is too full to move it: empty the trash, or delete the take for good."
                )
            raise told from error
        return f"{place_of(home)}/{shown(stem)}"

    def takes(self) -> list[Deleted]:
        """What is in the trash: takes, the newest first, then what can't be read; never raises."""
        homes = {folder: home for home, folder in self._places()}
        found = [
            Deleted(f"{place_of(home)}/{one.id.rpartition('/')[2]}", _home(home, one), one)
            for folder, ones in self._shelf.read(homes)
            for home in [homes[folder]]
            for one in ones
            if not isinstance(one, Unreadable) or one.paths
        ]
        takes = [(one, one.found.age) for one in found if isinstance(one.found, Take)]
        takes.sort(key=lambda pair: pair[1], reverse=True)
        return [*(one for one, _ in takes), *(one for one in found if isinstance(one.found, Unreadable))]

    def size(self) -> int:
        """The bytes that emptying it frees."""
        return sum(size for _, folder in self._places() for size in _files(folder).values())

    def restore(self, deleted_id: str) -> str:
        """Put a take back to where it was; its id in the library.

        Raises:
            InvalidRequestError: it is not there any more, or the folder can't be written.
        """
        (restored,) = self.restore_all([deleted_id])
        return restored

    def restore_all(self, deleted_ids: Sequence[str]) -> list[str]:
        """Put several takes back, if all are there; their ids in the library. Raises as `restore`."""
        there = {deleted.id: deleted for deleted in self.takes()} if deleted_ids else {}
        if not there.keys() >= set(deleted_ids):
            raise InvalidRequestError("That take is not in the trash any more: refresh the list.")
        return [_restore(there[deleted_id]) for deleted_id in dict.fromkeys(deleted_ids)]

    def empty(self) -> int:
        """Delete all that is in the trash for good; the bytes that it had.

        Raises:
            InvalidRequestError: a file can't be deleted; the others are.
        """
        freed, failed = 0, None
        folders = [folder for _, folder in self._places()]
        for folder in folders:
            for path in _files(folder):
                try:
                    freed += remove_files([path])
                except InvalidRequestError as error:
                    failed = error
            with suppress(OSError):
                folder.rmdir()  # unless somebody put other things there
        self._shelf.read(folders)  # so that the index keeps no word of what is gone
        if failed is not None:
            raise failed
        return freed

    def _places(self) -> Iterator[tuple[Path, Path]]:
        """Each folder of takes, and its trash; a trash that is a link is somebody's own affair."""
        homes: Iterable[Path] = ()
        with suppress(OSError):
            homes = self._homes()
        for home, folder in (*((home, home / TRASH) for home in homes), (self._older, self._older)):
            with suppress(OSError):
                if not stat.S_ISDIR(folder.lstat().st_mode):
                    continue
                yield home, folder


def _restore(deleted: Deleted) -> str:
    """Move a take's files back to where they were; its id in the library."""
    found = deleted.found
    sidecar = found.sidecar if isinstance(found, Take) else found.paths[0]
    files = [sidecar.with_suffix(suffix) for suffix in TAKE_SUFFIXES[::-1]]  # the record last
    try:
        deleted.home.mkdir(exist_ok=True)
        stem = free_stem(deleted.home, sidecar.stem)
        _move(files, deleted.home, stem)
    except OSError as error:
        raise disk_error(error, deleted.home / sidecar.name) from error
    return f"{place_of(deleted.home)}/{shown(stem)}"


def _home(home: Path, found: Found) -> Path:
    """Where a deleted take belongs; one of the older trash, to the folder of the day it was made on."""
    if home.name != TRASH:
        return home
    dated, made, _ = found.age if isinstance(found, Take) else (False, datetime.min, "")
    return home.with_name(f"{made:%Y-%m-%d}" if dated else "restored")


def _files(folder: Path) -> dict[Path, int]:
    """The files of takes in a trash folder and their bytes; nothing else that somebody may have put there."""
    files = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.name.endswith(TAKE_SUFFIXES) and not entry.is_dir(follow_symlinks=False):
                    files[folder / entry.name] = entry.stat(follow_symlinks=False).st_size
    return files


def _move(files: Iterable[Path], folder: Path, stem: str) -> None:
    """Rename files into a folder of the same disk, all or none. Raises `OSError`."""
    done: list[tuple[Path, Path]] = []
    try:
        for path in files:
            if os.path.lexists(path):
                target = folder / f"{stem}{ending_of(path)}"
                path.rename(target)
                done.append((path, target))
    except OSError:
        for path, target in reversed(done):
            target.rename(path)
        raise


def size_of(path: Path) -> int:
    """A file's bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def remove_files(files: Iterable[Path]) -> int:
    """Delete files for good; the bytes they had. Raises `InvalidRequestError` where one can't be deleted."""
    freed = 0
    for path in files:
        try:
            size = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            why = (error.strerror or "the system gives no reason").lower()
            said = f"Can't delete {shown(path.name)} ({why}): delete it by hand."
            raise InvalidRequestError(said) from error
        freed += size
    return freed
