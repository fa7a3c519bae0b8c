"""A clip that loops: sampled and decoded as a ring, its length exact to the sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.core.events import Progress
from studio.core.request import GenerationRequest
from studio.core.sampling import ClipSampler
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import KeptLatents, RenderEvent
from studio.pipeline.chunks import ChunkCutter
from studio.pipeline.denoiser import build_denoiser
from studio.pipeline.plan import ClipPlan, RenderPlan
from studio.pipeline.progress import step_events
from studio.pipeline.stereo import decode_sampled, side_of, spread_round
from studio.samplers.ring import around, ring_steps
from studio.samplers.variation import gaussian

if TYPE_CHECKING:
    from studio.backends.base import Backend

LEAST_S = 1.0
CONTEXT_FRAMES = 32  # decoded once more on each side, and dropped: as far as VAE and vocoder see


def can_be_ring(request: GenerationRequest) -> bool:
    """Whether a take can be sampled as a ring: a clip by DDIM, with nothing beside its text."""
    sampler = request.sampler
    alone = request.draft.kind == "none" and not request.speech.text
    return isinstance(sampler, ClipSampler) and sampler.method == "ddim" and alone


def render_ring(
    plan: RenderPlan, clip: ClipPlan, backend: Backend, cancel: CancelToken
) -> Iterator[RenderEvent]:
    """The whole loop, at once after all steps; its window turns from a step to the next, so that each lets
    the deep levels work.

    Where its length is no whole number of frames, it is of the nearest, and its sound is brought to it: by
    half a frame at most, which for ten seconds is three hundredths of a semitone.

    Raises:
        CancelledError: `cancel` was set.
        InvalidRequestError: it is shorter than a loop can be.
    """
    geometry = backend.geometry
    total = plan.total_samples or 0
    if total < LEAST_S * geometry.sample_rate:
        raise InvalidRequestError(f"A loop lasts {LEAST_S:g} s at least: give more seconds, or more bars.")
    frames = round(total / geometry.hop_samples)
    shape = (1, geometry.channels, frames, geometry.bands)
    common, side = gaussian(shape, plan.noise()), side_of(plan)
    latents = yield from step_events(
        ring_steps(
            build_denoiser(replace(plan, sampler=replace(clip, period=1)), backend, cancel),
            backend.schedule,
            (common if side is None else side.both(common)).to(backend.device),
            clip.steps,
            torch.Generator().manual_seed(plan.seed),
            frame_multiple=geometry.frame_multiple,
        )
    )
    yield Progress("Decoding")
    context = CONTEXT_FRAMES * geometry.hop_samples
    sound = decode_sampled(around(latents, CONTEXT_FRAMES, CONTEXT_FRAMES), backend)
    cancel.check()
    samples = stretched(sound[context : context + frames * geometry.hop_samples], total)
    if len(samples) == frames * geometry.hop_samples:
        yield KeptLatents(latents, 0)
    heard = spread_round(samples, plan.stereo, geometry.sample_rate)
    yield from ChunkCutter(geometry.sample_rate, total).cut(heard)


def stretched(ring: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """A ring [n] or [n, 2] brought to another length [samples] by its Fourier series, which knows no ends."""
    if len(ring) == samples:
        return ring
    series = np.fft.rfft(ring.astype(np.float64), axis=0)
    return np.asarray(np.fft.irfft(series, samples, axis=0) * (samples / len(ring)), np.float32)
