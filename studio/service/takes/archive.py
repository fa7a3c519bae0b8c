"""Several takes in one ZIP."""

from __future__ import annotations

import secrets
import shutil
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.files import disk_error
from studio.service.takes.export_cache import ExportCache
from studio.service.takes.export_range import ExportRange
from studio.service.takes.files.coding import LOSSLESS, Coding, read_coding
from studio.service.takes.naming import portable
from studio.service.takes.shelf import shown

KEPT = 2
MAX_TAKES = 1000
WHOLE = ExportRange()


class Archives:
    """Made in a private folder; the latest few are kept, to be fetched by a token."""

    def __init__(self, folder: Path, exports: ExportCache) -> None:
        """`exports` makes those takes that are wanted in another format."""
        self._folder = folder
        self._exports = exports
        self._lock = threading.Lock()
        self._made: OrderedDict[str, Path] = OrderedDict()

    def make(
        self,
        sounds: Sequence[Path],
        suffix: str = "",
        coding: Mapping[str, str | None] | None = None,
        pattern: str = "",
    ) -> tuple[str, Path]:
        """A ZIP of the takes' sounds; its token, and its path.

        Args:
            sounds: the takes' files.
            suffix: of the format; empty: as they are.
            coding: `bits` and `rate`, as of `read_coding`; those of no depth have none whatever is said.
            pattern: of their names, as of an export's (`pattern_stem`); empty: their own.

        Raises:
            InvalidRequestError: none or too many takes, one that can't be converted, a depth, a rate or a
                field of names that there is not.
            OutOfResourcesError: the disk is full.
        """
        if not 1 <= len(sounds) <= MAX_TAKES:
            raise InvalidRequestError(f"Choose one to {MAX_TAKES:,} takes.")
        token = secrets.token_urlsafe(16)
        folder = self._folder / f"archive-{secrets.token_hex(8)}"
        path = folder / f"longwave-{datetime.now():%Y-%m-%d_%H-%M-%S}.zip"
        try:
            folder.mkdir(parents=True)
            self._write(path, [(one, *_coded(one, suffix, coding or {})) for one in sounds], pattern)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise disk_error(error, path) from error
            raise
        with self._lock:
            self._made[token] = path
            while len(self._made) > KEPT:
                _, old = self._made.popitem(last=False)
                shutil.rmtree(old.parent, ignore_errors=True)
        return token, path

    def get(self, token: str) -> Path | None:
        """One that is still kept."""
        with self._lock:
            return self._made.get(token)

    def _write(self, path: Path, wanted: Sequence[tuple[Path, str, Coding]], pattern: str) -> None:
        """Without compression: sound has been compressed, or can't be by this."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
            taken: set[str] = set()
            for sound, suffix, coding in wanted:
                made = self._exports.make(sound, suffix, WHOLE, coding, pattern).path
                archive.write(made, _free_name(portable(shown(made.name)), taken))


def _coded(sound: Path, suffix: str, words: Mapping[str, str | None]) -> tuple[str, Coding]:
    """The format of a sound in the ZIP, and how it is written. Raises `ExportRangeError`."""
    suffix = suffix or sound.suffix.lower()
    own = words if suffix in LOSSLESS else {**words, "bits": None}
    return suffix, read_coding(own, suffix)


def _free_name(name: str, taken: set[str]) -> str:
    """The name, or one with a number: takes of two days may be called alike. It joins those `taken`."""
    stem, suffix = Path(name).stem, Path(name).suffix
    number, free = 2, name
    while free.lower() in taken:
        free, number = f"{stem}_{number}{suffix}", number + 1
    taken.add(free.lower())
    return free
