"""Clips denoised side by side, in one forward a step: a single clip is the batch of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.core.errors import InvalidRequestError
from studio.core.request import GenerationRequest
from studio.core.sampling import ClipSampler
from studio.pipeline.acoustic import ClipAcoustics, EncodedAcoustics, clip_acoustics
from studio.pipeline.cancel import CancelToken
from studio.pipeline.chunks import total_samples
from studio.pipeline.denoiser import BoundTake, denoise_together
from studio.samplers.ddim import add_noise, ddim_sample

if TYPE_CHECKING:
    from studio.backends.acoustic.base import AcousticDraft
    from studio.backends.base import Backend
    from studio.pipeline.drafts import Drafts
    from studio.samplers.denoise import OnStep

Given = TypeVar("Given")
_OWN = {"mode", "prompt", "negative_prompt", "seed", "draft"}  # what each clip of a batch may have for itself
UNLIKE = "Clips are made side by side where all but their prompts, seeds and drafts are alike: {} differs."
NO_DRAFTS = "There is nothing here that makes drafts: take no draft."


def render_clips(
    requests: Sequence[GenerationRequest],
    backend: Backend,
    *,
    drafts: Drafts | None = None,
    acoustics: Sequence[EncodedAcoustics] | None = None,
    texts: Sequence[str] | None = None,
    latents: Tensor | None = None,
    cancel: CancelToken | None = None,
    on_step: OnStep | None = None,
) -> list[NDArray[np.float32]]:
    """The samples [n] of each request, as `Renderer` makes them one by one, but for the rounding of a batch.

    Args:
        requests: of the clip sampler, alike but for prompts, seeds and drafts (`require_alike`).
        backend: loaded.
        drafts: makes the drafts that requests hear.
        acoustics: what each request hears, where it was drafted before; `drafts` is then not asked.
        texts: what each clip is told in place of its request's prompt; may be the empty text.
        latents: Gaussian noise [B, C, T, F] to begin from; each clip's is its seed's where none is given.
        cancel: ends the run at the next step.
        on_step: told after each step of the batch; what it raises ends the run.

    Raises:
        CancelledError: `cancel` was set.
        InvalidRequestError: the requests are not alike, or the model can't do what they ask.
        ModelNotFoundError: what makes their drafts is not here.
        ValueError: there are not as many texts, latents or acoustics as requests.
    """
    require_alike(requests)
    if acoustics is None and requests[0].draft.kind != "none":
        if drafts is None:
            raise InvalidRequestError(NO_DRAFTS)
        acoustics = [clip_acoustics(request, backend, drafts) for request in requests]
    cancel = cancel or CancelToken()
    made = ClipBatch(requests, backend, cancel, acoustics, texts, latents).denoise(on_step)
    total = total_samples(requests[0].duration_s, backend.geometry.sample_rate)
    out = []
    for clip in made.split(1):
        cancel.check()
        out.append(backend.decode(clip)[:total])
    return out


def require_alike(requests: Sequence[GenerationRequest]) -> None:
    """Raise `InvalidRequestError` where requests can't be denoised in one batch: names what differs."""
    if not all(isinstance(request.sampler, ClipSampler) for request in requests):
        raise InvalidRequestError("Only clips in one piece are made side by side: choose the clip sampler.")
    shared = set(GenerationRequest.model_fields) - _OWN
    first = requests[0]
    for request in requests[1:]:
        for name in sorted(shared):
            if getattr(request, name) != getattr(first, name):
                raise InvalidRequestError(UNLIKE.format(name))
        if _steering(request) != _steering(first):
            raise InvalidRequestError(UNLIKE.format("how the draft steers"))


class ClipBatch:
    """Alike requests, bound to what they say and hear, and the latents that they begin from."""

    def __init__(
        self,
        requests: Sequence[GenerationRequest],
        backend: Backend,
        cancel: CancelToken,
        acoustics: Sequence[EncodedAcoustics] | None = None,
        texts: Sequence[str] | None = None,
        latents: Tensor | None = None,
    ) -> None:
        """Arguments and errors as `render_clips`.

        With drafts that they hear, and a strength below 1, they begin from the drafts' own latents.
        """
        first = requests[0]
        assert isinstance(first.sampler, ClipSampler)
        self._schedule, self._steps = backend.schedule, first.sampler.steps
        heard, said = _each(acoustics, requests), _each(texts, requests)
        takes = [
            BoundTake(request, backend, acoustics=heard[index], text=said[index])
            for index, request in enumerate(requests)
        ]
        self._denoise = denoise_together(takes, backend, cancel)
        self._latents = _noise(requests, backend) if latents is None else latents.to(backend.device)
        if len(self._latents) != len(requests):
            raise ValueError(f"{len(self._latents)} latents for {len(requests)} clips")
        self._skipped = first.skipped_steps if acoustics is not None else 0
        if acoustics is not None and self._skipped:
            level = self._schedule.alpha_bar(self._schedule.timesteps(self._steps)[self._skipped])
            frames = self._latents.shape[2]
            drawn = [_latents_of(each, backend, frames) for each in map(_draft_of, acoustics)]
            self._latents = add_noise(torch.cat(drawn), self._latents, level)

    def denoise(self, on_step: OnStep | None = None) -> Tensor:
        """Clean latents [B, C, T, F]; `on_step` is told after each step, and what it raises ends the run."""
        return ddim_sample(
            self._denoise, self._schedule, self._latents, self._steps, on_step, skipped=self._skipped
        )


def _steering(request: GenerationRequest) -> tuple[bool, float, int]:
    return request.draft.kind == "none", request.acoustic_scale, request.skipped_steps


def _each(given: Sequence[Given] | None, requests: Sequence[GenerationRequest]) -> Sequence[Given | None]:
    if given is not None and len(given) != len(requests):
        raise ValueError(f"{len(given)} given for {len(requests)} clips")
    return [None] * len(requests) if given is None else given


def _noise(requests: Sequence[GenerationRequest], backend: Backend) -> Tensor:
    """Each clip's own, whatever stands beside it."""
    geometry, duration_s = backend.geometry, requests[0].duration_s
    assert duration_s is not None
    shape = (1, geometry.channels, geometry.frames(duration_s), geometry.bands)
    noise = [torch.randn(shape, generator=torch.Generator().manual_seed(each.seed)) for each in requests]
    return torch.cat(noise).to(backend.device)


def _draft_of(heard: EncodedAcoustics) -> AcousticDraft:
    if not isinstance(heard, ClipAcoustics):
        raise ValueError("a clip begins from its draft's sound, of which encodings say nothing")
    return heard.draft


def _latents_of(draft: AcousticDraft, backend: Backend, frames: int) -> Tensor:
    """A draft's sound as latents [1, C, frames, F]; where it is shorter, silence follows."""
    wanted = frames * backend.geometry.hop_samples
    samples = np.zeros(wanted, np.float32)
    heard = draft.samples[:wanted]
    samples[: len(heard)] = heard
    return backend.encode_audio(samples)
