"""Sound files of any rate and channels, as training takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from scipy.signal import resample_poly

from studio.core.errors import InvalidRequestError
from studio.dsp.mel import SEAMLESS

PreparationName = Literal["tango", "kept"]
PREPARATIONS: tuple[PreparationName, ...] = get_args(PreparationName)
PEAK = 0.5  # that TANGO brings every clip to
SILENT = 1e-6  # below this peak there is only rounding to be made louder


@dataclass(frozen=True)
class Preparation:
    """How a file becomes what the VAE encodes.

    Attributes:
        name: "tango": the mean taken off and the peak brought to a half, as TANGO's authors do it; "kept":
            as it is in the file.
        seconds: of each clip.
        mel_padding: of its log-mel (`dsp.mel.log_mel`).
    """

    name: PreparationName
    seconds: float
    mel_padding: int = SEAMLESS

    @classmethod
    def named(cls, name: str, seconds: float | None, mel_padding: int) -> Preparation:
        """By its name: TANGO's are 10.24 s, 256 latents, and padded as the VAE's authors do it.

        Raises:
            InvalidRequestError: there is none of this name.
        """
        if name == "tango":
            return cls("tango", 10.24 if seconds is None else seconds, mel_padding)
        if name == "kept":
            return cls("kept", 10.0 if seconds is None else seconds)
        raise InvalidRequestError(f"There is no preparation '{name}': choose {' or '.join(PREPARATIONS)}.")

    @property
    def made_of(self) -> dict[str, Any]:
        """What names the clips that were encoded so; of "kept" what named them before there was another."""
        more = {"preparation": self.name, "mel_padding": self.mel_padding} if self.name != "kept" else {}
        return {"seconds": self.seconds, **more}

    def read(self, path: Path, length: int, sample_rate: int) -> NDArray[np.float32]:
        """A file's beginning as mono samples [length], prepared; raises as `read_sound`."""
        sound = _beginning(path, length, sample_rate)
        return _filled(as_tango(sound) if self.name == "tango" else sound, length)


def as_tango(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples [n] with their mean off and their peak at a half; what is silent then becomes silence."""
    centred = sound.astype(np.float64)
    centred -= centred.mean() if len(sound) else 0.0
    peak = np.abs(centred).max(initial=0.0)
    return (PEAK / peak * centred if peak > SILENT else np.zeros_like(centred)).astype(np.float32)


def read_sound(path: Path, length: int, sample_rate: int) -> NDArray[np.float32]:
    """A file's beginning as mono samples [length] at `sample_rate`; silence follows where it is shorter.

    Raises:
        InvalidRequestError: it is no sound file that libsndfile reads, or holds what is no sound.
    """
    return _filled(_beginning(path, length, sample_rate), length)


def _filled(sound: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    return np.pad(sound, (0, length - len(sound)))


def _beginning(path: Path, length: int, sample_rate: int) -> NDArray[np.float32]:
    """As `read_sound`, but at most so long."""
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
    return mono[:length]
