"""Exports of takes that a page fetches: each made once, the latest few kept."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import OrderedDict
from pathlib import Path

from studio.service.takes.export import Export, export
from studio.service.takes.export_range import ExportRange
from studio.service.takes.files.coding import AS_IT_IS, Coding
from studio.service.takes.files.marks import record_of
from studio.service.takes.naming import pattern_stem
from studio.service.takes.record import told_of

KEPT = 8
_MAX_STEM_BYTES = 180  # a name has 255 on most disks; span, coding and loudness come to it


class ExportCache:
    """Made in a private folder, told apart by the take as it is now, the format and the range."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[object, ...], Export] = OrderedDict()

    def make(
        self, path: Path, suffix: str, cut: ExportRange, coding: Coding = AS_IT_IS, pattern: str = ""
    ) -> Export:
        """The take, or a range of it, in a format. Raises as `export.export` does, and `OSError`."""
        if cut.untouched and suffix == path.suffix and coding == AS_IT_IS and not pattern:
            return Export(path)
        key = (path, path.stat().st_mtime_ns, suffix, cut, coding, pattern)
        with self._lock:
            made = self._made.get(key)
            if made is not None and made.path.is_file():
                self._made.move_to_end(key)
                return made
        folder = self.folder / f"export-{secrets.token_hex(8)}"
        folder.mkdir(parents=True)
        try:
            target = folder / export_name(path, cut, suffix, coding, pattern)
            made = export(path, target, cut=cut, labelled=not pattern, coding=coding)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            self._made[key] = made
            while len(self._made) > KEPT:
                _, old = self._made.popitem(last=False)
                shutil.rmtree(old.path.parent, ignore_errors=True)
        return made


def export_name(
    path: Path, cut: ExportRange, suffix: str, coding: Coding = AS_IT_IS, pattern: str = ""
) -> str:
    """What an export of a take is called, but for the loudness it reaches: by a pattern, or like the take.

    Raises:
        ExportRangeError: the pattern has a field that there is not.
        OSError: the take can't be read for its pattern.
    """
    if pattern:
        span, code = cut.name.strip("_"), coding.name.strip("_")
        more = {"span": span, "format": code}
        return pattern_stem(pattern, record_of(told_of(path)), path.stem, more) + suffix
    stem = path.stem.encode()[:_MAX_STEM_BYTES].decode(errors="ignore")
    return f"{stem}{cut.name}{coding.name}{suffix}"
