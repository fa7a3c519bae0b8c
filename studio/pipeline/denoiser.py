"""A take's denoiser: the backend bound to its prompts, what is heard or said beside them and how it attends,
guided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from studio.backends.base import Conditioning, Tokens
from studio.core.attention import DenseAttention
from studio.pipeline.attention import SparseAttention
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.plan import ClipPlan, Guidance, RenderPlan
from studio.pipeline.prompts import PromptSchedule, WeightedConditioning
from studio.pipeline.reuse import DeepReuse
from studio.samplers.guidance import ALWAYS, Part, guided, weighted, within

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.speech import SpeechSource
    from studio.samplers.denoise import Denoise


class AcousticSource(Protocol):
    """What a dual model hears along a take (`pipeline.acoustic`)."""

    def window(self, start_frame: int, frames: int) -> Tensor:
        """Acoustic frames [2, L, D] for these latent frames: of the empty text, then of the draft."""
        ...


class BoundTake:
    """One take's share in a forward: its prompts along the frames, what is heard or said beside them, and how
    the model attends.
    """

    def __init__(
        self,
        plan: RenderPlan,
        backend: Backend,
        control: TakeControl | None = None,
        acoustics: AcousticSource | None = None,
        speech: SpeechSource | None = None,
    ) -> None:
        """Encode the prompts; words are said where the plan's guidance heeds them.

        Raises:
            InvalidRequestError: the model lacks what is to be made sparse.
        """
        self._track = PromptSchedule(plan.prompts, backend, control)
        self.attention = SparseAttention(plan.attention, plan.seed, backend)
        self.sparse = not isinstance(plan.attention, DenseAttention)
        self.guidance = plan.guidance
        clip = plan.sampler if isinstance(plan.sampler, ClipPlan) else None
        self.guided, self.period = (clip.guided, clip.period) if clip else (ALWAYS, 1)
        self._acoustics, self._speech = acoustics, speech
        self._told = plan.prompts.negative is not None

    @property
    def alone(self) -> bool:
        """Whether it needs a forward of its own: a step of sparse attention draws by its take's seed what it
        attends to, and content of another length can't stand beside it unmasked.
        """
        return self.sparse or self._speech is not None

    def accompanied(self, start_frame: int, frames: int) -> bool:
        """Whether anything stands beside the prompts at these frames: a draft, or words."""
        if self._speech is not None:
            return self._speech.speaks(start_frame, frames)
        return self._acoustics is not None

    def window(self, start_frame: int, frames: int, guided: bool = True) -> list[WeightedConditioning]:
        """What conditions `frames` frames from `start_frame` on: an item for each part of its guidance; the
        prompt's alone, and what stands beside it, where it isn't `guided`.
        """
        prompts = self._track.window(start_frame, frames)
        beside = self.accompanied(start_frame, frames)
        if guided and not beside:
            told = self.guidance.told
            return [one._replace(conditioning=replace(one.conditioning, scale=told)) for one in prompts]
        parts = list(self.guidance.weights) if guided else [Part(prompt=True, beside=True)]
        return [
            WeightedConditioning(self._of(parts, part.conditioning, start_frame, frames, beside), part.share)
            for part in prompts
        ]

    def _of(
        self, parts: Sequence[Part], prompts: Conditioning, start_frame: int, frames: int, beside: bool
    ) -> Conditioning:
        """The prompts' item of each part, with what it is told of the draft or the words, if of any."""
        # Where there is no negative prompt the prompt is the only item.
        asked = prompts.take(torch.tensor([part.prompt and self._told for part in parts]).long())
        if not beside:
            return asked
        others = torch.tensor([part.beside for part in parts]).long()
        if self._acoustics is not None:
            heard = Tokens(self._acoustics.window(start_frame, frames))
            return asked.with_acoustic(heard.take(others))
        assert self._speech is not None
        return replace(asked, text=(self._speech.window(start_frame, frames).take(others),))


def build_denoiser(
    plan: RenderPlan,
    backend: Backend,
    cancel: CancelToken,
    control: TakeControl | None = None,
    acoustics: AcousticSource | None = None,
    speech: SpeechSource | None = None,
) -> Denoise:
    """The plan's denoiser: the backend with the prompts along the frames, and with what it hears or says, its
    attention as asked for, guided, ended by `cancel`.

    Raises:
        InvalidRequestError: the model lacks what is to be made sparse.
    """
    take = BoundTake(plan, backend, control, acoustics, speech)
    return denoise_together([take], backend, cancel, plan.stereo.sampled)


