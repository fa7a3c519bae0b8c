"""Clips denoised side by side, in one forward a step: a single clip is the batch of one."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.backends.base import at_bandwidth
from studio.core.errors import InvalidRequestError
from studio.core.events import Event
from studio.core.request import GenerationRequest
from studio.pipeline.acoustic import ClipAcoustics, EncodedAcoustics, clip_acoustics
from studio.pipeline.alike import IN_ONE_PIECE, require_alike
from studio.pipeline.cancel import CancelToken
from studio.pipeline.denoiser import BoundTake, denoise_together
from studio.pipeline.plan import ClipPlan, RenderPlan, draft_plan, resolve_plan
from studio.pipeline.progress import step_events
from studio.pipeline.speech import clip_speech
from studio.pipeline.stereo import decode_channels, side_of
from studio.samplers.ddim import ddim_steps
from studio.samplers.ddpm import ddpm_steps
from studio.samplers.schedule import add_noise
from studio.samplers.variation import Noise, gaussian

if TYPE_CHECKING:
    from studio.backends.acoustic.base import AcousticDraft
    from studio.backends.base import Backend
    from studio.pipeline.control import TakeControl
    from studio.pipeline.drafts import Drafts
    from studio.samplers.ddim import DdimStep
    from studio.samplers.twin import SideNoise

NO_DRAFTS = "There is nothing here that makes drafts: take no draft."


@dataclass(frozen=True)
class Clip:
    """The samples [n] or [n, 2] of one of the requests that were made side by side."""

    index: int
    samples: NDArray[np.float32]


def render_clips(
    requests: Sequence[GenerationRequest],
    backend: Backend,
    *,
    drafts: Drafts | None = None,
    acoustics: Sequence[EncodedAcoustics] | None = None,
    texts: Sequence[str] | None = None,
    latents: Tensor | None = None,
    cancel: CancelToken | None = None,
) -> list[NDArray[np.float32]]:
    """The samples [n] or [n, 2] of each request; arguments and errors are as `clip_events`'."""
    events = clip_events(
        requests, backend, drafts=drafts, acoustics=acoustics, texts=texts, latents=latents, cancel=cancel
    )
    return [event.samples for event in events if isinstance(event, Clip)]


def clip_events(
    requests: Sequence[GenerationRequest],
    backend: Backend,
    *,
    drafts: Drafts | None = None,
    acoustics: Sequence[EncodedAcoustics] | None = None,
    texts: Sequence[str] | None = None,
    latents: Tensor | None = None,
    cancel: CancelToken | None = None,
    controls: Sequence[TakeControl] | None = None,
    decoded: Collection[int] | None = None,
) -> Iterator[Event | Clip]:
    """The steps of alike requests, then each one's `Clip`, as `Renderer` makes them one by one, but for the
    rounding of a batch.

    Args:
        requests: of the clip sampler, alike but for prompts, seeds and drafts (`require_alike`).
        backend: loaded.
        drafts: makes the drafts that requests hear.
        acoustics: what each request hears, where it was drafted before; `drafts` is then not asked.
        texts: what each clip is told in place of its request's prompt; may be the empty text.
        latents: Gaussian noise [B, C, T, F] to begin from; each clip's is its seed's where none is given.
        cancel: ends the run at the next step.
        controls: each request's, told what is said in it.
        decoded: the requests whose sound is wanted, by their place; all where none is given. The others are
            denoised beside them, since what a clip comes to is, in its last bits, its whole batch's.

    Raises:
        CancelledError: `cancel` was set.
        InvalidRequestError: the requests are not alike, or the model can't do what they ask.
        ModelNotFoundError: what makes their drafts is not here.
        ValueError: there are not as many texts, latents or acoustics as requests.
    """
    if not requests:
        return
    require_alike(requests)
    backend = at_bandwidth(backend, requests[0].bandwidth)
    cancel = cancel or CancelToken()
    if acoustics is None:
        acoustics = draft_clips(requests, backend, drafts, cancel)
    plans = [resolve_plan(request, backend) for request in requests]
    if texts is not None:
        _require_as_many("texts", len(texts), plans)
        plans = [_saying(plan, text) for plan, text in zip(plans, texts, strict=True)]
    batch = ClipBatch(plans, clip_of(plans[0]), backend, cancel, acoustics, latents, controls)
    made = yield from step_events(batch.steps())
    for index, clip in enumerate(made.split(plans[0].stereo.sampled)):
        if decoded is None or index in decoded:
            cancel.check()
            yield Clip(index, decode_channels(clip, plans[0].stereo, backend)[: plans[0].total_samples])


