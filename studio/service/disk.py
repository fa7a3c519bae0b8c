"""Small files that are never half written."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from studio.service.locks import lock

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


def replace_file(path: Path, content: bytes | memoryview, *, sync: bool = False) -> None:
    """Put `content` at `path` at once, so that a kill leaves the old file or the new one; as `replacing`."""
    with replacing(path, sync=sync) as file:
        file.write(content)
