"""A ZIP as it is sent: many files without a second copy of them on the disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

CHUNK_BYTES = 1 << 18


class _Sink(io.RawIOBase):
    """What was written since it was last emptied."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._parts.append(part := bytes(data))  # type: ignore[call-overload]
        return len(part)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def zip_stream(files: Iterable[tuple[str, Path | bytes]]) -> Iterator[bytes]:
    """The parts of a ZIP of files by their names in it, each read from the disk or as it is given.

    Without compression: sound has been compressed, or can't be by this. A file that is gone by its turn is
    left out. Raises `OSError` where one can't be read to its end.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for name, what in files:
            if isinstance(what, bytes):
                archive.writestr(name, what)
                yield sink.take()
                continue
            if not what.is_file():
                continue
            info = zipfile.ZipInfo.from_file(what, name, strict_timestamps=False)
            with open(what, "rb") as source, archive.open(info, "w") as target:
                while part := source.read(CHUNK_BYTES):
                    target.write(part)
                    yield sink.take()
            yield sink.take()
    yield sink.take()
