"""A prompt lane as text, one change a line: `mm:ss | prompt`."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError

from studio.core.errors import InvalidRequestError
from studio.core.messages import first_problem
from studio.core.request import MAX_LANE_POINTS, PromptPoint
from studio.core.text import read_text
from studio.core.times import TIME, format_exactly, read_time

MAX_LANE_BYTES = 1_000_000
_LINE = re.compile(rf"{TIME}\s*\|(.*)")
_SHOWN_CHARS = 60


def parse_lane(text: str) -> tuple[PromptPoint, ...]:
    """The points of a lane, in order of time.

    A time is `ss`, `mm:ss` or `h:mm:ss`, its seconds to the millisecond. Lines end as on any system. Empty
    ones and those that begin with `#` are passed over.

    Raises:
        InvalidRequestError: names the line at fault.
    """
    points: dict[float, PromptPoint] = {}
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            point = _parse_line(line.strip())
            if point.at_s in points:
                raise InvalidRequestError("this time has a prompt already; take one of the two out.")
        except InvalidRequestError as error:
            shown = repr(line.strip()[:_SHOWN_CHARS])
            raise InvalidRequestError(f"Line {number} of the prompt lane ({shown}): {error}") from error
        points[point.at_s] = point
    if len(points) > MAX_LANE_POINTS:
        raise InvalidRequestError(
            f"A prompt lane has at most {MAX_LANE_POINTS} changes, this one {len(points)}: split the take."
        )
    return tuple(points[at_s] for at_s in sorted(points))


def read_lane(path: Path) -> tuple[PromptPoint, ...]:
    """The lane in a UTF-8 text file.

    Raises:
        InvalidRequestError: no such file, no text, or a line that is none of a lane's.
    """
    try:
        return parse_lane(read_text(path, MAX_LANE_BYTES, regular=False))
    except OSError as error:
        raise InvalidRequestError(f"Can't read the lane {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise InvalidRequestError(f"Can't read the lane {path}: check its name.") from error


def format_lane(points: tuple[PromptPoint, ...]) -> str:
    """The text that `parse_lane` reads as these points, their times to the millisecond."""
    return "".join(f"{format_exactly(point.at_s)} | {point.prompt}\n" for point in points)


def opening_prompt(points: tuple[PromptPoint, ...]) -> str | None:
    """What the lane itself begins with, where it begins at 0:00: a take of it needs no other prompt."""
    return points[0].prompt if points and points[0].at_s == 0 else None


def _parse_line(line: str) -> PromptPoint:
    match = _LINE.fullmatch(line)
    if match is None:
        raise InvalidRequestError("write it as 'mm:ss | prompt'.")
    *time, prompt = match.groups()
    try:
        at_s = read_time(*time)
    except ValueError as error:
        raise InvalidRequestError("what follows a colon is below 60.") from error
    try:
        return PromptPoint(at_s=at_s, prompt=prompt)
    except ValidationError as error:
        raise InvalidRequestError(first_problem(error, PromptPoint)) from error
