"""Sound as plain values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def to_int16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Float samples in [−1, 1] → 16-bit, clipped, rounded. Page and file share this one conversion."""
    return np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2")


def format_time(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    whole = int(max(0.0, seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"
