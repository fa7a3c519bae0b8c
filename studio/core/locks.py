"""Who writes a file: locks that the system lets go of when their process ends, however it ends."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from studio.core.errors import InvalidRequestError

try:
    import fcntl
except ImportError:  # Windows: there the studio knows its own takes alone
    fcntl = None  # type: ignore[assignment]

_FOLDER = "longwave-locks"


def lock(file: IO[bytes], attempts: int = 5) -> bool:
    """Take the file for this writer until it is closed, by whatever; False where another has it.

    More attempts than one, because `grows` holds the lock for a moment too.
    """
    for left in reversed(range(attempts if fcntl else 0)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if left:
                time.sleep(0.01)
        except OSError:  # a file system without locks
            return True
    return fcntl is None


def grows(path: Path) -> bool:
    """Whether a writer, of any process on this machine, has the file at the moment."""
    try:
        with open(path, "rb") as file:
            return not lock(file, attempts=1)
    except OSError:
        return False


class Claim:
    """A path that nobody else writes as long as this is held: for a file that is not there yet.

    The lock lies apart from the path, so that nothing of ours appears beside the user's files. Where there is
    no place for locks the claim is granted: files are replaced whole, so the last one wins.
    """

    def __init__(self, path: Path) -> None:
        """Raises `InvalidRequestError` where somebody on this machine has claimed the path."""
        self._file: IO[bytes] | None = None
        self._place = _place_of(path)
        if self._place is None:
            return
        for _ in range(10):
            try:
                file = open(self._place, "ab")  # noqa: SIM115 - held until release()
            except OSError:
                return
            if not lock(file):
                file.close()
                raise InvalidRequestError(
                    f"Another take is being written to {path}: wait for its end, or choose another name."
                )
            if _still_at(file, self._place):
                self._file = file
                return
            file.close()  # its holder took it away between our opening and our locking it

    def release(self) -> None:
        """Let others have the path. Releasing twice is harmless."""
        if self._file is None or self._place is None:
            return
        with suppress(OSError):  # Windows removes no open file
            self._place.unlink()  # while it is still ours
        self._file.close()
        self._file = None


def _place_of(path: Path) -> Path | None:
    """Where the lock of a path lies: a private folder of the user's own."""
    folder = Path(tempfile.gettempdir()) / f"{_FOLDER}-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
    except OSError:
        return None
    if hasattr(os, "getuid") and about.st_uid != os.getuid():
        return None  # somebody else made it: what lies in it is theirs to replace
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()
    return folder / name[:32]


def _still_at(file: IO[bytes], place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), place.stat())
    except OSError:
        return False
