"""What of a take is wanted: a span, a loudness, a ceiling; read from text, and held against the take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from studio.core.audio import format_time
from studio.core.errors import InvalidRequestError

CEILING_DBTP = -1.0  # EBU R 128's own
LUFS_BOUNDS = (-60.0, 0.0)
CEILING_BOUNDS = (-20.0, 0.0)
WIDTH_BOUNDS = (0.0, 1.0)
_TIME = re.compile(r"(?:(?:([0-9]{1,4}):)?([0-9]{1,5}):)?([0-9]{1,7}(?:\.[0-9]{0,9})?)")
_NUMBER = re.compile(r"([-−+]?)([0-9]{1,4}(?:\.[0-9]{0,9})?)")
_SLACK_S = 0.001  # a length is told to the millisecond


class ExportRangeError(InvalidRequestError):
    """A value of a range is none, or outside the take; `field` says which of `read_export_range`'s."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class ExportRange:
    """From `start_s` to `end_s` (None: the take's end), at `lufs` (None: as it is), as wide as `width` says.

    `ceiling_dbtp` is what the true peak stays below where a loudness is asked for; else it means nothing.
    `width` is what is left of the side of two channels: 1 as they are, 0 their mean in both; to one it is
    nothing.
    """

    start_s: float = 0.0
    end_s: float | None = None
    lufs: float | None = None
    ceiling_dbtp: float = CEILING_DBTP
    width: float = 1.0

    def frames(self, total: int, sample_rate: int) -> tuple[int, int]:
        """The span as samples [start, stop) of a take of `total`.

        Raises:
            ExportRangeError: it is not inside the take, reversed or empty.
        """
        if self.start_s == 0 and self.end_s is None:
            return 0, total
        length_s = total / sample_rate
        long = f"The take is {describe_length(length_s)} long"
        if not 0.0 <= self.start_s < length_s:
            raise ExportRangeError("start", f"{long}: begin inside it.")
        start = round(self.start_s * sample_rate)
        if self.end_s is None:
            return min(start, total - 1), total
        if not self.end_s <= length_s + _SLACK_S:
            raise ExportRangeError("end", f"{long}: end inside it, or leave the end empty.")
        if self.end_s < self.start_s:
            raise ExportRangeError("end", "The end lies before the beginning: choose a later end.")
        stop = min(round(self.end_s * sample_rate), total)
        if stop <= start:
            raise ExportRangeError(
                "end", "Nothing lies between the beginning and the end: choose a later end."
            )
        return start, stop

    @property
    def untouched(self) -> bool:
        """Whether this is all of the take, as it is."""
        return self.start_s == 0 and self.end_s is None and self.lufs is None and self.width == 1

    @property
    def name(self) -> str:
        """The span as part of a file's name, "__0.5-2.5s", and the width, "__width0.5"; empty for all of the
        take as it is.
        """
        end = "" if self.end_s is None else f"{self.end_s:.12g}"
        span = f"__{self.start_s:.12g}-{end}s" if (self.start_s, end) != (0, "") else ""
        return span + ("" if self.width == 1 else f"__width{self.width:g}")


def read_export_range(words: Mapping[str, str | None]) -> ExportRange:
    """The range that these texts ask for: start, end, lufs, ceiling, width; missing or empty ones leave it as
    it is.

    Raises:
        ExportRangeError: a time that is none, a number that is none or out of bounds.
    """
    start, end = (_read_time(name, words.get(name)) for name in ("start", "end"))
    lufs = _read_number("lufs", words.get("lufs"), LUFS_BOUNDS, " LUFS")
    ceiling = _read_number("ceiling", words.get("ceiling"), CEILING_BOUNDS, " dBTP")
    width = _read_number("width", words.get("width"), WIDTH_BOUNDS, ": 0 is mono, 1 as it was made")
    return ExportRange(
        start or 0.0,
        end,
        lufs,
        CEILING_DBTP if ceiling is None else ceiling,
        1.0 if width is None else width,
    )


def describe_length(seconds: float) -> str:
    """A length as m:ss, with what is left to the millisecond."""
    thousandths = int(1000 * seconds + 1e-6) % 1000
    return format_time(seconds + 1e-9) + (f".{thousandths:03d}".rstrip("0") if thousandths else "")


def _read_time(name: str, text: str | None) -> float | None:
    if not (text or "").strip():
        return None
    match = _TIME.fullmatch((text or "").strip())
    if match is None:
        raise ExportRangeError(name, "Write the time as m:ss, or in seconds, from 0:00 on.")
    hours, minutes, seconds = match.groups()
    if (minutes and float(seconds) >= 60) or (hours and int(minutes) >= 60):
        raise ExportRangeError(
            name, "What follows a colon is below 60: write the time as m:ss, or in seconds."
        )
    return round(3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds), 3)


def _read_number(name: str, text: str | None, bounds: tuple[float, float], unit: str) -> float | None:
    if not (text or "").strip():
        return None
    low, high = bounds
    match = _NUMBER.fullmatch((text or "").strip())
    value = float(match[2]) * (-1 if match[1] in {"-", "−"} else 1) if match else high + 1
    if not low <= value <= high:
        raise ExportRangeError(name, f"Choose a number from {low:g} to {high:g}{unit}.".replace("-", "−"))
    return round(value, 3) + 0.0
