"""The ID3v2.3 tag of an MP3: settings, title, date, and its marks as chapters (Chapter Frame Addendum 1.0).

LAME writes a tag that holds a comment alone. It is asked for one as long as all that is wanted, which then
takes its place; what is left over of the tag is padding.
"""

from __future__ import annotations

import errno
import struct
from pathlib import Path

from studio import __version__
from studio.service.takes.files.marks import About

_HEAD_BYTES = 10
_UNKNOWN = 0xFFFFFFFF  # of a chapter's place in bytes: the times count
_MOST = 255  # entries of one table of contents
_TOP, _ORDERED = 2, 1


def frames(about: About, comment: str, sample_rate: int, samples: int) -> bytes:
    """What the tag of a file of so many samples holds."""
    found = [_text(b"TSSE", f"Longwave {__version__}")]
    found += [_comment(comment)] if comment else []
    found += [_text(b"TIT2", about.title)] if about.title else []
    if about.created is not None:
        found += [_text(b"TYER", f"{about.created:%Y}"), _text(b"TDAT", f"{about.created:%d%m}")]
    return b"".join([*found, *_chapters(about, sample_rate, samples)])


def room_for(comment: str, wanted: bytes) -> str:
    """A comment that begins like `comment`, in whose tag there is room for these frames."""
    return comment + " " * len(wanted)


def put(path: Path, wanted: bytes) -> None:
    """Let the tag of a file that was written with `room_for` hold these frames.

    Raises:
        OSError: as the disk says, or the file is not what was written.
    """
    with open(path, "rb+") as file:
        head = file.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES or head[:4] != b"ID3\x03":
            raise OSError(errno.EIO, "no tag to replace")
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        if len(wanted) > size:
            raise OSError(errno.EIO, "no room in the tag")
        file.write(wanted.ljust(size, b"\0"))


def _chapters(about: About, sample_rate: int, samples: int) -> list[bytes]:
    """Tables of contents, then a chapter from each mark to the next; none where there is but one."""
    if len(about.marks) < 2:
        return []
    times = [round(1000 * at / sample_rate) for at in (*(mark.at for mark in about.marks), samples)]
    names = [f"chp{number}" for number in range(len(about.marks))]
    found = []
    for name, mark, start, end in zip(names, about.marks, times, times[1:], strict=False):
        place = struct.pack(">4I", start, max(end, start), _UNKNOWN, _UNKNOWN)
        found.append(_frame(b"CHAP", name.encode() + b"\0" + place + _text(b"TIT2", mark.label)))
    groups = [names[first : first + _MOST] for first in range(0, len(names), _MOST)]
    if len(groups) == 1:
        return [_table("toc", _TOP | _ORDERED, names), *found]
    parts = [f"toc{number}" for number in range(len(groups))][:_MOST]
    tables = [_table(name, _ORDERED, group) for name, group in zip(parts, groups, strict=False)]
    return [_table("toc", _TOP | _ORDERED, parts), *tables, *found]


def _table(name: str, flags: int, entries: list[str]) -> bytes:
    listed = b"".join(entry.encode() + b"\0" for entry in entries)
    return _frame(b"CTOC", name.encode() + b"\0" + bytes([flags, len(entries)]) + listed)


def _comment(text: str) -> bytes:
    if text.isascii():
        return _frame(b"COMM", b"\0eng\0" + text.encode())
    mark = b"\xff\xfe"
    return _frame(b"COMM", b"\1eng" + mark + b"\0\0" + mark + text.encode("utf-16-le"))


def _text(name: bytes, text: str) -> bytes:
    if text.isascii():
        return _frame(name, b"\0" + text.encode())
    return _frame(name, b"\1\xff\xfe" + text.encode("utf-16-le"))


def _frame(name: bytes, body: bytes) -> bytes:
    return name + struct.pack(">IH", len(body), 0) + body
