"""Sound cut into pieces that know what lies beside them, however it comes in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]


class Pieces:
    """Pieces [margin + size + margin, channels] of a growing sound, `size` apart.

    Before the beginning and after the end lies silence, so a piece's own part begins `margin` in.
    """

    def __init__(self, size: int, margin: int, channels: int) -> None:
        self._size, self._margin = size, margin
        self._held = np.zeros((margin, channels), np.float32)
        self._start = 0

    def push(self, sound: Sound) -> Iterator[tuple[int, Sound]]:
        """Take the next samples [n, channels]; where pieces that are whole by now begin, and the pieces."""
        self._held = np.concatenate([self._held, sound])
        yield from self._whole()

    def flush(self) -> Iterator[tuple[int, Sound]]:
        """What is left, filled up with silence."""
        left = len(self._held) - self._margin
        if left > 0:
            room = -(-left // self._size) * self._size + self._margin - left
            self._held = np.pad(self._held, ((0, room), (0, 0)))
            yield from self._whole()

    def _whole(self) -> Iterator[tuple[int, Sound]]:
        while len(self._held) >= self._size + 2 * self._margin:
            yield self._start, self._held[: self._size + 2 * self._margin]
            self._held = self._held[self._size :]
            self._start += self._size
