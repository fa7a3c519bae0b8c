"""Small files that are never half written, and what a killed process left of its own."""

from __future__ import annotations

import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from studio.service.locks import grows, lock

log = logging.getLogger(__name__)

LEFT_ALONE_S = 3600.0  # where locks tell nothing, somebody may still be at a file as young as that
_PART = re.compile(r"longwave-[0-9a-f]{16}\.part")


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


def replace_file(path: Path, content: bytes | memoryview, *, sync: bool = False) -> None:
    """Put `content` at `path` at once, so that a kill leaves the old file or the new one; as `replacing`."""
    with replacing(path, sync=sync) as file:
        file.write(content)


def sweep_parts(folder: Path) -> None:
    """Remove what processes that died while they replaced files left in the folders of `folder`."""
    for path in (*folder.glob("*.part"), *folder.glob("*/*.part")):
        if _PART.fullmatch(path.name) and abandoned(path):
            with suppress(OSError):
                path.unlink()
                log.info("Removed %s, which a process that ended left half written", path)


def abandoned(path: Path) -> bool:
    """Whether a file of ours is nobody's any more."""
    try:
        return not grows(path) and time.time() - path.stat().st_mtime > LEFT_ALONE_S
    except OSError:
        return False
