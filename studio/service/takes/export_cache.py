"""Exports of takes that a page fetches: each made once, the latest few kept."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import OrderedDict
from pathlib import Path

from studio.service.takes.export import Export, export
from studio.service.takes.export_range import ExportRange

KEPT = 8
_MAX_STEM_BYTES = 180  # a name has 255 on most disks; span, loudness and a partial file's ending come to it


class ExportCache:
    """Made in a private folder, told apart by the take as it is now, the format and the range."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[Path, int, str, ExportRange], Export] = OrderedDict()

    def make(self, path: Path, suffix: str, cut: ExportRange) -> Export:
        """The take, or a range of it, in a format. Raises as `export.export` does, and `OSError`."""
        if cut.untouched and suffix == path.suffix:
            return Export(path)
        key = (path, path.stat().st_mtime_ns, suffix, cut)
        with self._lock:
            made = self._made.get(key)
            if made is not None and made.path.is_file():
                self._made.move_to_end(key)
                return made
        folder = self.folder / f"export-{secrets.token_hex(8)}"
        folder.mkdir(parents=True)
        try:
            made = export(path, folder / export_name(path, cut, suffix), cut=cut, labelled=True)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            self._made[key] = made
            while len(self._made) > KEPT:
                _, old = self._made.popitem(last=False)
                shutil.rmtree(old.path.parent, ignore_errors=True)
        return made


def export_name(path: Path, cut: ExportRange, suffix: str) -> str:
    """What an export of a take is called, but for the loudness it reaches."""
    stem = path.stem.encode()[:_MAX_STEM_BYTES].decode(errors="ignore")
    return f"{stem}{cut.name}{suffix}"
