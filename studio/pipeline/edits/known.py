"""What is known of a take that is edited: its sound, and the latents that it was decoded from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.core.preset import PromptChange
from studio.core.request import GenerationRequest

if TYPE_CHECKING:
    from torch import Tensor

    from studio.backends.base import Backend

MARGIN_FRAMES = 32  # encoded around what is wanted, and dropped: the encoder's edge


class KnownTake(Protocol):
    """A take that is there, read in parts: however long it is, it is never held whole.

    `cues` are the prompts as they are heard in it, the first from its beginning on; `loop` is the span that
    plays round, where one does; `name` what the take's file is called.
    """

    name: str
    request: GenerationRequest
    samples: int
    sample_rate: int
    cues: tuple[PromptChange, ...]
    loop: tuple[int, int] | None

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """Samples [count] in [−1, 1] from `start` on."""
        ...

    def latents(self, start_frame: int, frames: int) -> Tensor | None:
        """The latents [1, C, frames, F] that were kept; None where these were not."""
        ...


def latents_from(take: KnownTake, start: int, frames: int, backend: Backend) -> tuple[Tensor, bool]:
    """The latents [1, C, frames, F] of a take's sound from sample `start` on, and whether they were encoded.

    Those that were kept where `start` is a frame's beginning; else the encoder makes them of the sound, with
    some more of it on each side.
    """
    hop = backend.geometry.hop_samples
    if frames and start % hop == 0:
        kept = take.latents(start // hop, frames)
        if kept is not None:
            return kept.to(backend.device), False
    before = min(MARGIN_FRAMES, start // hop)
    after = min(MARGIN_FRAMES, (take.samples - start) // hop - frames)
    heard = take.read(start - before * hop, (before + frames + after) * hop)
    return backend.encode_audio(heard)[:, :, before : before + frames], frames > 0
