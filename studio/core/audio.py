"""Sound as plain values."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import NoSoundError

SAMPLE_RATE = 16000  # that every model of the studio speaks
Bandwidth = Literal["16k", "48k"]
RATES_HZ: dict[Bandwidth, int] = {"16k": SAMPLE_RATE, "48k": 48000}  # of takes
GENERATED_HZ = SAMPLE_RATE // 2  # up to here a model says what there is; above, it is extended
NO_SOUND = (
    "The model's numbers ran out of range, so what it made from here on is no sound: choose float32 as the "
    "precision, or a lower guidance, and start again."
)


def to_int16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Float samples in [−1, 1] → 16-bit, clipped, rounded. Page and file share this one conversion.

    Raises:
        NoSoundError: a sample is infinite or not a number, which clipping would turn into noise or silence.
    """
    if not np.isfinite(samples).all():
        raise NoSoundError(NO_SOUND)
    whole: NDArray[np.int16] = np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2")
    return whole


def sound_before_fault(samples: NDArray[np.floating]) -> NDArray[np.floating]:
    """Samples [n] or [n, channels] up to the first that is infinite or not a number."""
    finite = np.isfinite(samples)
    faults = np.flatnonzero(~(finite if finite.ndim == 1 else finite.all(axis=1)))
    return samples[: faults[0]] if len(faults) else samples


def middle(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples [n] or [n, channels] → what is common to their channels [n]: their mean."""
    return samples if samples.ndim == 1 else samples.mean(axis=1, dtype=np.float32)


def format_time(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    whole = int(max(0.0, seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"
