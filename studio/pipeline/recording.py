"""A recording of the user's that a take goes on from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE
from studio.core.errors import InvalidRequestError
from studio.core.preset import Source
from studio.core.request import GenerationRequest

HEARD_S = 4.0


@dataclass(frozen=True)
class Recording:
    """Mono float32 `samples` [n] at `sample_rate`, and which file they were.

    `notes` are what its reader noticed and a listener should know, a sentence each.
    """

    samples: NDArray[np.float32]
    source: Source
    notes: tuple[str, ...] = ()
    sample_rate: int = SAMPLE_RATE

    @property
    def silent_samples(self) -> int:
        """How much of it goes to the take unheard: a listener is to hear the join, not all of it again."""
        return max(0, len(self.samples) - round(HEARD_S * self.sample_rate))


def check_continuation(request: GenerationRequest, recording: Recording) -> None:
    """Raises `InvalidRequestError` where the request can't be a continuation of the recording."""
    if request.sampler.kind != "endless":
        raise InvalidRequestError("Only an endless take can go on from a recording: choose that sampler.")
    if recording.sample_rate != request.sample_rate:
        raise InvalidRequestError(
            f"The recording was read at {recording.sample_rate} Hz and the take is at {request.sample_rate}: "
            "read it at the take's rate."
        )
    length_s = recording.source.duration_s
    if request.duration_s is not None and request.duration_s <= length_s:
        raise InvalidRequestError(
            f"The recording is {length_s:.1f} s long and the take begins with it: ask for more seconds."
        )
