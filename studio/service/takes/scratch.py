"""A private folder for as long as the process lives, and the end of those whose process was killed."""

from __future__ import annotations

import logging
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from studio.core.locks import grows, lock

log = logging.getLogger(__name__)

PREFIX = "longwave-scratch-"
LOCK_FILE = "lock"  # held open: the system lets go of it with the process, however that ends


class Scratch:
    """A folder of its own under the system's temporary one. First it removes what dead processes left."""

    def __init__(self, root: Path | None = None) -> None:
        """`root` is the system's folder for temporary files, unless given."""
        root = root or Path(tempfile.gettempdir())
        sweep(root)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        self._lock = open(self.path / LOCK_FILE, "xb")  # noqa: SIM115 - held until remove()
        lock(self._lock)

    def remove(self) -> None:
        """Delete the folder with all that is in it. Removing twice is harmless."""
        self._lock.close()
        shutil.rmtree(self.path, ignore_errors=True)


def sweep(root: Path) -> None:
    """Delete the scratch folders of this user whose processes have ended."""
    for folder in root.glob(f"{PREFIX}*"):
        held = folder / LOCK_FILE
        # One without a lock is being made at this moment.
        if folder.is_symlink() or not held.is_file() or grows(held):
            continue
        with suppress(OSError):
            held.unlink()  # which Windows refuses while somebody holds it
            shutil.rmtree(folder, ignore_errors=True)
            log.info("Removed %s, which a process that ended left behind", folder)
