"""Where a recording ends and made sound begins: the latents that a take goes on from, and the join heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.pipeline.recording import Recording
from studio.samplers.concat import equal_power
from studio.samplers.fifo import FifoPlan

if TYPE_CHECKING:
    from torch import Tensor

    from studio.backends.base import Backend, StreamDecoder

LEAD_FRAMES = 32  # of the recording beside which the first window grows: as many as the U-Net was trained on
MARGIN_FRAMES = 32  # encoded before them and dropped: the encoder's edge
FADE_S = 0.3


class Join:
    """A `StreamDecoder` whose first sound fades in over what was heard before.

    The recording's last frames are decoded again, as the model says them: what comes first is dropped, and
    the recording's `tail` [n] blends into what says the same. The two agree in sound, not in phase, so their
    powers add.
    """

    def __init__(
        self, decoder: StreamDecoder, tail: NDArray[np.float32] | None = None, skip: int = 0
    ) -> None:
        self._decoder = decoder
        tail = np.zeros(0, np.float32) if tail is None else tail
        self._rise, fall = equal_power(len(tail))
        self._tail = fall * tail
        self._skip = skip

    @property
    def fade_samples(self) -> int:
        """Samples of the recording still to be faded out."""
        return len(self._tail)

    @property
    def joined(self) -> bool:
        """Whether nothing of the recording is to come any more."""
        return self._skip == 0 and len(self._tail) == 0

    def push(self, latents: Tensor) -> NDArray[np.float32]:
        """Take the next latent frames [1, C, t, F]; give the samples [n] that are settled by now."""
        return self._blend(self._decoder.push(latents))

    def flush(self) -> NDArray[np.float32]:
        """Give what is left."""
        return self._blend(self._decoder.flush())

    def state_dict(self) -> dict[str, Any]:
        """The decoder's own: a state is worth saving once `joined`."""
        return self._decoder.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`'s value."""
        self._decoder.load_state_dict(state)

    def _blend(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        dropped = min(self._skip, len(samples))
        self._skip -= dropped
        samples = samples[dropped:].copy()
        count = min(len(self._tail), len(samples))
        samples[:count] = self._rise[:count] * samples[:count] + self._tail[:count]
        self._rise, self._tail = self._rise[count:], self._tail[count:]
        return samples


def lead_latents(recording: Recording, plan: FifoPlan, backend: Backend) -> Tensor:
    """The recording's end as latents [1, C, lead, F]: the plan's buffer, and more where there is more.

    Raises:
        InvalidRequestError: the recording is shorter than the buffer, or not of the model's sample rate.
    """
    geometry = backend.geometry
    if geometry.sample_rate != recording.sample_rate:
        raise InvalidRequestError(
            f"The recording is at {recording.sample_rate} Hz and the take at {geometry.sample_rate}: it "
            "can't go on from there."
        )
    frames = len(recording.samples) // geometry.hop_samples
    if frames < plan.buffer_frames:
        raise InvalidRequestError(
            f"The buffer spans {plan.buffer_frames / geometry.frame_rate:.1f} s, more than the recording: "
            "take a shorter buffer or a longer recording."
        )
    more = max(0, min(frames, LEAD_FRAMES) - plan.buffer_frames)
    lead = plan.buffer_frames + more - more % geometry.frame_multiple
    heard = min(frames, lead + MARGIN_FRAMES)
    latents = backend.encode_audio(recording.samples[-heard * geometry.hop_samples :])
    return latents[:, :, heard - lead :]


def join(recording: Recording, lead_frames: int, backend: Backend) -> Join:
    """The decoder of a take that goes on from the recording; its first frames are those of `lead_latents`."""
    lead = lead_frames * backend.geometry.hop_samples
    fade = min(lead, round(FADE_S * backend.geometry.sample_rate))
    return Join(backend.stream_decoder(), recording.samples[len(recording.samples) - fade :], lead - fade)
