"""Takes of a set length: one ordinary run, or independent clips joined (the paper's baseline)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.core.events import Event, Progress
from studio.pipeline.batch import ClipBatch
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import KeptLatents, RenderEvent
from studio.pipeline.chunks import ChunkCutter
from studio.pipeline.control import TakeControl
from studio.pipeline.denoiser import build_denoiser
from studio.pipeline.plan import ClipPlan, ConcatPlan, RenderPlan
from studio.pipeline.preview import Previews
from studio.pipeline.progress import step_events
from studio.pipeline.stereo import decode_channels, decode_sampled, side_of, spread_of
from studio.samplers.concat import Crossfade, clip_steps

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.acoustic import ClipAcoustics


def render_clip(
    plan: RenderPlan,
    clip: ClipPlan,
    backend: Backend,
    cancel: CancelToken,
    control: TakeControl | None = None,
    acoustics: ClipAcoustics | None = None,
) -> Iterator[RenderEvent]:
    """The whole take denoised at once: one chunk, after all steps; previews before, if `control` is watched.

    With a draft that it hears, and steps that are skipped, it begins from the draft's own latents.

    Raises:
        FieldError: the model can't say what is to be said, or the clip is too short for it.
    """
    geometry, control = backend.geometry, control or TakeControl(plan.prompts.opening)
    batch = ClipBatch(
        [plan], clip, backend, cancel, None if acoustics is None else [acoustics], controls=[control]
    )
    previews = Previews(backend)
    latents = yield from step_events(
        batch.steps(),
        (lambda done: previews.look(done.step, done.total, done.latents[:1])) if control.watched else None,
    )
    yield Progress("Decoding")
    samples = decode_channels(latents, plan.stereo, backend)
    cancel.check()
    yield KeptLatents(latents, 0)
    yield from ChunkCutter(geometry.sample_rate, plan.total_samples).cut(samples)


def render_concat(
    plan: RenderPlan, clips: ConcatPlan, backend: Backend, cancel: CancelToken
) -> Iterator[Event]:
    """Clip after clip, each from noise of its own, joined plainly or with a crossfade of whole frames."""
    geometry = backend.geometry
    joined = Crossfade(clips.overlap_frames * geometry.hop_samples)
    cutter = ChunkCutter(geometry.sample_rate, plan.total_samples)
    spread = spread_of(plan.stereo, geometry.sample_rate)

    def heard(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return samples if spread is None else spread.push(samples)

    made = clip_steps(
        build_denoiser(plan, backend, cancel),
        backend.schedule,
        plan.noise(),
        shape=(1, geometry.channels, clips.clip_frames, geometry.bands),
        steps=clips.steps,
        count=clips.count,
        overlap_frames=clips.overlap_frames,
        device=backend.device,
        side=side_of(plan),
    )
    for steps in made:
        latents = yield from step_events(steps)
        yield from cutter.cut(heard(joined.push(decode_sampled(latents, backend))))
    yield from cutter.cut(heard(joined.flush()))
