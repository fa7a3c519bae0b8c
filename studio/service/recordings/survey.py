"""What sounds a file holds, whatever its name is and its headers say."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from studio.service.recordings import mpeg, xiph
from studio.service.recordings.containers import chunked_parts
from studio.service.recordings.joined import joined_parts
from studio.service.recordings.parts import Part
from studio.service.recordings.structures import MAX_PARTS, Reader

_ZEROS = 1 << 16  # some taggers leave so many between a tag and an MP3's first frame


def survey(file: BinaryIO, size: int) -> list[Part]:
    """The sounds of a file of `size` bytes, with mended headers; the file as it is where it is none of these.

    Reads heads, not sound: a file of gigabytes takes as long as its count of chunks, pages or frames.
    """
    reader = Reader(file, size)
    try:
        parts = list(islice(_parts(reader), MAX_PARTS + 1))
    except (ValueError, IndexError, struct.error):
        parts = []
    return parts if 0 < len(parts) <= MAX_PARTS else [Part((range(size),))]


def _parts(reader: Reader) -> Iterator[Part]:
    start = mpeg.skip_tags(reader)
    head = reader.bytes_at(start, 4)
    if head in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"FORM", b"caff", b".snd", b"dns."):
        return chunked_parts(reader, start)
    if head == b"OggS":
        return xiph.ogg_parts(reader, start)
    if head == b"fLaC":
        return xiph.flac_parts(reader, start)
    padding = reader.bytes_at(start, _ZEROS)
    start += len(padding) - len(padding.lstrip(b"\0"))
    return mpeg.mpeg_parts(reader, start) if mpeg.is_mpeg(reader, start) else joined_parts(reader)
