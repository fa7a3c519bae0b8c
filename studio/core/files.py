"""Small files that are never half written, and what a user reads where one can't be."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from studio.core.errors import InvalidRequestError, OutOfResourcesError, StudioError
from studio.core.locks import grows, lock

log = logging.getLogger(__name__)

LEFT_ALONE_S = 3600.0  # where locks tell nothing, somebody may still be at a file as young as that
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
PART_PATTERN = "longwave-????????????????.part"


def part_beside(path: Path) -> Path:
    """A name of nobody's in the folder of `path`, short however long its own, for what is to replace it."""
    return path.with_name(f"longwave-{secrets.token_hex(8)}.part")


@contextmanager
def replacing(path: Path, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `path` at once when the block ends well, and is gone if it does not.

    `sync` puts it on the disk itself: a kill needs only the system's cache, a power cut needs this.

    Raises:
        OSError: what the disk says.
    """
    partial = part_beside(path)
    try:
        with open(partial, "xb") as file:
            lock(file)
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_path(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """As `replacing`, for a writer that opens its file by name: that of the new one, which is empty."""
    with replacing(path, sync=sync) as file:
        yield Path(file.name)


def replace_file(path: Path, content: bytes | memoryview, *, sync: bool = False) -> None:
    """Put `content` at `path` at once, so that a kill leaves the old file or the new one; as `replacing`."""
    with replacing(path, sync=sync) as file:
        file.write(content)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk itself, where the system lets one. Raises `OSError`."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows opens no folder
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that knows no such thing
            raise
    finally:
        os.close(opened)


def abandoned(path: Path) -> bool:
    """Whether a half-written file is nobody's any more. Raises `OSError`."""
    return path.is_file() and not grows(path) and time.time() - path.stat().st_mtime > LEFT_ALONE_S


def sweep_parts(folder: Path, *older: str) -> None:
    """Remove what writers that were killed left half-written in a folder. Never raises.

    `older` are patterns of the names that earlier versions gave such files.
    """
    for pattern in (PART_PATTERN, *older):
        with suppress(OSError):
            for path in folder.glob(pattern):
                if abandoned(path):
                    remove_left(path)


def remove_left(path: Path) -> None:
    """Remove a file that a process left which has ended, if that can be. Never raises."""
    with suppress(OSError):
        path.unlink()
        log.info("Removed %s, which a process that ended left behind", path)


def disk_error(error: OSError, path: Path) -> StudioError:
    """What the user should read when writing `path` failed."""
    if error.errno in _FULL:
        return OutOfResourcesError(f"The disk of {path.parent} is full: free some space and try again.")
    return InvalidRequestError(f"Can't write {path} ({error.strerror or error}): choose another folder.")