def denoise_together(
    takes: Sequence[BoundTake], backend: Backend, cancel: CancelToken, channels: int = 1
) -> Denoise:
    """A denoiser of latents [B, C, T, F], an item for each of so many channels of a take, one take after the
    other, whose attention and scales are alike.
    """
    kinds: list[Guidance] = []
    for take in takes:
        if take.guidance not in kinds:
            kinds.append(take.guidance)
    if len(kinds) > 1:  # of a model that needs two passes for a negative prompt alone
        return _apart(takes, kinds, backend, cancel, channels)
    first, guidance = takes[0], takes[0].guidance
    reuse = DeepReuse(first.period, backend.unet)
    together = [takes] if not first.alone else [[take] for take in takes]

    def predict(latents: Tensor, timesteps: Tensor, start_frame: int, guided: bool = True) -> Tensor:
        with reuse.step(latents, timesteps):
            if len(together) == 1:
                return _predict(takes, channels, backend, latents, timesteps, start_frame, guided)
            places = torch.arange(len(latents)).view(-1, len(takes), channels).transpose(0, 1).flatten(1)
            noise = [
                _predict(some, channels, backend, latents[rows], timesteps[rows], start_frame, guided)
                for some, rows in zip(together, places, strict=True)
            ]
        return torch.stack([each.unflatten(0, (-1, channels)) for each in noise], dim=1).flatten(0, 2)

    by_text, by_both = guided(predict, guidance.scale), weighted(predict, list(guidance.weights.values()))

    def follow(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        both = first.accompanied(start_frame, latents.shape[2])
        return (by_both if both else by_text)(latents, timesteps, start_frame)

    follow_within = within(follow, partial(predict, guided=False), first.guided, backend.schedule.train_steps)

    def denoise(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        cancel.check()
        return follow_within(latents, timesteps, start_frame)

    return denoise


def _apart(
    takes: Sequence[BoundTake],
    kinds: Sequence[Guidance],
    backend: Backend,
    cancel: CancelToken,
    channels: int,
) -> Denoise:
    """The takes of each kind of guidance by themselves."""
    places = torch.arange(len(takes) * channels).view(len(takes), channels)
    parts = []
    for kind in kinds:
        which = [number for number, take in enumerate(takes) if take.guidance == kind]
        alike = denoise_together([takes[number] for number in which], backend, cancel, channels)
        parts.append((places[which].flatten(), alike))

    def denoise(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        noise = torch.empty_like(latents)
        for rows, alike in parts:
            noise[rows] = alike(latents[rows], timesteps[rows], start_frame)
        return noise

    return denoise


def _predict(
    takes: Sequence[BoundTake],
    channels: int,
    backend: Backend,
    latents: Tensor,
    timesteps: Tensor,
    start_frame: int,
    guided: bool,
) -> Tensor:
    """ε of latents [P · B, C, T, F]: each take's items for one part of the guidance, then for the next."""
    frames = latents.shape[2]
    # Once each: it takes up what was asked.
    windows = [take.window(start_frame, frames, guided) for take in takes]
    said = _side_by_side([window for window in windows for _ in range(channels)])
    with takes[0].attention.step(frames, timesteps, start_frame):
        noise = [backend.predict_noise(latents, timesteps, start_frame, part.conditioning) for part in said]
    return noise[0] if len(said) == 1 else _blended(noise, [part.share for part in said])


def _side_by_side(windows: Sequence[list[WeightedConditioning]]) -> list[WeightedConditioning]:
    """The takes' conditionings as one, part of the guidance by part; takes of one lane have as many each."""
    if len(windows) == 1:
        return windows[0]
    joined = []
    for parts in zip(*windows, strict=True):
        whole = Conditioning.join([part.conditioning for part in parts])
        by_part = torch.arange(_items(whole)).view(len(windows), -1).T.flatten()
        joined.append(WeightedConditioning(whole.take(by_part), parts[0].share))
    return joined


def _items(conditioning: Conditioning) -> int:
    return len(conditioning.text[0].states if conditioning.pooled is None else conditioning.pooled)


def _blended(noise: Sequence[Tensor], shares: Sequence[Tensor]) -> Tensor:
    """Predictions [B, C, T, F], each counting by its share [T] of every frame; shares sum to 1."""
    total = torch.zeros_like(noise[0], dtype=torch.float32)
    for part, share in zip(noise, shares, strict=True):
        total += part * share.to(total)[:, None]
    return total.to(noise[0].dtype)
