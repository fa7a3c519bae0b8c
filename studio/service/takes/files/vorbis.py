"""The Vorbis comments of FLAC, Ogg Vorbis and Opus, of which libsndfile writes a few names alone.

It is asked for one comment as long as all that is wanted, which then takes its place: no byte of the sound
moves.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from studio.service.takes.files.marks import About

Comment = tuple[str, str]  # a name, and what it says

_PACKETS = {b"\x03vorbis": 7, b"OpusTags": 8}
_NAME = "COMMENT"
_OWN_BYTES = 4 + len(_NAME) + 1
_MAX_CHAPTERS = 999  # their names have three digits
_OPUS_RATE_HZ = 48000  # whatever goes in, this comes out


def comments(about: About, sample_rate: int, suffix: str) -> list[Comment]:
    """What a file of this rate says beside its settings: title, date, chapters, and where it loops.

    Opus counts samples at 48 kHz, its only rate to a player.
    """
    said = [("TITLE", about.title)] if about.title else []
    if about.created is not None:
        said.append(("DATE", f"{about.created:%Y-%m-%d}"))
    if about.loop is not None:
        first, end = about.loop
        if suffix == ".opus":
            first, end = (place * _OPUS_RATE_HZ // sample_rate for place in (first, end))
        said += [("LOOPSTART", str(first)), ("LOOPLENGTH", str(end - first))]
    if len(about.marks) > 1:
        for number, mark in enumerate(about.marks[:_MAX_CHAPTERS], 1):
            said.append((f"CHAPTER{number:03d}", _clock(mark.at / sample_rate)))
            said.append((f"CHAPTER{number:03d}NAME", mark.label))
    return said


def room_for(comment: str, wanted: Sequence[Comment]) -> str:
    """A comment that begins like `comment`, and takes as many bytes as it and all that is wanted besides."""
    more = sum(4 + len(_entry(*one)) for one in wanted)
    # What is not said has no place of its own: its name has to fit in as well.
    return comment + " " * (more if comment else max(more - _OWN_BYTES, 0))


def put(path: Path, comment: str, wanted: Sequence[Comment]) -> None:
    """Let a file that was written with `room_for` say them.

    Raises:
        OSError: as the disk says, or the file is not what was written.
    """
    with open(path, "rb+") as file:
        if file.read(4) == b"fLaC":
            _put_flac(file, comment, wanted)
        else:
            _put_ogg(file, comment, wanted)


def _put_flac(file: BinaryIO, comment: str, wanted: Sequence[Comment]) -> None:
    while len(head := file.read(4)) == 4:
        size = int.from_bytes(head[1:], "big")
        if head[0] & 0x7F == 4:
            at = file.tell()
            block = file.read(size)
            file.seek(at)
            file.write(_replaced(block, comment, wanted))
            return
        if head[0] & 0x80:
            break
        file.seek(size, 1)
    raise OSError(errno.EIO, "no comments to replace")


def _put_ogg(file: BinaryIO, comment: str, wanted: Sequence[Comment]) -> None:
    """The second packet of the stream, over however many pages it lies."""
    file.seek(0)
    _page(file)
    pages: list[tuple[int, bytes, int]] = []
    data = b""
    packet_bytes, whole = 0, False
    while not whole:
        at = file.tell()
        head, body = _page(file)
        pages.append((at, head, len(body)))
        data += body
        for size in head[27:]:
            packet_bytes += size
            if size < 255:
                whole = True
                break
    packet = data[:packet_bytes]
    start = next((at for mark, at in _PACKETS.items() if packet.startswith(mark)), None)
    if start is None:
        raise OSError(errno.EIO, "no comments to replace")
    new = packet[:start] + _replaced(packet[start:], comment, wanted) + data[packet_bytes:]
    for at, head, size in pages:
        body, new = new[:size], new[size:]
        crc = struct.pack("<I", _crc(head[:22] + bytes(4) + head[26:] + body))
        file.seek(at)
        file.write(head[:22] + crc + head[26:] + body)


def _page(file: BinaryIO) -> tuple[bytes, bytes]:
    """The head and the body of the page that begins here."""
    head = file.read(27)
    if len(head) < 27 or head[:4] != b"OggS":
        raise OSError(errno.EIO, "no page of Ogg")
    sizes = file.read(head[26])
    return head + sizes, file.read(sum(sizes))


def _replaced(block: bytes, comment: str, wanted: Sequence[Comment]) -> bytes:
    """A block of comments whose own comment gave way to it and those wanted, in as many bytes."""
    at = 4 + struct.unpack_from("<I", block)[0]
    head, (count,) = block[:at], struct.unpack_from("<I", block, at)
    at += 4
    kept: list[bytes] = []
    for _ in range(count):
        (size,) = struct.unpack_from("<I", block, at)
        entry = block[at + 4 : at + 4 + size]
        at += 4 + size
        if not entry.upper().startswith(f"{_NAME}=".encode()):
            kept.append(entry)
    kept += [_entry(_NAME, comment)] if comment else []
    kept += [_entry(*one) for one in wanted]
    said = b"".join(struct.pack("<I", len(entry)) + entry for entry in kept)
    new = head + struct.pack("<I", len(kept)) + said
    if len(new) != at:
        raise OSError(errno.EIO, "the comments are not as long as their place")
    return new + block[at:]


def _entry(name: str, text: str) -> bytes:
    return f"{name}={text}".encode()


def _clock(seconds: float) -> str:
    """As chapters are timed, to the millisecond."""
    thousandths = round(1000 * seconds)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return table


_CRC = _table()


def _crc(page: bytes) -> int:
    """Ogg's: polynomial 0x04C11DB7, nothing reflected, from zero (RFC 3533)."""
    value = 0
    for byte in page:
        value = ((value << 8) & 0xFFFFFFFF) ^ _CRC[(value >> 24) ^ byte]
    return value