class ClipBatch:
    """Plans of alike clips, bound to what they say and hear, and the latents that they begin from."""

    def __init__(
        self,
        plans: Sequence[RenderPlan],
        clip: ClipPlan,
        backend: Backend,
        cancel: CancelToken,
        acoustics: Sequence[EncodedAcoustics] | None = None,
        latents: Tensor | None = None,
        controls: Sequence[TakeControl] | None = None,
    ) -> None:
        """Bind them; `clip` is each plan's, acoustics, latents and errors are as `render_clips`'.

        With drafts that they hear, and steps that are skipped, they begin from the drafts' own latents.
        `controls` are told what is said in each.
        """
        self._schedule, self._steps, self._method = backend.schedule, clip.steps, clip.method
        frames = backend.geometry.frames(clip.duration_s)
        if acoustics is not None:
            _require_as_many("drafts", len(acoustics), plans)
        heard: Sequence[EncodedAcoustics | None] = acoustics or [None] * len(plans)
        told: Sequence[TakeControl | None] = controls or [None] * len(plans)
        takes = [
            BoundTake(plan, backend, None, draft, clip_speech(backend, plan.speech, frames, control))
            for plan, draft, control in zip(plans, heard, told, strict=True)
        ]
        sampled = plans[0].stereo.sampled
        self._denoise = denoise_together(takes, backend, cancel, sampled)
        self._generators = [plan.noise() for plan in plans]
        self._sides = [side for plan in plans if (side := side_of(plan)) is not None]
        drawn = _noise(self._generators, clip, backend)  # whatever they begin from: the steps draw on
        common = drawn if latents is None else latents
        _require_as_many("latents", len(common), plans)
        noise = _both(common, self._sides).to(backend.device)
        self._skipped = 0 if acoustics is None else clip.skipped
        if acoustics is not None and self._skipped:
            level = self._schedule.alpha_bar(self._schedule.timesteps(self._steps)[self._skipped])
            sounds = [_latents_of(each, backend, noise.shape[2]) for each in map(_draft_of, acoustics)]
            noise = add_noise(torch.cat(sounds).repeat_interleave(sampled, dim=0), noise, level)
        self._latents = noise

    def steps(self) -> Generator[DdimStep, None, Tensor]:
        """The steps of the run, which returns clean latents [B, C, T, F], [2 B, C, T, F] of two channels."""
        run = (self._denoise, self._schedule, self._latents, self._steps)
        if self._method == "ddpm":
            return ddpm_steps(*run, self._generators, skipped=self._skipped, sides=self._sides)
        return ddim_steps(*run, skipped=self._skipped)


def draft_clips(
    requests: Sequence[GenerationRequest], backend: Backend, drafts: Drafts | None, cancel: CancelToken
) -> list[ClipAcoustics] | None:
    """What each of alike clips hears of a draft that is made for it; None where the text alone is heard.

    Raises:
        CancelledError: `cancel` was set.
        InvalidRequestError: nothing here makes drafts, the model hears none, or a recording is gone.
        ModelNotFoundError: what makes them is not here.
    """
    heard = []
    for request in requests:
        wanted, length_s = draft_plan(request), request.duration_s
        if wanted is None or length_s is None:
            return None
        if drafts is None:
            raise InvalidRequestError(NO_DRAFTS)
        heard.append(
            clip_acoustics(wanted, request.prompt, length_s, backend, drafts, lambda *_: cancel.check())
        )
    return heard


def _saying(plan: RenderPlan, text: str) -> RenderPlan:
    return replace(plan, prompts=replace(plan.prompts, opening=text))


def clip_of(plan: RenderPlan) -> ClipPlan:
    """The plan of a clip in one piece. Raises `InvalidRequestError` for any other."""
    if not isinstance(plan.sampler, ClipPlan):
        raise InvalidRequestError(IN_ONE_PIECE)
    return plan.sampler


def _require_as_many(what: str, given: int, plans: Sequence[RenderPlan]) -> None:
    if given != len(plans):
        raise ValueError(f"{given} {what} for {len(plans)} clips")


def _noise(generators: Sequence[Noise], clip: ClipPlan, backend: Backend) -> Tensor:
    """Each clip's own, whatever stands beside it."""
    geometry = backend.geometry
    shape = (1, geometry.channels, geometry.frames(clip.duration_s), geometry.bands)
    return torch.cat([gaussian(shape, own) for own in generators])


def _both(common: Tensor, sides: Sequence[SideNoise]) -> Tensor:
    """The noise [B, C, T, F] of clips, of two channels each [2 B, C, T, F] where there are sides."""
    if not sides:
        return common
    return torch.cat([side.both(own) for side, own in zip(sides, common.cpu().split(1), strict=True)])


def _draft_of(heard: EncodedAcoustics) -> AcousticDraft:
    if not isinstance(heard, ClipAcoustics):
        raise ValueError("a clip begins from its draft's sound, of which encodings say nothing")
    return heard.draft


def _latents_of(draft: AcousticDraft, backend: Backend, frames: int) -> Tensor:
    """A draft's sound as latents [1, C, frames, F]; where it is shorter, silence follows."""
    backend = at_bandwidth(backend, "16k")  # which drafts are
    wanted = frames * backend.geometry.hop_samples
    samples = np.zeros(wanted, np.float32)
    heard = draft.samples[:wanted]
    samples[: len(heard)] = heard
    return backend.encode_audio(samples)
