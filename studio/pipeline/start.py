"""What a take begins from: nothing, a recording of the user's, or where it was interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from studio.pipeline.checkpoint import EndlessCheckpoint
from studio.pipeline.recording import Recording


@dataclass(frozen=True)
class Fresh:
    """A take of its own."""

    @property
    def first_sample(self) -> int:
        """Where in the take the sound begins that is made, and heard."""
        return 0


@dataclass(frozen=True)
class FromRecording:
    """The take is the recording, then what the model makes of its end."""

    recording: Recording

    @property
    def first_sample(self) -> int:
        """What was heard often enough is not made again."""
        return self.recording.silent_samples


@dataclass(frozen=True)
class FromCheckpoint:
    """The take goes on as if it had never been interrupted."""

    checkpoint: EndlessCheckpoint

    @property
    def first_sample(self) -> int:
        """What was made before is in its file."""
        return self.checkpoint.samples


Start: TypeAlias = Fresh | FromRecording | FromCheckpoint
FRESH = Fresh()
