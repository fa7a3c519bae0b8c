"""The tags of a Matroska file (.mka, .mkv, .webm): RFC 9559, of which only what leads to them is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO

HEAD = b"\x1a\x45\xdf\xa3"  # of EBML, which the format is written in
MAX_ELEMENTS = 100_000  # an hour has some thousand clusters
MAX_TEXT_BYTES = 4_000_000
_SEGMENT, _TAGS, _TAG, _SIMPLE, _NAME, _STRING = 0x18538067, 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487
_OPENED = {_SEGMENT, _TAGS, _TAG, _SIMPLE}


def tags(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Each tag's name in lower case, and what it says. `file` is at its beginning."""
    name, left = "", MAX_TEXT_BYTES
    start, end = file.tell(), file.seek(0, os.SEEK_END)
    file.seek(start)
    for _ in range(MAX_ELEMENTS):
        kind, size = _number(file, keep_marker=True), _number(file, keep_marker=False)
        if kind is None or size is None:
            return
        if kind in _OPENED:
            continue  # what is inside comes next
        if kind in (_NAME, _STRING) and size <= left:
            left -= size
            text = file.read(size).decode("utf-8", errors="replace")
            if kind == _STRING:
                yield name, text
            name = text.lower() if kind == _NAME else name
        elif (after := file.tell() + size) <= end:
            file.seek(after)
        else:
            return


def _number(file: IO[bytes], *, keep_marker: bool) -> int | None:
    """A number of one to eight bytes, as many as its first byte's leading zeros say; None at the end."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    if len(rest) < length - 1:
        return None
    value = int.from_bytes(first + rest, "big")
    return value if keep_marker else value - (1 << (7 * length))
