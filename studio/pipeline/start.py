"""What a take begins from: nothing, a recording of the user's, where it was interrupted, or another take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from studio.core.edit import AnyEdit
from studio.pipeline.checkpoint import EndlessCheckpoint
from studio.pipeline.edits.known import KnownTake
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


@dataclass(frozen=True)
class FromEdit:
    """The take is an edit of another, or of two; the request is the first's. `candidate` is which one of how
    many it is.
    """

    edit: AnyEdit
    takes: tuple[KnownTake, ...]
    candidate: tuple[int, int] = (1, 1)

    @property
    def first_sample(self) -> int:
        """It is heard from its beginning."""
        return 0


@dataclass(frozen=True)
class AsRing:
    """A take of its own that is sampled as a loop (`pipeline.ring`)."""

    @property
    def first_sample(self) -> int:
        """It is heard from its beginning."""
        return 0


Start: TypeAlias = Fresh | FromRecording | FromCheckpoint | FromEdit | AsRing
FRESH = Fresh()
