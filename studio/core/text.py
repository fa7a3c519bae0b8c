"""Text that people and other programs hand over: made one clean line, or read from a file of theirs."""

from __future__ import annotations

import codecs
import os
import stat
import unicodedata
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from studio.core.errors import InvalidRequestError

# Format characters that spelling needs: Persian and the Indic scripts join letters by them, emoji people.
_JOINERS = "\u200c\u200d"
_UNWANTED = {"Cc", "Cf", "Cs"}  # controls, overrides of direction and marks of byte order, lone surrogates
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def one_line(text: str) -> str:
    """The text as one line: a single space for every white space of any script, nothing that hides or steers.

    What only joins letters stays, unless there are no letters.
    """
    if text.isascii() and text.isprintable():  # as most is: there is nothing in it to be looked for
        return " ".join(text.split())
    kept = "".join(
        " " if ch.isspace() else ch
        for ch in text
        if ch.isspace() or ch in _JOINERS or unicodedata.category(ch) not in _UNWANTED
    )
    line = " ".join(kept.split())
    return line if line.strip(_JOINERS + " ") else ""


def _clean(value: Any) -> Any:
    return one_line(value) if isinstance(value, str) else value


Line = Annotated[str, BeforeValidator(_clean)]


def decode_text(raw: bytes, name: str) -> str:
    """Text in UTF-8, with or without a byte order mark.

    Args:
        name: what the sentence calls it.

    Raises:
        InvalidRequestError: it is in another encoding; names the one that editors call "Unicode".
    """
    # Without a mark the zeros of the first letters tell: settings and lanes begin in ASCII.
    for encoding, marks, zeros in (("UTF-32", _UTF_32, 3), ("UTF-16", _UTF_16, 1)):
        if raw.startswith(marks) or raw[: zeros + 1].count(0) == zeros:
            raise InvalidRequestError(f"{name} is saved as {encoding}: save it as UTF-8.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{name} is not text in UTF-8: save it as UTF-8.") from error


def read_text(path: Path, max_bytes: int, *, regular: bool = True) -> str:
    """The text of a file, of which no more than `max_bytes` are ever read.

    Args:
        regular: refuse what is no ordinary file, such as a pipe, which could keep one waiting for ever.

    Raises:
        InvalidRequestError: it is too large, in another encoding than UTF-8, or no ordinary file.
        OSError: it can't be opened or read.
        ValueError: the path holds a character that no path can.
    """
    name = one_line(path.name)
    with open(path, "rb", opener=_open_at_once if regular else None) as file:
        if regular and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InvalidRequestError(f"{name} is no ordinary file: choose another.")
        raw = file.read(max_bytes + 1)
    if len(raw) > max_bytes:
        raise InvalidRequestError(f"{name} is larger than {max_bytes / 1e6:g} MB: choose another file.")
    return decode_text(raw, name)


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for a pipe's other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
