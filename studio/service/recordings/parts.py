"""A sound file as a reader is to see it: which of its bytes, with which headers mended."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, BinaryIO

from studio.dsp.mixdown import Layout

Pieces = tuple[bytes | range, ...]  # bytes of our own, or places in the file


@dataclass(frozen=True)
class Part:
    """A sound within a file that has its own header: most files are one, files joined end to end are several.

    Args:
        pieces: what makes a whole file of it.
        layout: the speakers of its channels, where they are known.
        counted_s: the seconds in it, counted without its header's word; None where nothing was counted.
        named: how many times what is there its header claims; 1 where it is right or claims nothing.
        vouched: the length that its header names is there.
    """

    pieces: Pieces
    layout: Layout | None = None
    counted_s: float | None = None
    named: float = 1.0
    vouched: bool = False


def patched(span: range, patches: Mapping[int, bytes]) -> Pieces:
    """The bytes of a span with some of them replaced, by their places in the file."""
    pieces: list[bytes | range] = []
    at = span.start
    for place, new in sorted(patches.items()):
        pieces += [range(at, place), new]
        at = place + len(new)
    return (*pieces, range(at, span.stop))


class PiecedFile(io.RawIOBase):
    """Pieces of a file read as if they were one. Does not close what it reads."""

    def __init__(self, file: BinaryIO, pieces: Pieces) -> None:
        self._file = file
        self._pieces = [piece for piece in pieces if len(piece)]
        self._starts = [0, *accumulate(map(len, self._pieces))]
        self._at = 0

    def __len__(self) -> int:
        return self._starts[-1]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, across pieces: who reads a codec's stream takes fewer bytes for its end."""
        view, done = memoryview(buffer).cast("B"), 0
        while done < len(view) and self._at < self._starts[-1]:
            index = bisect_right(self._starts, self._at) - 1
            piece, skip = self._pieces[index], self._at - self._starts[index]
            count = min(len(view) - done, len(piece) - skip)
            if isinstance(piece, range):
                self._file.seek(piece.start + skip)
                read = self._file.read(count)
            else:
                read = piece[skip : skip + count]
            if not read:
                break
            view[done : done + len(read)] = read
            done, self._at = done + len(read), self._at + len(read)
        return done
