"""What a sound file says about itself: the texts of its tags, whichever program wrote them last.

A program that cuts, converts or re-tags a take moves its settings: from COMMENT to DESCRIPTION, to another
chunk, to a frame of its own. So every text is looked at, and the settings are known by what they are. Nothing
is read that a file merely claims to have, and no more than `MAX_TAG_BYTES` of it.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO, cast

from tinytag import TinyTag, TinyTagException

from studio.service.takes import matroska

MAX_TAG_BYTES = 8_000_000  # a cover may lie before the text
MAX_CHUNKS = 10_000  # of one file, and reads of one tag: a file of nothing but empty ones is no take
MAX_DATA_SIZE = 0xFFFFFFFF
SUFFIXES = (
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aif", ".aiff",
    ".mka", ".mkv", ".webm",
)  # fmt: skip
_COMMENTS = ("comment", "description", "icmt")
_PACKETS = {b"\x03vorbis": 7, b"OpusTags": 8, b"\x84": 4, b"\x04": 4}  # and where the comments begin in each

Text = tuple[str, str]  # a tag's name in lower case, and what it says


def settings_texts(path: Path) -> list[str]:
    """Every JSON object among a sound file's tags, those of the comment first. Raises `OSError`."""
    texts = sorted(_texts(path), key=lambda text: text[0] not in _COMMENTS)
    return list(dict.fromkeys(found for _, text in texts if (found := _object(text))))


def read_comment(path: Path) -> str:
    """A sound file's comment: the settings of a take where it has any, else what is there, or ''.

    Raises:
        OSError: the file can't be read.
    """
    said = [text for name, text in _texts(path) if name in _COMMENTS]
    return next(iter([*settings_texts(path), *said]), "")


def _object(text: str) -> str:
    """The JSON object that a text begins with: some programs join two tags into one."""
    text = text.strip("\0\ufeff \t\r\n")
    with suppress(ValueError, RecursionError):
        value, end = json.JSONDecoder().raw_decode(text)
        return text[:end] if isinstance(value, dict) else ""
    return ""


def _texts(path: Path) -> list[Text]:
    texts: list[Text] = []
    with open(path, "rb") as file, suppress(struct.error):  # what was found before the file broke off, counts
        start = _after_id3(file)
        file.seek(start)
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:] == b"WAVE":
            texts.extend(_wav(file))
        elif head[:4] == matroska.HEAD:
            file.seek(start)
            texts.extend(matroska.tags(file))
        elif head[:4] in (b"fLaC", b"OggS"):
            file.seek(start)
            texts.extend(_ogg(file) if head[:4] == b"OggS" else _flac(file))
        else:
            file.seek(0)
            texts.extend(_other(file))
    return texts


def _after_id3(file: IO[bytes]) -> int:
    """Where a file itself begins, if an ID3 tag was put before one of another format; else 0."""
    head = file.read(10)
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    file.seek(start)
    return start if file.read(4) in (b"RIFF", b"fLaC", b"OggS") else 0


def _wav(file: IO[bytes]) -> Iterator[Text]:
    """Of every INFO list and every ID3 tag, before the sound or after it. `file` is past its first head."""
    data_size, left = 0, MAX_TAG_BYTES
    first, end = file.tell(), file.seek(0, os.SEEK_END)
    file.seek(first)
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        name, size = struct.unpack("<4sI", head)
        start = file.tell()
        if name == b"ds64":
            data_size = struct.unpack("<Q", file.read(16)[8:])[0]
        elif name == b"data":
            size = data_size if size == MAX_DATA_SIZE and data_size else size
        elif name in (b"LIST", b"id3 ", b"ID3 ") and size <= left:
            left -= size
            chunk = file.read(size)
            yield from _info(chunk) if name == b"LIST" else _other(BytesIO(chunk))
        if start + size > end:
            return
        file.seek(start + size + size % 2)


def _info(chunk: bytes) -> Iterator[Text]:
    at = 4
    while chunk[:4] == b"INFO" and at + 8 <= len(chunk):
        name, size = struct.unpack_from("<4sI", chunk, at)
        yield name.decode("latin-1").lower(), _decoded(chunk[at + 8 : at + 8 + size].rstrip(b"\0"))
        at += 8 + size + size % 2


def _flac(file: IO[bytes]) -> Iterator[Text]:
    file.seek(4, os.SEEK_CUR)
    for _ in range(MAX_CHUNKS):
        head = file.read(4)
        if len(head) < 4:
            return
        kind, size = head[0], int.from_bytes(head[1:], "big")
        if kind & 0x7F == 4:
            yield from _vorbis(file.read(min(size, MAX_TAG_BYTES)))
        else:
            file.seek(size, os.SEEK_CUR)
        if kind & 0x80:
            return


def _ogg(file: IO[bytes]) -> Iterator[Text]:
    """The first comments of any stream in it: Vorbis, Opus or FLAC."""
    packets: dict[bytes, bytearray] = {}
    left = MAX_TAG_BYTES
    while left > 0 and len(head := file.read(27)) == 27 and head[:4] == b"OggS":
        packet = packets.setdefault(head[14:18], bytearray())
        sizes = file.read(head[26])
        left -= 27 + sum(sizes)
        for size in sizes:
            packet += file.read(size)
            if size == 255:
                continue
            for mark, start in _PACKETS.items():
                if packet.startswith(mark):
                    yield from _vorbis(bytes(packet[start:]))
                    return
            packet.clear()


def _vorbis(block: bytes) -> Iterator[Text]:
    at = 4 + struct.unpack_from("<I", block)[0]
    (count,) = struct.unpack_from("<I", block, at)
    at += 4
    for _ in range(min(count, MAX_CHUNKS)):
        (size,) = struct.unpack_from("<I", block, at)
        name, _, text = _decoded(block[at + 4 : at + 4 + size]).partition("=")
        yield name.lower(), text
        at += 4 + size


def _other(file: IO[bytes]) -> Iterator[Text]:
    """MP3, MP4 and AIFF, and an ID3 tag by itself."""
    try:
        tag = TinyTag.get(file_obj=cast(BinaryIO, _Bounded(file)), duration=False)
    except (TinyTagException, OSError, ValueError):
        return
    if tag.comment:
        yield "comment", tag.comment
    for name, texts in tag.other.items():
        yield from ((name, str(text)) for text in texts)


class _Bounded:
    """A file of which one reads so much and so often at most; raises `ValueError` beyond that."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._bytes, self._reads = MAX_TAG_BYTES, MAX_CHUNKS
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        self._bytes -= size
        self._reads -= 1
        if size < 0 or self._bytes < 0 or self._reads < 0:
            raise ValueError("more tags than any take has")
        return self._file.read(size)


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")
