"""Small structures of sound files: the chunks that WAV, AIFF, CAF and Wave64 are made of."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_CHUNKS = 4096
MAX_PARTS = 512  # sounds in one file
MAX_RESYNCS = 20_000  # places looked at for where a damaged file goes on
LOOK_BYTES = 1 << 20
_FILES = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff", b"caff")
_KNOWN = (b"LIST", b"id3 ", b"ID3", b"TAG", b"APET", b"bext", b"cue ", b"smpl", b"iXML", b"_PMX", b"PEAK")


@dataclass(frozen=True)
class Dialect:
    """How a container writes a chunk's head: name, then size."""

    size: str  # as `struct` says it
    name_bytes: int = 4
    align: int = 2
    head_counts: bool = False  # the size counts the head too

    @property
    def head_bytes(self) -> int:
        return self.name_bytes + struct.calcsize(self.size)

    def pack(self, size: int) -> bytes:
        """The bytes that say a chunk's size, or the most that can be said."""
        most = (1 << 8 * struct.calcsize(self.size)) - 1
        return struct.pack(self.size.upper(), min(size + self.head_bytes * self.head_counts, most))


RIFF, RIFX, W64, CAF = Dialect("<I"), Dialect(">I"), Dialect("<Q", 16, 8, True), Dialect(">q", align=1)


@dataclass(frozen=True)
class Chunk:
    """A chunk by its place in the file."""

    name: bytes
    at: int
    body: int
    size: int

    def next(self, dialect: Dialect, padded: bool = True) -> int:
        return self.body + self.size + (-self.size % dialect.align if padded else 0)


class Reader:
    """Reads small structures of a file of `size` bytes."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = size

    def bytes_at(self, at: int, count: int) -> bytes:
        self.file.seek(at)
        return self.file.read(count)

    def unpack(self, form: str, at: int) -> tuple[int, ...]:
        return struct.unpack(form, self.bytes_at(at, struct.calcsize(form)))

    def chunk(self, at: int, dialect: Dialect) -> Chunk | None:
        """The chunk there; None where there is no room for one."""
        head = self.bytes_at(at, dialect.head_bytes)
        if len(head) < dialect.head_bytes:
            return None
        size = struct.unpack_from(dialect.size, head, dialect.name_bytes)[0]
        name = head[: dialect.name_bytes]
        return Chunk(name[:4], at, at + dialect.head_bytes, size - dialect.head_bytes * dialect.head_counts)

    def chunks(self, at: int, dialect: Dialect) -> Iterator[Chunk]:
        """The chunks from there on, as far as their sizes lead."""
        for _ in range(MAX_CHUNKS):
            chunk = self.chunk(at, dialect)
            if chunk is None:
                return
            yield chunk
            if chunk.size < 0 or chunk.body + chunk.size > self.size:
                return
            at = chunk.next(dialect)

    def next_file(self, at: int, dialect: Dialect) -> int | None:
        """Where another file begins, or this one ends, if nothing but chunks is from there on; else None."""
        for chunk in self.chunks(at, dialect):
            if chunk.name in _FILES:
                return chunk.at
            if not all(0x20 <= letter < 0x7F for letter in chunk.name):
                return None
            if chunk.size < 0 or chunk.body + chunk.size > self.size:
                return self.size if chunk.name.startswith(_KNOWN) else None
        return self.size

    def find(self, at: int, mark: bytes) -> Iterator[int]:
        """Everywhere from there on that these bytes are."""
        while len(block := self.bytes_at(at, LOOK_BYTES)) >= len(mark):
            place = block.find(mark)
            while place >= 0:
                yield at + place
                place = block.find(mark, place + 1)
            at += len(block) - len(mark) + 1

    def is_silent(self, at: int) -> bool:
        """Whether nothing but zeros is from there to the end."""
        self.file.seek(at)
        while block := self.file.read(LOOK_BYTES):
            if block.count(0) < len(block):
                return False
        return True
