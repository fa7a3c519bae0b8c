"""The text of each item: from a table of the user's, or from what Longwave wrote beside its takes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from studio.core.errors import InvalidRequestError
from studio.core.preset import MAX_PRESET_BYTES, parse_preset
from studio.core.text import one_line, read_text

MAX_TABLE_BYTES = 50_000_000
MAX_TEXT_CHARS = 1000
NAME_KEYS = ("name", "file", "file_name", "audio", "id", "audiocap_id")
TEXT_KEYS = ("caption", "text", "prompt")


def read_texts(path: Path) -> dict[str, str]:
    """Texts by the names of their sounds (without folders and endings), from .csv or .jsonl.

    A row names its sound by one of `NAME_KEYS` and has its text under one of `TEXT_KEYS`; of several rows of
    one sound the first counts.

    Raises:
        InvalidRequestError: it can't be read, has rows without either, or none at all.
    """
    try:
        text = read_text(path, MAX_TABLE_BYTES)
    except (OSError, ValueError) as error:
        raise InvalidRequestError(
            f"Can't read the captions {path.name}: check that the file is there."
        ) from error
    rows = _json_rows(path, text) if path.suffix.lower() in (".jsonl", ".json") else _csv_rows(path, text)
    texts: dict[str, str] = {}
    for where, row in rows:
        name, caption = _field(row, NAME_KEYS), _field(row, TEXT_KEYS)
        if not name or not caption:
            raise InvalidRequestError(
                f"{where}: name the sound under “{NAME_KEYS[0]}” and give its text under “{TEXT_KEYS[0]}”."
            )
        texts.setdefault(Path(name).stem, caption[:MAX_TEXT_CHARS])
    if not texts:
        raise InvalidRequestError(f"{path.name} has no captions: write a row for each sound.")
    return texts


def text_beside(sound: Path) -> str:
    """The prompt in the sidecar of a take; empty where there is none that can be read."""
    try:
        settings = parse_preset(read_text(sound.with_suffix(".json"), MAX_PRESET_BYTES)).settings
    except (OSError, ValueError, InvalidRequestError):
        return ""
    return one_line(str(settings.get("prompt") or ""))[:MAX_TEXT_CHARS]


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    # Not splitlines(), which also splits at what JSON leaves as it is in a caption, like U+2028.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidRequestError(f"{where}: this is no JSON; write one object a line.") from error
        if not isinstance(row, dict):
            raise InvalidRequestError(f"{where}: this is no JSON object; write one a line.")
        yield where, row


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    table = csv.DictReader(io.StringIO(text))
    try:
        for row in table:
            yield f"{path.name}, line {table.line_num}", row
    except csv.Error as error:
        raise InvalidRequestError(
            f"{path.name} is no table of comma-separated values: save it as CSV."
        ) from error


def _field(row: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((one_line(str(row[key])) for key in keys if row.get(key)), "")
