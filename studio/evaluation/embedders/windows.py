"""A clip cut into the windows that a network hears."""

from __future__ import annotations

from typing import Literal

import numpy as np

from studio.evaluation.embedders.base import Samples

Fill = Literal["repeat", "silence"]


def windows(samples: Samples, length: int, hop: int | None = None, *, fill: Fill) -> Samples:
    """Samples [n] → the windows [count, length] that fit, `hop` apart (`length` by default); never none.

    A clip that is shorter than one is repeated, or followed by silence, until it is one.

    Raises:
        ValueError: no samples.
    """
    if not len(samples):
        raise ValueError("no samples to hear")
    if len(samples) < length:
        if fill == "repeat":
            return np.resize(samples, (1, length)).astype(np.float32)
        return np.pad(samples, (0, length - len(samples)))[None].astype(np.float32)
    rows = np.lib.stride_tricks.sliding_window_view(samples, length)[:: hop or length]
    return np.array(rows, np.float32)  # a copy: torch takes no view that is not its own
