"""`{a|b|c}` in a text stands for each of its alternatives in turn."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from studio.core.errors import InvalidRequestError

_CHOICE = re.compile(r"\{([^{}|]*\|[^{}]*)\}")
_NESTED = re.compile(r"\{[^{}]*\{[^{}|]*\|")


def alternatives(values: Mapping[str, Any]) -> int:
    """How many rows `expand` makes of these, without making them."""
    parts = itertools.chain.from_iterable(_parts(value) for value in values.values())
    return math.prod(len(part) for part in parts)


def expand(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The values with one alternative of each brace: all combinations, the last brace's changing fastest.

    Braces without a `|` are ordinary signs.

    Raises:
        InvalidRequestError: alternatives within alternatives.
    """
    parts = {name: _parts(value) for name, value in values.items()}
    chosen: Iterator[tuple[Any, ...]] = itertools.product(*itertools.chain.from_iterable(parts.values()))
    for one in chosen:
        pieces = iter(one)
        taken = {name: [next(pieces) for _ in part] for name, part in parts.items()}
        yield {
            name: "".join(piece) if isinstance(values[name], str) else piece[0]
            for name, piece in taken.items()
        }


def _parts(value: Any) -> list[list[Any]]:
    """A text cut at its braces: what it may be in each place. Of anything else there is one."""
    if not isinstance(value, str) or "{" not in value:
        return [[value]]
    if _NESTED.search(value):
        raise InvalidRequestError("braces stand within braces: write out the alternatives of the outer ones.")
    pieces = _CHOICE.split(value)
    return [piece.split("|") if place % 2 else [piece] for place, piece in enumerate(pieces)]
