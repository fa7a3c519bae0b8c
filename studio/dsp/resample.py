"""A change of sample rate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE


def resample(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Samples [n] at `sample_rate` → at 16 kHz, band-limited (polyphase)."""
    if sample_rate == SAMPLE_RATE or not len(samples):
        return samples
    from scipy.signal import resample_poly  # takes longer to import than the page has

    common = math.gcd(sample_rate, SAMPLE_RATE)
    return resample_poly(samples, SAMPLE_RATE // common, sample_rate // common).astype(np.float32)
