"""What is known of a take that is edited: its sound, and the latents that it was decoded from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.core.preset import PromptChange
from studio.core.request import GenerationRequest
from studio.core.speech import Said

if TYPE_CHECKING:
    from torch import Tensor

    from studio.backends.base import Backend

MARGIN_FRAMES = 32  # encoded around what is wanted, and dropped: the encoder's edge


class KnownTake(Protocol):
    """A take that is there, read in parts: however long it is, it is never held whole.

    `cues` are the prompts as they are heard in it, the first from its beginning on; `loop` is the span that
    plays round, where one does; `name` what the take's file is called; `channels` are those of its sound;
    `said` the words in it, and when.
    """

    name: str
    request: GenerationRequest
    samples: int
    sample_rate: int
    channels: int
    cues: tuple[PromptChange, ...]
    loop: tuple[int, int] | None
    said: tuple[Said, ...]

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """Samples in [−1, 1] from `start` on: [count] of one channel, else [count, 2]."""
        ...

    def latents(self, start_frame: int, frames: int) -> Tensor | None:
        """The latents [channels sampled, C, frames, F] that were kept; None where these were not."""
        ...


def kept_latents(take: KnownTake, start_frame: int, frames: int, sampled: int) -> Tensor | None:
    """The latents [sampled, C, frames, F] that were kept of a take; None without any of these channels."""
    kept = take.latents(start_frame, frames)
    return kept if kept is not None and len(kept) == sampled else None


def latents_from(
    take: KnownTake, start: int, frames: int, backend: Backend, sampled: int
) -> tuple[Tensor, bool]:
    """The latents [sampled, C, frames, F] of a take's sound from sample `start` on, and whether they were
    encoded.

    Those that were kept where `start` is a frame's beginning; else the encoder makes them of the sound, with
    some more of it on each side: of both channels, or of their middle where `sampled` is one.
    """
    import torch  # a page that is opened does not wait for it

    hop = backend.geometry.hop_samples
    if frames and start % hop == 0:
        kept = kept_latents(take, start // hop, frames, sampled)
        if kept is not None:
            return kept.to(backend.device), False
    before = min(MARGIN_FRAMES, start // hop)
    after = min(MARGIN_FRAMES, (take.samples - start) // hop - frames)
    heard = take.read(start - before * hop, (before + frames + after) * hop)
    encoded = torch.cat([backend.encode_audio(channel) for channel in _channels(heard, sampled)])
    return encoded[:, :, before : before + frames], frames > 0


def _channels(samples: NDArray[np.float32], sampled: int) -> list[NDArray[np.float32]]:
    """Each channel [n] that is sampled of those that are heard."""
    if samples.ndim == 1:
        return [samples]
    if sampled == 1:
        return [middle(samples)]
    return [np.ascontiguousarray(channel) for channel in samples.T]


def middle(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean [n] of both channels [n, 2]; of one [n], itself."""
    return samples if samples.ndim == 1 else (samples[:, 0] + samples[:, 1]) / np.float32(2)
