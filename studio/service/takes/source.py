"""A take on disk as an edit reads it: in parts, its sound and the latents beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.core.preset import Preset, TakeRecord
from studio.core.text import one_line
from studio.service.takes.latents import StoredLatents
from studio.service.takes.naming import LATENTS
from studio.service.takes.record import cues_of

if TYPE_CHECKING:
    from torch import Tensor

_FULL_SCALE = np.float32(32767)  # of `core.audio.to_int16`: what is kept stays as it is, to the bit


class TakeOnDisk:
    """A `pipeline.edits.known.KnownTake`: a sound file and what is known of it."""

    def __init__(self, path: Path, record: Preset) -> None:
        """Look at the file.

        Raises:
            InvalidRequestError: it is no sound, or its settings are of no take.
        """
        self.path, self.name = path, path.name
        self.record = record
        self.request = record.request()
        self.loop = record.take.loop if record.take else None
        self.said = record.take.said if record.take else ()
        played = record.take.cues if record.take else ()
        self.cues = played or cues_of(self.request, math.inf)
        try:
            about = sf.info(path)
        except (OSError, RuntimeError) as error:
            raise InvalidRequestError(f"Can't read {one_line(path.name)}: it is no sound file.") from error
        self.channels = int(about.channels)
        self.samples, self.sample_rate = int(about.frames), int(about.samplerate)
        self._exact = about.subtype == "PCM_16"
        self._kept = _stored(path)

    @property
    def about(self) -> TakeRecord | None:
        """What is recorded of the take; None of a sound that has nothing but settings."""
        return self.record.take

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """Samples in [−1, 1] from `start` on: [count] of one channel, else [count, channels].

        Raises:
            InvalidRequestError: the file is damaged.
        """
        try:
            with sf.SoundFile(self.path) as sound:
                sound.seek(start)
                if self._exact:
                    samples = sound.read(count, dtype="int16").astype(np.float32) / _FULL_SCALE
                else:
                    samples = sound.read(count, dtype="float32")
        except (OSError, RuntimeError) as error:
            raise InvalidRequestError(f"Can't read {one_line(self.name)}: its sound is damaged.") from error
        if len(samples) < count:
            raise InvalidRequestError(f"{one_line(self.name)} ends early: its sound is damaged.")
        read: NDArray[np.float32] = np.clip(samples, -1.0, 1.0)
        return read

    def latents(self, start_frame: int, frames: int) -> Tensor | None:
        """The latents [channels, C, frames, F] that were kept; None where these were not."""
        if self._kept is None:
            return None
        try:
            return self._kept.read(start_frame, frames)
        except (OSError, ValueError):
            return None


def _stored(path: Path) -> StoredLatents | None:
    try:
        return StoredLatents(path.with_suffix(LATENTS))
    except (OSError, ValueError):
        return None
