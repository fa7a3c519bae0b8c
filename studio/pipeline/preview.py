"""A look at a clip while it is denoised, for a small share of the time that the denoising takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from torch import Tensor

from studio.core.events import Preview
from studio.dsp.spectrogram import mel_columns

if TYPE_CHECKING:
    from studio.backends.base import Backend

SHARE = 0.04  # of the run's time
WIDTH = 800


class Previews:
    """Looks when the last look's cost has been worked off, and once more at the end."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._began = time.perf_counter()
        self._spent_s = 0.0
        self._cost_s = 0.0

    def look(self, step: int, total: int, latents: Tensor) -> Preview | None:
        """The picture of latents [1, C, T, F] after a step; None where it is too early for another."""
        began = time.perf_counter()
        too_early = self._spent_s + self._cost_s > SHARE * (began - self._began)
        if step < total and too_early:
            return None
        columns = mel_columns(self._backend.preview(latents), WIDTH)
        self._cost_s = time.perf_counter() - began
        self._spent_s += self._cost_s
        return Preview(step, columns)
