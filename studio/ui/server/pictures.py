"""Takes at a glance, as pictures of the width that an address asks for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from studio.dsp.spectrogram import columns_png
from studio.service.takes.library import PICTURE_WIDTH, picture_of

WIDTHS = (16, 2400)


def width_of(asked: str | None) -> int:
    """The width that is asked for, within what is worth drawing. Raises `ValueError` for no number."""
    low, high = WIDTHS
    return min(max(int(asked or PICTURE_WIDTH), low), high)


@lru_cache(maxsize=512)
def picture_png(path: Path, changed_ns: int, width: int) -> bytes:
    """A sound's spectrogram; `changed_ns`: when it changed. Raises `InvalidRequestError` for no sound."""
    return columns_png(picture_of(path, width))
