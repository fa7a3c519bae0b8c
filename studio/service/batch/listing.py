"""What a set is of: its rows and the size of its units, in files of its folder.

`rows.jsonl` comes last and at once: a folder without it is no set, and one with it has all its rows.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from studio.core.errors import InvalidRequestError
from studio.core.files import disk_error, replace_file
from studio.core.request import parse_request
from studio.service.batch.rows import Row

ROWS, ABOUT = "rows.jsonl", "set.json"
MAX_LISTED_BYTES = 1 << 30
MAX_ABOUT_BYTES = 1 << 16
_ID = re.compile("[0-9a-f]{32}")
NO_SET = "{name} is no set of takes, or a damaged one: make it anew from its sheet."


@dataclass(frozen=True)
class About:
    """A set by its name, when it was begun, how many rows it has, and how many make a unit at the most."""

    name: str
    created: str
    rows: int
    batch: int


def write_rows(folder: Path, name: str, rows: Sequence[Row], batch: int) -> None:
    """Make the folder of a set, which is new.

    Raises:
        InvalidRequestError: it is there already, or can't be made.
        OutOfResourcesError: the disk is full.
    """
    created = datetime.now().isoformat(timespec="seconds")
    about = {"name": name, "created": created, "rows": len(rows), "batch": batch}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except OSError as error:
        raise disk_error(error, folder) from error
    try:
        replace_file(folder / ABOUT, f"{json.dumps(about)}\n".encode(), sync=True)
        listed = "".join(f"{json.dumps(_listed(row), separators=(',', ':'))}\n" for row in rows)
        replace_file(folder / ROWS, listed.encode(), sync=True)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise disk_error(error, folder) from error


def read_rows(folder: Path) -> tuple[Row, ...]:
    """The rows of a set. Raises `InvalidRequestError` where they can't be read."""
    try:
        return tuple(_row(json.loads(line)) for line in _text(folder / ROWS, MAX_LISTED_BYTES).splitlines())
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidRequestError(NO_SET.format(name=folder.name)) from error


def read_about(folder: Path) -> About:
    """What a set is called, and so on. Raises `InvalidRequestError` where that can't be read."""
    try:
        about = json.loads(_text(folder / ABOUT, MAX_ABOUT_BYTES))
        return About(str(about["name"]), str(about["created"]), int(about["rows"]), int(about["batch"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidRequestError(NO_SET.format(name=folder.name)) from error


def sets_in(path: Path) -> list[Path]:
    """The folders of the sets in a folder, by their names; none where there is no such folder."""
    with suppress(OSError), os.scandir(path) as entries:
        return sorted(Path(entry.path) for entry in entries if os.path.isfile(f"{entry.path}/{ROWS}"))
    return []


def _listed(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "line": row.line,
        "name": row.name,
        "request": row.request.model_dump(mode="json"),
    }


def _row(listed: dict[str, Any]) -> Row:
    row_id = str(listed["id"])
    if not _ID.fullmatch(row_id):
        raise ValueError("no id")
    return Row(row_id, int(listed["line"]), parse_request(**listed["request"]), str(listed["name"]))


def _text(path: Path, most: int) -> str:
    with open(path, "rb") as file:
        read = file.read(most + 1)
    if len(read) > most:
        raise ValueError("too large")
    return read.decode()
