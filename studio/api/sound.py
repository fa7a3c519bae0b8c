"""A whole sound, and how it becomes a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import StudioError
from studio.core.request import GenerationRequest
from studio.core.speech import Said
from studio.pipeline.recording import Recording
from studio.service.takes.record import EditNotes


@dataclass(frozen=True, eq=False)
class Sound:
    """A whole sound: float32 `samples` in [−1, 1] at `sample_rate` Hz, [n] or of stereo [n, 2], and the
    request it is of.

    `recording` is what the sound begins with, where it goes on from one; `said` the words in it, and when;
    `edited` what it was made of, where it is an edit of another.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    request: GenerationRequest
    recording: Recording | None = field(default=None, repr=False)
    said: tuple[Said, ...] = ()
    edited: EditNotes | None = field(default=None, repr=False)

    @property
    def loop(self) -> tuple[int, int] | None:
        """The samples [first, after the last) that play round, where any do."""
        return None if self.edited is None else self.edited.loop

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate

    def save(self, path: str | Path) -> Path:
        """Write a .wav, .flac, .ogg, .opus or .mp3 that holds its settings, and beside it the same as JSON.

        Either opens in the page's form, or by `load_preset`. A file that is there is replaced.

        Raises:
            InvalidRequestError: another suffix, or a place that can't be written.
            OutOfResourcesError: the disk is full.
            NoSoundError: a sample is no number.
        """
        from studio.service.takes.place import claimed
        from studio.service.takes.writer import TakeWriter

        out = Path(path)
        claim = claimed(out)
        try:
            take = TakeWriter.begin(self.request, self.sample_rate, out.parent, out, self.recording)
            if self.said:
                take.tell_said(self.said)
            if self.edited is not None:
                take.tell_edit(self.edited)
            unheard = self.recording.silent_samples if self.recording else 0
            try:
                take.write(self.samples[unheard:])
            except BaseException:
                take.finish("failed", {})
                raise
            written = take.finish("finished", {})
        finally:
            claim.release()
        if written != out:
            raise StudioError(f"Could not write {out}: the sound is whole in {written}.")
        return written
