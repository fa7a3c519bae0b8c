"""The end of what strangers made: their takes are theirs for some hours, and then nobody's."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.locks import grows

log = logging.getLogger(__name__)

MARK = ".longwave-visitors"  # in a folder that is theirs: nobody's own takes are ever deleted
CHECK_S = 600.0


def visitors_folder(folder: Path) -> Path:
    """Make a folder for strangers' takes, or take one that was made so before.

    Raises:
        InvalidRequestError: there can be none, or what lies in it may be somebody's own.
    """
    mark = folder / MARK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not mark.is_file():
            if any(folder.iterdir()):
                raise InvalidRequestError(
                    f"What lies in {folder} would be deleted with the visitors' takes: give an empty folder."
                )
            mark.write_text("Visitors of Longwave made what lies here. It is deleted after some hours.\n")
    except OSError as error:
        why = error.strerror or str(error)
        raise InvalidRequestError(f"{folder} can't be written ({why}): give another folder.") from error
    return folder


def expire(folder: Path, keep_s: float, now_s: float | None = None) -> int:
    """Delete the files of a visitors' folder that nobody has written for `keep_s`; how many. Never raises.

    Args:
        now_s: seconds since the epoch; this moment's unless given.
    """
    if not (folder / MARK).is_file():
        return 0
    before = (time.time() if now_s is None else now_s) - keep_s
    deleted = 0
    for place, folders, files in os.walk(folder, topdown=False):
        for name in files:
            path = Path(place, name)
            with suppress(OSError):
                if name != MARK and path.lstat().st_mtime < before and not grows(path):
                    path.unlink()
                    deleted += 1
        for name in folders:
            with suppress(OSError):  # those that still hold something
                if Path(place, name).stat().st_mtime < before:
                    Path(place, name).rmdir()
    return deleted


class Expiry:
    """Looks through a visitors' folder now and then, from the first moment to `close`."""

    def __init__(self, folder: Path, keep_s: float, every_s: float = CHECK_S) -> None:
        self._folder, self._keep_s, self._every_s = folder, keep_s, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="expiry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            if deleted := expire(self._folder, self._keep_s):
                log.info("Deleted %d files of visitors", deleted)
            if self._over.wait(self._every_s):
                return
