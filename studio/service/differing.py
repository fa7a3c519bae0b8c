"""Two finished takes held against each other, at one loudness: where they differ, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from studio.core.audio import middle
from studio.core.errors import InvalidRequestError
from studio.dsp.difference import Difference, difference

LONGEST_S = 180.0  # of either take that is looked at


@dataclass(frozen=True)
class Differing:
    """How a second take differs from a first.

    `louder_lu` is how much louder the second is as it is, None where one has no loudness; the difference is
    of both at the loudness of the quieter one. `cut` says that one goes on beyond what was looked at.
    """

    difference: Difference
    louder_lu: float | None
    cut: bool


def differing(one: Path, other: Path) -> Differing:
    """The first three minutes of two takes, at the lower of their sample rates.

    Raises:
        InvalidRequestError: one is gone, or no sound.
    """
    (first, rate, lufs, cut), (second, second_rate, second_lufs, second_cut) = map(_read, (one, other))
    lowest = min(rate, second_rate)
    gains = [1.0, 1.0]
    louder = None
    if lufs is not None and second_lufs is not None:
        louder, quieter = second_lufs - lufs, min(lufs, second_lufs)
        gains = [10 ** ((quieter - level) / 20) for level in (lufs, second_lufs)]
    sounds = [
        _at(lowest, own, (gain * sound).astype(np.float32))
        for sound, own, gain in zip((first, second), (rate, second_rate), gains, strict=True)
    ]
    return Differing(difference(sounds[0], sounds[1], lowest), louder, cut or second_cut)


def _read(path: Path) -> tuple[np.ndarray, int, float | None, bool]:
    """The mean of a take's channels [n], its rate, its loudness in LUFS, and whether there is more of it."""
    from studio.dsp.loudness import LoudnessMeter  # its filters take longer to import than the page has

    try:
        with sf.SoundFile(path) as sound:
            rate = sound.samplerate
            samples = sound.read(round(LONGEST_S * rate), dtype="float32", always_2d=True)
            cut = sound.tell() < sound.frames
    except (OSError, sf.LibsndfileError) as error:
        raise InvalidRequestError(f"Can't read {path.name}: choose another take.") from error
    meter = LoudnessMeter(rate, samples.shape[1])
    meter.push(samples.astype(np.float64))
    lufs = meter.integrated()
    return middle(samples), rate, lufs if np.isfinite(lufs) else None, cut


def _at(rate: int, own: int, sound: np.ndarray) -> np.ndarray:
    from studio.dsp.resample import resample

    return resample(sound, own, rate)
