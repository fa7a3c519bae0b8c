"""Classifier-free guidance with a negative prompt, wrapped around a denoiser (Ho & Salimans 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from studio.samplers.denoise import Denoise


def needs_negative(scale: float) -> bool:
    """Whether guidance at this scale asks the model about the negative prompt at all: scale 1 does not."""
    return scale != 1.0


def guided(denoise: Denoise, scale: float) -> Denoise:
    """Push the prediction away from the negative prompt: ε = ε₋ + scale · (ε₊ − ε₋).

    Scale 0 is the negative prompt alone (the empty text: the unconditional model), 1 exactly the prompt,
    above 1 more of the prompt than the model would give by itself.

    Args:
        denoise: a model bound to conditioning of twice the latents' batch: the negative prompts' B items,
            then the prompts' B. Where `needs_negative(scale)` is false, bound to the prompts' B items alone:
            it is then given back as it is, and a step costs half.
        scale: guidance scale.

    Returns:
        A denoiser for latents [B, C, T, F].
    """
    if not needs_negative(scale):
        return denoise

    def denoise_guided(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        both = denoise(torch.cat([latents, latents]), torch.cat([timesteps, timesteps]), start_frame)
        # Scales well above 1 amplify rounding, so the difference is taken in float32.
        negative, positive = both.to(torch.promote_types(both.dtype, torch.float32)).chunk(2)
        return torch.lerp(negative, positive, scale).to(both.dtype)

    return denoise_guided
