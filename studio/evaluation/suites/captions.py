"""Captions of sound files: a CSV or a JSON line each, by the file's name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from studio.backends.reading import parse_json
from studio.core.errors import InvalidRequestError
from studio.core.sound_files import SUFFIXES

NAMES = ("file", "file_name", "filename", "name", "audiocap_id", "id")
TEXTS = ("caption", "text", "prompt")
_MAX_BYTES = 64 << 20


def read_captions(path: Path) -> dict[str, list[str]]:
    """A file's captions by the name of the sound, without its suffix; a name may have several.

    Args:
        path: a `.csv` with a row of headers, or a `.jsonl` of objects. The name stands under the first of
            `NAMES` that is there, the caption under the first of `TEXTS`.

    Raises:
        InvalidRequestError: it can't be read, or holds no captions.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InvalidRequestError(f"{path.name} is too large for a file of captions: give another.")
        text = path.read_text(encoding="utf-8-sig")
        rows = list(_lines(text) if path.suffix.lower() == ".jsonl" else csv.DictReader(io.StringIO(text)))
    except OSError as error:
        raise InvalidRequestError(f"Can't read {path}: give a file of captions.") from error
    except (ValueError, csv.Error) as error:
        raise InvalidRequestError(
            f"{path.name} can't be read as captions: give a CSV with a row of headers, or an object a line."
        ) from error
    found: dict[str, list[str]] = {}
    for row in rows:
        name, caption = _first(row, NAMES), _first(row, TEXTS)
        if name and caption:
            found.setdefault(stem(name), []).append(caption)
    if not found:
        raise InvalidRequestError(
            f"{path.name} holds no captions: name its columns 'file' and 'caption', a row a sound."
        )
    return found


def stem(name: str) -> str:
    """A sound's name without its suffix, folders with "/": what sounds and captions are paired by."""
    path = Path(name.replace("\\", "/"))
    return path.as_posix().removesuffix(path.suffix if path.suffix.lower() in SUFFIXES else "")


def _lines(text: str) -> Iterable[Mapping[str, Any]]:
    for line in text.splitlines():
        if line.strip():
            row = parse_json(line.encode())
            if not isinstance(row, dict):
                raise ValueError("no object")
            yield row


def _first(row: Mapping[str, Any], keys: Iterable[str]) -> str:
    for key in keys:
        if row.get(key) not in (None, ""):
            return str(row[key]).strip()
    return ""
