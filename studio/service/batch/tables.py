"""A table as people write one: CSV with a line of names, JSON objects a line, or a JSON array of them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from studio.core.errors import InvalidRequestError

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_NONE = "\x1f"  # where there is one column, every sign is a sign of its text
_BETWEEN = re.compile(r"[\s,]*")


Column: TypeAlias = Callable[[str], str]
"""What a column goes by that is written so. Raises `InvalidRequestError` where there is none."""


class LineError(InvalidRequestError):
    """What is wrong with one line of a table, from 1: others can still be read."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"Line {line:,}: {problem}")
        self.line = line


class BrokenTableError(LineError):
    """A line after which nothing can be read."""


@dataclass(frozen=True)
class Record:
    """What one line says, by the names of columns; what it leaves empty is not there."""

    line: int
    values: dict[str, Any]


def read_table(text: str, column: Column) -> Iterator[Record | LineError]:
    """The records of a table, and an error in the place of each that can't be read; empty lines say nothing.

    Text that begins with a brace or a bracket is JSON, any other is CSV.

    Raises:
        BrokenTableError: what comes after can't be read either.
    """
    text = text.removeprefix("\ufeff")
    begin = text.lstrip()[:1]
    if begin == "[":
        return _array(text, column)
    return _json_lines(text, column) if begin == "{" else _csv(text, column)


def _csv(text: str, column: Column) -> Iterator[Record | LineError]:
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    if delimiter not in first:
        delimiter = _NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise BrokenTableError(line, _quotes(str(error))) from error
        if not any(cells):
            continue
        if names is None:
            names = _header(line, cells, column)
            continue
        if any(cells[len(names) :]):
            yield LineError(
                line,
                f"it has {len(cells)} cells, the first line {len(names)}: put text that holds a "
                f"{_DELIMITERS.get(delimiter, 'control sign')} in double quotes.",
            )
            continue
        unnamed = [cell for name, cell in zip(names, cells, strict=False) if cell and not name]
        if unnamed:
            yield LineError(line, f"'{unnamed[0][:40]}' stands in a column without a name: give it one.")
            continue
        yield Record(line, {name: cell for name, cell in zip(names, cells, strict=False) if cell})


def _quotes(problem: str) -> str:
    if "field larger" in problem:
        return "a cell is longer than any the studio takes: a double quote may be missing at its end."
    return "its double quotes don't match: write each one inside a quoted cell twice."


def _header(line: int, cells: Sequence[str], column: Column) -> list[str]:
    names: list[str] = []
    for cell in cells:
        try:
            name = column(cell) if cell else ""
        except InvalidRequestError as error:
            raise BrokenTableError(line, str(error)) from error
        if name and name in names:
            raise BrokenTableError(line, f"the column '{name}' is there twice: take one out.")
        names.append(name)
    return names


def _json_lines(text: str, column: Column) -> Iterator[Record | LineError]:
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            yield _record(line, content, column)


def _record(line: int, content: str, column: Column) -> Record | LineError:
    try:
        return _object(line, _DECODER.decode(content.strip()), column)
    except InvalidRequestError as error:
        return LineError(line, str(error))
    except (ValueError, RecursionError) as error:
        return LineError(line, f"{_fault(error)}: write one JSON object in each line.")


def _array(text: str, column: Column) -> Iterator[Record | LineError]:
    place, line, counted = text.index("[") + 1, 1, 0
    while True:
        place = _between(text, place)
        line += text.count("\n", counted, place)
        counted = place
        if text[place : place + 1] == "]":
            return
        try:
            value, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            raise BrokenTableError(line, f"{_fault(error)}: the array of rows can't be read on.") from error
        try:
            yield _object(line, value, column)
        except InvalidRequestError as error:
            yield LineError(line, str(error))


def _between(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return found.end() if found else place


def _object(line: int, value: Any, column: Column) -> Record:
    if not isinstance(value, dict):
        raise InvalidRequestError("it is no JSON object: write {} with the names of columns in it.")
    said: dict[str, Any] = {}
    names: set[str] = set()
    for written, one in value.items():
        name = column(written)
        if name in names:
            raise InvalidRequestError(f"the column '{name}' is there twice: take one out.")
        names.add(name)
        if isinstance(one, list) and all(isinstance(part, str) for part in one):
            one = "\n".join(one)
        if isinstance(one, (dict, list)):
            raise InvalidRequestError(f"{name} is a group: give one text, number, or list of texts.")
        if isinstance(one, str):
            one = one.strip()
        if one is not None and one != "":
            said[name] = one
    return Record(line, said)


def _fault(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON ({error.msg.lower()})"
    return "it is no JSON" if isinstance(error, RecursionError) else str(error)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"'{twice[:40]}' is there twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number)
