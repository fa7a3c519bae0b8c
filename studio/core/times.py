"""Times as people write them before a line of a lane or a script: `ss`, `mm:ss` or `h:mm:ss`."""

from __future__ import annotations

import re

from studio.core.errors import InvalidRequestError

TIME = r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,6}(?:\.\d{1,9})?)"  # hours, minutes, seconds


def read_time(hours: str | None, minutes: str | None, seconds: str) -> float:
    """Seconds, to the millisecond, of what `TIME` found.

    Raises:
        ValueError: there are 60 of what a colon carries on.
    """
    if (minutes and float(seconds) >= 60) or (hours and int(minutes or 0) >= 60):
        raise ValueError(
            "has a time whose seconds or minutes are 60 or more: what follows a colon is below 60"
        )
    return round(3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds), 3)


def seconds_of(text: str) -> float:
    """The seconds of a time by itself. Raises `InvalidRequestError` where it is none."""
    found = re.fullmatch(TIME, text.strip())
    if found is None:
        raise InvalidRequestError(f"'{text[:40]}' is no time: write it as m:ss, or in seconds, from 0:00 on.")
    try:
        return read_time(*found.groups())
    except ValueError as error:
        raise InvalidRequestError(f"'{text[:40]}' {error}.") from error


def format_exactly(at_s: float) -> str:
    """90.25 → "1:30.25", to the millisecond."""
    minutes, milliseconds = divmod(round(1000 * at_s), 60_000)
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{minutes}:{seconds:02}" + (f".{thousandths:03}".rstrip("0") if thousandths else "")
