"""What a clip holds, before it is rendered or put in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Distance = Literal["near", "mid", "distant"]


@dataclass(frozen=True)
class Voice:
    """One family in a clip. `gain_db` is relative to the family's usual level, before distance."""

    family: str
    attributes: Mapping[str, str]
    distance: Distance = "mid"
    reverb: bool = False
    gain_db: float = 0.0


@dataclass(frozen=True)
class ClipDescription:
    """What is in a clip: one voice, or two with the foreground first."""

    duration_s: float
    voices: tuple[Voice, ...]

    @property
    def is_scene(self) -> bool:
        return len(self.voices) > 1

    @property
    def reverb(self) -> bool:
        """Whether the place echoes; the voices of a scene share one place."""
        return self.voices[0].reverb
