"""Files that ffmpeg alone decodes, but takes only the first of where several were joined end to end."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice, pairwise

from studio.service.recordings.parts import Part
from studio.service.recordings.structures import MAX_CHUNKS, MAX_PARTS, Reader

_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
# How much of a head is the same for every file of a recorder: enough not to be met by chance.
_MARKS = {b"\x1a\x45\xdf\xa3": 12, b"TTA1": 10, b"#!AMR": 6}


def joined_parts(reader: Reader) -> Iterator[Part]:
    """The files that an MP4, ASF, Matroska, TTA or AMR file consists of; none where it is none of these."""
    head = reader.bytes_at(0, 16)
    if head[4:8] == b"ftyp":
        starts = _boxes(reader, is_mp4=True)
    elif head == _ASF:
        starts = _boxes(reader, is_mp4=False)
    else:
        length = next((length for mark, length in _MARKS.items() if head.startswith(mark)), None)
        if length is None:
            return
        starts = islice(reader.find(0, head[:length]), MAX_PARTS + 1)
    for start, stop in pairwise([*starts, reader.size]):
        yield Part((range(start, stop),))


def _boxes(reader: Reader, *, is_mp4: bool) -> Iterator[int]:
    """Where the boxes are that a file begins with. Inside of others nothing is looked for."""
    at = 0
    for _ in range(MAX_CHUNKS):
        head = reader.bytes_at(at, 24)
        if len(head) < 24:
            return
        if head[4:8] == b"ftyp" if is_mp4 else head[:16] == _ASF:
            yield at
        size, wide = struct.unpack_from(">I4xQ", head)
        if not is_mp4:
            size = struct.unpack_from("<Q", head, 16)[0]
        elif size == 1:
            size = wide
        if size < 8:
            return
        at += size
