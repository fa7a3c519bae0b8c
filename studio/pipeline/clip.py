"""Takes of a set length: one ordinary DDIM run, or independent clips joined (the paper's baseline)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from studio.core.events import Event, Progress
from studio.core.request import GenerationRequest
from studio.core.sampling import ConcatSampler
from studio.pipeline.batch import ClipBatch
from studio.pipeline.cancel import CancelToken
from studio.pipeline.chunks import ChunkCutter, total_samples
from studio.pipeline.denoiser import build_denoiser
from studio.pipeline.preview import Previews
from studio.pipeline.progress import StepProgress
from studio.samplers.concat import clip_latents, crossfade_join

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.acoustic import ClipAcoustics


def render_clip(
    request: GenerationRequest,
    backend: Backend,
    cancel: CancelToken,
    *,
    watched: bool = False,
    acoustics: ClipAcoustics | None = None,
) -> Iterator[Event]:
    """The whole take denoised at once: one chunk, after all steps; previews before, if it is `watched`.

    With a draft that it hears, and a strength below 1, it begins from the draft's own latents.
    """
    assert request.duration_s is not None
    geometry, stepping = backend.geometry, StepProgress()
    clips = ClipBatch([request], backend, cancel, None if acoustics is None else [acoustics])
    previews = Previews(backend) if watched else None

    def on_step(step: int, total: int, latents: Tensor) -> None:
        stepping.on_step(step, total, latents)
        preview = previews.look(step, total, latents) if previews else None
        if preview is not None:
            stepping.tell(preview)

    latents = yield from stepping.run(lambda: clips.denoise(on_step))
    yield Progress("Decoding")
    cutter = ChunkCutter(geometry.sample_rate, total_samples(request.duration_s, geometry.sample_rate))
    samples = backend.decode(latents)
    cancel.check()
    yield from cutter.cut(samples)


def render_concat(
    request: GenerationRequest, sampler: ConcatSampler, backend: Backend, cancel: CancelToken
) -> Iterator[Event]:
    """Clip after clip, each from noise of its own, joined plainly or with a crossfade of whole frames."""
    assert request.duration_s is not None
    geometry, stepping = backend.geometry, StepProgress()
    total = total_samples(request.duration_s, geometry.sample_rate)
    assert total is not None
    clip_frames = geometry.frames(sampler.clip_s)
    overlap_frames = min(round(sampler.crossfade_s * geometry.frame_rate), clip_frames // 2)
    stride = (clip_frames - overlap_frames) * geometry.hop_samples
    clips = clip_latents(
        build_denoiser(request, backend, cancel),
        backend.schedule,
        torch.Generator().manual_seed(request.seed),
        shape=(1, geometry.channels, clip_frames, geometry.bands),
        steps=sampler.steps,
        count=max(1, -(-(total - overlap_frames * geometry.hop_samples) // stride)),
        overlap_frames=overlap_frames,
        device=backend.device,
        on_step=stepping.on_step,
    )
    pieces = crossfade_join(map(backend.decode, clips), overlap_frames * geometry.hop_samples)
    cutter = ChunkCutter(geometry.sample_rate, total)
    while not cutter.complete:
        piece = yield from stepping.run(lambda: next(pieces))
        yield from cutter.cut(piece)
