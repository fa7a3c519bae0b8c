"""Sound files of any rate and channels, as training takes them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from scipy.signal import resample_poly

from studio.core.errors import InvalidRequestError


def read_sound(path: Path, length: int, sample_rate: int) -> NDArray[np.float32]:
    """A file's beginning as mono samples [length] at `sample_rate`; silence follows where it is shorter.

    Raises:
        InvalidRequestError: it is no sound file that libsndfile reads, or holds what is no sound.
    """
    try:
        rate = sf.info(path).samplerate
        samples, _ = sf.read(path, math.ceil(length * rate / sample_rate), dtype="float32", always_2d=True)
    except (OSError, sf.LibsndfileError) as error:
        raise InvalidRequestError(f"Can't read {path.name}: convert it to WAV or FLAC.") from error
    mono = samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise InvalidRequestError(f"{path.name} holds numbers that are no sound: export it anew.")
    if rate != sample_rate and len(mono):
        common = math.gcd(rate, sample_rate)
        mono = resample_poly(mono, sample_rate // common, rate // common).astype(np.float32)
    mono = mono[:length]
    return np.pad(mono, (0, length - len(mono)))
