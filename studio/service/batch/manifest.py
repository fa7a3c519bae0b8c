"""A manifest: a table each of whose lines asks for a take, or for several, as rows of a set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from studio.core.errors import InvalidRequestError, StudioError
from studio.core.text import read_text
from studio.service.batch.asked import Asked, Reading, read_asked
from studio.service.batch.braces import alternatives, expand
from studio.service.batch.columns import column
from studio.service.batch.rows import Row, row_of, variations
from studio.service.batch.tables import BrokenTableError, LineError, Record, read_table

MAX_ROWS = 1_000_000
MAX_MANIFEST_BYTES = 512 * 2**20
SHOWN_FAULTS = 10
_GROUPS = ("model", "sampler", "attention", "draft", "speech")
NOTHING = "The manifest asks for nothing: write a line for each take; 'longwave batch example' shows how."


class ManifestError(InvalidRequestError):
    """What is wrong with a manifest's lines: the first few sentences, and how many more lines have faults."""

    def __init__(self, faults: Sequence[LineError], more: int = 0) -> None:
        self.sentences = [str(fault) for fault in faults]
        self.more = more
        if more:
            self.sentences.append(f"And so are {more:,} more." if more > 1 else "And so is one more.")
        super().__init__(" ".join(self.sentences))


def read_manifest(path: Path, reading: Reading, most: int = MAX_ROWS) -> list[Row]:
    """The rows of a manifest's file, in its order. Raises as `parse_manifest`, or where it can't be read."""
    try:
        text = read_text(path, MAX_MANIFEST_BYTES)
    except (OSError, ValueError) as error:
        what = (error.strerror if isinstance(error, OSError) else "") or "no file has such a name"
        raise InvalidRequestError(f"Can't read the manifest {path}: {what.lower()}.") from error
    return parse_manifest(text, reading, most)


def parse_manifest(text: str, reading: Reading, most: int = MAX_ROWS) -> list[Row]:
    """The rows that a manifest's text asks for, `most` of them at the most, in its order: the same text is
    always the same rows.

    Each line is read by itself, so that one more above changes nobody's row.

    Raises:
        ManifestError: names the lines at fault, and what is wrong with each.
        InvalidRequestError: it asks for nothing.
    """
    reading, rows, known = reading.remembering(), list[Row](), dict[Any, Any]()
    faults: list[LineError] = []
    for found in _records(text):
        try:
            if isinstance(found, LineError):
                raise found
            rows.extend(_rows_of(found, reading, most - len(rows), most, known))
        except LineError as fault:
            faults.append(fault)
            if isinstance(fault, BrokenTableError):
                break
    if faults:
        raise ManifestError(faults[:SHOWN_FAULTS], len(faults[SHOWN_FAULTS:]))
    if not rows:
        raise InvalidRequestError(NOTHING)
    return rows


def _records(text: str) -> Iterator[Record | LineError]:
    """`read_table`, what ends it among the errors."""
    try:
        yield from read_table(text, column)
    except LineError as fault:
        yield fault


def _rows_of(record: Record, reading: Reading, room: int, most: int, known: dict[Any, Any]) -> list[Row]:
    """The rows of a line, of which there may be as many as there is `room` for: of `most` in all.

    `known` are the groups of settings that rows share, of which a large manifest has few.
    """
    try:
        values = dict(record.values)
        count = _count(values.pop("count", 1))
        asked_for = count * alternatives(values)
        if asked_for > room:
            raise BrokenTableError(
                record.line,
                f"with it the manifest asks for more than {most:,} takes: make several manifests.",
            )
        made = (read_asked(one, reading) for one in expand(values))
        return [row for asked in made for row in _variations(asked, count, record.line, reading, known)]
    except LineError:
        raise
    except StudioError as error:
        raise LineError(record.line, str(error)) from error


def _variations(
    asked: Asked, count: int, line: int, reading: Reading, known: dict[Any, Any]
) -> Iterator[Row]:
    groups = {name: getattr(asked.request, name) for name in _GROUPS}
    shared = {name: known.setdefault(group, group) for name, group in groups.items()}
    varied = variations(asked.request.model_copy(update=shared), count, seeded=asked.seeded)
    for number, request in enumerate(varied, start=1):
        name = f"{asked.name} {number}" if asked.name and count > 1 else asked.name
        yield row_of(request, reading.fingerprint, line=line, name=name)


def _count(value: Any) -> int:
    try:
        count = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else 0
    except ValueError:
        count = 0
    if count < 1:
        raise InvalidRequestError(f"count must be a whole number from 1 (it is {str(value)[:40]}).")
    return count
