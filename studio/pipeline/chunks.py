"""Consecutive samples as events, cut to a take's exact length."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from studio.core.events import AudioChunk


def total_samples(duration_s: float, sample_rate: int) -> int:
    """Samples of a take that lasts `duration_s`, at least one."""
    return max(1, round(duration_s * sample_rate))


class ChunkCutter:
    """Numbers samples as they come and drops what lies beyond the end."""

    def __init__(self, sample_rate: int, total: int | None, position: int = 0) -> None:
        """`position` counts the samples that came before, in a take that goes on."""
        self._sample_rate = sample_rate
        self._total = total
        self._position = position
        self._fade: int | None = None  # samples of the end that fades; 0 where there is none left to

    def fade_out(self, samples: int) -> int:
        """Let the take end `samples` from here, or at its end if that comes first; where it then ends."""
        self._total = min(self._position + samples, self._total or sys.maxsize)
        self._fade = self._total - self._position
        return self._total

    @property
    def fading(self) -> bool:
        """Whether the take's end has begun."""
        return self._fade is not None

    def cut(self, samples: NDArray[np.float32]) -> Iterator[AudioChunk]:
        """The next samples [n] or [n, channels] as one chunk, or none where nothing of them belongs to the
        take.
        """
        if self._total is not None:
            samples = samples[: self._total - self._position]
        if self._fade and self._total is not None:
            left = self._total - self._position - np.arange(len(samples))
            gain = np.sin(np.pi / 2 * left / self._fade).astype(np.float32) ** 2
            samples = samples * (gain if samples.ndim == 1 else gain[:, None])
        if len(samples):
            yield AudioChunk(samples, self._sample_rate, self._position)
            self._position += len(samples)

    @property
    def position(self) -> int:
        """Samples so far."""
        return self._position

    @property
    def complete(self) -> bool:
        return self._position == self._total
