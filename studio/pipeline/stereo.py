"""From what is sampled to the channels that are heard: one of mono, two of stereo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.core.request import GenerationRequest
from studio.dsp.stereo import BassInTheMiddle, Doubled, Spread, Widened
from studio.pipeline.plan import RenderPlan, StereoPlan, stereo_plan
from studio.samplers.twin import SideNoise, side_generator, side_power

if TYPE_CHECKING:
    from torch import Tensor

    from studio.backends.base import Backend
    from studio.pipeline.continuation import Join

Samples = NDArray[np.float32]

BLOCK_SAMPLES = 1 << 20


def spread_of(plan: StereoPlan, sample_rate: int) -> Spread | None:
    """What brings a take's sampled channels to those that are heard; None where they are these."""
    if plan.kind == "mono":
        return None
    if plan.width == 0:
        return Doubled()
    return Widened(sample_rate, plan.width) if plan.kind == "wide" else BassInTheMiddle(sample_rate)


def side_of(plan: RenderPlan) -> SideNoise | None:
    """What draws the difference of a take's channels; None of one that is sampled once."""
    if plan.stereo.sampled == 1:
        return None
    return SideNoise(side_generator(plan.seed), side_power(plan.stereo.width, plan.stereo.steady))


def decode_sampled(latents: Tensor, backend: Backend) -> Samples:
    """A whole clip's latents [sampled, C, T, F] → the samples [n] or [n, 2] of the channels sampled."""
    return _side_by_side([backend.decode(channel) for channel in latents.split(1)])


def decode_channels(latents: Tensor, plan: StereoPlan, backend: Backend) -> Samples:
    """A whole clip's latents [sampled, C, T, F] → samples [n] of mono, else [n, 2]."""
    spread = spread_of(plan, backend.geometry.sample_rate)
    samples = decode_sampled(latents, backend)
    return samples if spread is None else spread.push(samples)


def spread_round(ring: Samples, plan: StereoPlan, sample_rate: int) -> Samples:
    """The sampled channels of a loop, [n] or [n, 2], as they are heard: its end sounds on at its start."""
    spread = spread_of(plan, sample_rate)
    if spread is None:
        return ring
    spread.push(ring)  # once round: of what came before the loop's beginning its last sounds alone are left
    return spread.push(ring)


def recorded_channels(request: GenerationRequest, samples: Samples, sample_rate: int) -> Samples:
    """The beginning [n] of a recording, as a take of the request that goes on from it has it heard."""
    plan = stereo_plan(request)
    spread = spread_of(plan, sample_rate)
    if spread is None:
        return samples
    blocks = [spread.push(_recorded(block, plan)) for block in _blocks(samples)]
    return np.concatenate(blocks) if blocks else np.zeros((0, 2), np.float32)


class Channels:
    """A stream's decoders, one for each channel that is sampled, and what brings them to those heard."""

    def __init__(self, joins: Sequence[Join], plan: StereoPlan, sample_rate: int) -> None:
        """`joins` are the decoders, alike."""
        self._joins, self._plan = joins, plan
        self._spread = spread_of(plan, sample_rate)

    @property
    def fade_samples(self) -> int:
        """Samples of the recording still to be faded out."""
        return self._joins[0].fade_samples

    @property
    def joined(self) -> bool:
        """Whether nothing of the recording is to come any more."""
        return self._joins[0].joined

    def push(self, latents: Tensor) -> Samples:
        """The next latent frames [sampled, C, t, F] → the samples [n] or [n, 2] that are settled by now."""
        channels = zip(self._joins, latents.split(1), strict=True)
        return self._heard(_side_by_side([join.push(own) for join, own in channels]))

    def flush(self) -> Samples:
        """Give what is left."""
        return self._heard(_side_by_side([join.flush() for join in self._joins]))

    def recorded(self, samples: Samples, unheard: int) -> Samples:
        """A recording [n] but for its first `unheard` samples, as it is heard before the first frames."""
        if self._spread is None:
            return samples[unheard:]
        for block in _blocks(samples[:unheard]):  # what comes after sounds of it
            self._spread.push(_recorded(block, self._plan))
        return self._spread.push(_recorded(samples[unheard:], self._plan))

    def state_dict(self) -> dict[str, Any]:
        """All that a later one needs to go on; of mono its decoder's own."""
        if self._spread is None:
            return self._joins[0].state_dict()
        return {"channels": [join.state_dict() for join in self._joins], "spread": self._spread.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`'s value. Raises `ValueError` where it is of other channels."""
        if ("spread" in state) != (self._spread is not None):
            raise ValueError("of other channels")
        if self._spread is None:
            self._joins[0].load_state_dict(state)
            return
        for join, own in zip(self._joins, state["channels"], strict=True):
            join.load_state_dict(own)
        self._spread.load_state_dict(state["spread"])

    def _heard(self, samples: Samples) -> Samples:
        return samples if self._spread is None else self._spread.push(samples)


def _recorded(samples: Samples, plan: StereoPlan) -> Samples:
    """Both of the channels that are sampled begin with the recording."""
    return _side_by_side([samples] * plan.sampled)


def _side_by_side(channels: Sequence[Samples]) -> Samples:
    return channels[0] if len(channels) == 1 else np.stack(list(channels), axis=1)


def _blocks(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples), BLOCK_SAMPLES):
        yield samples[start : start + BLOCK_SAMPLES]
