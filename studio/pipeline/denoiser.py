"""A take's denoiser: the backend bound to its prompts, what is heard or said beside them and how it attends,
guided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from studio.backends.base import Conditioning, Tokens
from studio.core.attention import DenseAttention
from studio.pipeline.attention import SparseAttention
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.plan import RenderPlan
from studio.pipeline.prompts import PromptSchedule, WeightedConditioning
from studio.samplers.guidance import guided, weighted

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
        self._acoustics, self._speech = acoustics, speech
        parts = plan.guidance.weights
        # Of each part: which of the prompts' items, and which of what is heard or said. Where there is no
        # negative prompt the prompt is the only item.
        told = plan.prompts.negative is not None
        self._prompts = torch.tensor([part.prompt and told for part in parts]).long()
        self._others = torch.tensor([part.beside for part in parts]).long()

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

    def window(self, start_frame: int, frames: int) -> list[WeightedConditioning]:
        """What conditions `frames` frames from `start_frame` on: an item for each part of its guidance."""
        prompts = self._track.window(start_frame, frames)
        if not self.accompanied(start_frame, frames):
            return prompts
        return [
            WeightedConditioning(self._beside(part.conditioning, start_frame, frames), part.share)
            for part in prompts
        ]

    def _beside(self, prompts: Conditioning, start_frame: int, frames: int) -> Conditioning:
        """The prompts' item of each part, with what it is told of the draft or the words."""
        asked = prompts.take(self._prompts)
        if self._acoustics is not None:
            heard = Tokens(self._acoustics.window(start_frame, frames))
            return asked.with_acoustic(heard.take(self._others))
        assert self._speech is not None
        return replace(asked, text=(self._speech.window(start_frame, frames).take(self._others),))


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
    other, whose guidance and attention are alike.
    """
    count = len(takes)

    def predict(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        if not (takes[0].alone and count > 1):
            return _predict(takes, channels, backend, latents, timesteps, start_frame)
        places = torch.arange(len(latents)).view(-1, count, channels)
        noise = [
            _predict([take], channels, backend, latents[rows], timesteps[rows], start_frame)
            for take, rows in zip(takes, places.transpose(0, 1).flatten(1), strict=True)
        ]
        return torch.stack([each.unflatten(0, (-1, channels)) for each in noise], dim=1).flatten(0, 2)

    guidance = takes[0].guidance
    by_text, by_both = guided(predict, guidance.scale), weighted(predict, list(guidance.weights.values()))

    def denoise(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        cancel.check()
        both = takes[0].accompanied(start_frame, latents.shape[2])
        return (by_both if both else by_text)(latents, timesteps, start_frame)

    return denoise


def _predict(
    takes: Sequence[BoundTake],
    channels: int,
    backend: Backend,
    latents: Tensor,
    timesteps: Tensor,
    start_frame: int,
) -> Tensor:
    """ε of latents [P · B, C, T, F]: each take's items for one part of the guidance, then for the next."""
    frames = latents.shape[2]
    windows = [take.window(start_frame, frames) for take in takes]  # once each: it takes up what was asked
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
