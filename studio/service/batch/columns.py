"""The columns of a manifest: the names of the table of fields, as the command line spells them."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache

from studio.core.binding import type_of
from studio.core.errors import InvalidRequestError
from studio.core.field import Field
from studio.core.fields import fields_of
from studio.core.modes import MODES
from studio.core.text import one_line

OWN = ("mode", "preset", "name", "count")
# What other faces take and no row has.
REFUSED: Mapping[str, str] = {
    "endless": "a row has an end: give its seconds.",
    "continue_from": "rows go on from no recording: render such a take by itself.",
    "script": "write what is said itself, as say, instead of a script's file.",
    "out": "files are named by their rows' ids: give a name.",
    "outputs": "the folder is --out.",
    "variations": "write it as count.",
    "effort": "write the steps that you want.",
}
_SHOWN_CHARS = 40


@cache
def fields_by_column(mode: str) -> Mapping[str, Field]:
    """What may be said of a mode's takes in a row, by the names of its options, and by its other names."""
    fields = [field for field in fields_of(mode) if field.path]
    found = {field.option_name: field for field in fields}
    for field in fields:
        also = field.option.also.strip("-").replace("-", "_") if field.option else ""
        for other in (field.name, also):
            found.setdefault(other, field)
    found.pop("", None)
    return found


@cache
def kind_of(name: str, mode: str) -> type:
    """What a value of a column is on its way in, as `binding.type_of`."""
    return type_of(fields_by_column(mode)[name], mode)


@cache
def columns() -> tuple[str, ...]:
    """All names that columns may have, in the order of the table."""
    named = (name for mode in MODES for name in fields_by_column(mode))
    return tuple(dict.fromkeys([*OWN, *named]))


def column(written: str) -> str:
    """The name of the column that a manifest writes so: in small letters or large, with dashes or spaces.

    Raises:
        InvalidRequestError: there is none; names the nearest, or says what to do instead.
    """
    known = _known(written)
    if not isinstance(known, str):
        raise InvalidRequestError(known.sentence)
    return known


class _None:
    """There is no such column."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence


@cache
def _known(written: str) -> str | _None:
    name = one_line(written).lower().strip("- ").replace("-", "_").replace(" ", "_")
    if name in columns():
        return name
    shown = one_line(written)[:_SHOWN_CHARS]
    if name in REFUSED:
        return _None(f"there is no column '{shown}': {REFUSED[name]}")
    near = get_close_matches(name, columns(), n=1)
    hint = f"did you mean '{near[0]}'?" if near else "take it out, or see 'longwave batch example'."
    return _None(f"there is no column '{shown}': {hint}")
