"""A request's denoiser: the backend bound to what is said, what is heard and how it attends, guided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from studio.backends.base import Tokens
from studio.core.request import GenerationRequest
from studio.pipeline.attention import SparseAttention
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.prompts import PromptSchedule, WeightedConditioning
from studio.samplers.guidance import dual_guided, dual_weights, guided, needs_negative

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.samplers.denoise import Denoise


class AcousticSource(Protocol):
    """What a dual model hears along a take (`pipeline.acoustic`)."""

    def window(self, start_frame: int, frames: int) -> Tensor:
        """Acoustic frames [2, L, D] for these latent frames: of the empty text, then of the draft."""
        ...


def build_denoiser(
    request: GenerationRequest,
    backend: Backend,
    cancel: CancelToken,
    control: TakeControl | None = None,
    acoustics: AcousticSource | None = None,
) -> Denoise:
    """The request's denoiser: the backend with the prompts along the frames, and with what it hears, its
    attention as asked for, guided, ended by `cancel`.

    Raises:
        InvalidRequestError: the model lacks what is to be made sparse.
    """
    track = PromptSchedule(request, backend, control)
    attention = SparseAttention(request, backend)
    scales = request.guidance_scale, request.acoustic_scale
    parts = dual_weights(*scales)
    texts, drafts = (
        torch.tensor([part in asked for part in parts]).long() for asked in (("text", "both"), ("both",))
    )
    if not needs_negative(request.guidance_scale):
        texts = torch.zeros_like(texts)  # of the prompt alone

    def denoise(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        cancel.check()
        frames = latents.shape[2]
        said = track.window(start_frame, frames)
        if acoustics is not None:
            heard = Tokens(acoustics.window(start_frame, frames)).take(drafts)
            said = [
                WeightedConditioning(part.conditioning.take(texts).with_acoustic(heard), part.share)
                for part in said
            ]
        with attention.step(frames, timesteps, start_frame):
            noise = [
                backend.predict_noise(latents, timesteps, start_frame, part.conditioning) for part in said
            ]
        return noise[0] if len(said) == 1 else _blended(noise, [part.share for part in said])

    return guided(denoise, scales[0]) if acoustics is None else dual_guided(denoise, *scales)


def _blended(noise: Sequence[Tensor], shares: Sequence[Tensor | None]) -> Tensor:
    """Predictions [B, C, T, F], each counting by its share [T] of every frame; shares sum to 1."""
    total = torch.zeros_like(noise[0], dtype=torch.float32)
    for part, share in zip(noise, shares, strict=True):
        assert share is not None, "several are heard by shares"
        total += part * share.to(total)[:, None]
    return total.to(noise[0].dtype)
