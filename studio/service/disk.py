"""Small files that are never half written."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, content: bytes | memoryview, *, sync: bool = False) -> None:
    """Put `content` at `path` at once, so that a kill leaves the old file or the new one. Raises `OSError`.

    `sync` puts it on the disk itself: a kill needs only the system's cache, a power cut needs this.
    """
    partial = path.with_name(path.name + ".part")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
