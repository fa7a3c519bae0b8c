"""What takes are listed by."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from studio.service.takes.shelf import Take

Order: TypeAlias = Literal["newest", "oldest", "name", "longest", "shortest"]
_DIGITS = re.compile(r"([0-9]+)")


def ordered(takes: Sequence[Take], order: Order = "newest") -> list[Take]:
    """The takes in an order; those alike in it the newest first. One without a date counts as the oldest."""
    newest = sorted(takes, key=lambda take: take.age, reverse=True)
    if order == "newest":
        return newest
    if order == "oldest":
        return newest[::-1]
    keys: dict[Order, Callable[[Take], Any]] = {
        "name": lambda take: _as_read(take.name),
        "longest": lambda take: -take.length_s,
        "shortest": lambda take: take.length_s,
    }
    return sorted(newest, key=keys[order])


def _as_read(name: str) -> list[tuple[int, int, str]]:
    """A name as a person sorts it: whatever its case, "rain 9" before "rain 10"."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in _DIGITS.split(name.casefold())
        if part
    ]
