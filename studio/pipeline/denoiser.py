"""A take's denoiser: the backend bound to what is said, what is heard and how it attends, guided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from studio.backends.base import Conditioning, Tokens
from studio.pipeline.attention import SparseAttention
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.plan import RenderPlan
from studio.pipeline.prompts import PromptSchedule, WeightedConditioning
from studio.samplers.guidance import dual_guided, dual_weights, guided

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.samplers.denoise import Denoise


class AcousticSource(Protocol):
    """What a dual model hears along a take (`pipeline.acoustic`)."""

    def window(self, start_frame: int, frames: int) -> Tensor:
        """Acoustic frames [2, L, D] for these latent frames: of the empty text, then of the draft."""
        ...


def build_denoiser(
    plan: RenderPlan,
    backend: Backend,
    cancel: CancelToken,
    control: TakeControl | None = None,
    acoustics: AcousticSource | None = None,
) -> Denoise:
    """The plan's denoiser: the backend with the prompts along the frames, and with what it hears, its
    attention as asked for, guided, ended by `cancel`.

    Raises:
        InvalidRequestError: the model lacks what is to be made sparse.
    """
    track = PromptSchedule(plan.prompts, backend, control)
    attention = SparseAttention(plan.attention, plan.seed, backend)
    scales = plan.guidance.text_scale, plan.guidance.acoustic_scale
    parts = dual_weights(*scales)
    texts, drafts = (
        torch.tensor([part in asked for part in parts]).long() for asked in (("text", "both"), ("both",))
    )
    if plan.prompts.negative is None:
        texts = torch.zeros_like(texts)  # of the prompt alone

    def denoise(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        cancel.check()
        frames = latents.shape[2]
        said = track.window(start_frame, frames)
        if acoustics is not None:
            heard = Tokens(acoustics.window(start_frame, frames)).take(drafts)
            said = [
                WeightedConditioning(_with_draft(part.conditioning.take(texts), heard), part.share)
                for part in said
            ]
        with attention.step(frames, timesteps, start_frame):
            noise = [
                backend.predict_noise(latents, timesteps, start_frame, part.conditioning) for part in said
            ]
        return noise[0] if len(said) == 1 else _blended(noise, [part.share for part in said])

    return guided(denoise, scales[0]) if acoustics is None else dual_guided(denoise, *scales)


def _with_draft(conditioning: Conditioning, heard: Tokens) -> Conditioning:
    return Conditioning(tokens=(*conditioning.tokens, heard))


def _blended(noise: Sequence[Tensor], shares: Sequence[Tensor]) -> Tensor:
    """Predictions [B, C, T, F], each counting by its share [T] of every frame; shares sum to 1."""
    total = torch.zeros_like(noise[0], dtype=torch.float32)
    for part, share in zip(noise, shares, strict=True):
        total += part * share.to(total)[:, None]
    return total.to(noise[0].dtype)
