"""Classifier-free guidance with a negative prompt, wrapped around a denoiser (Ho & Salimans 2022)."""

from __future__ import annotations

from typing import Literal

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


DualPart = Literal["none", "text", "both"]


def dual_weights(text_scale: float, acoustic_scale: float) -> dict[DualPart, float]:
    """How much each prediction counts in ε₀ + w_t(ε_t − ε₀) + w_a(ε_ta − ε_t), without those that don't.

    ε₀ is conditioned on the empty text and its draft, ε_t on the text and the empty text's draft, ε_ta on
    both. With one scale for both it is DC-LDM's eq. 8, w·ε_ta + (1 − w)·ε₀, and ε_t isn't asked for.
    """
    weights: dict[DualPart, float] = {
        "none": 1 - text_scale,
        "text": text_scale - acoustic_scale,
        "both": acoustic_scale,
    }
    return {part: weight for part, weight in weights.items() if weight}


def dual_guided(denoise: Denoise, text_scale: float, acoustic_scale: float) -> Denoise:
    """Guidance with a scale for what the text says and one for what the draft is made of.

    Args:
        denoise: a model bound to conditioning of as many times the latents' batch as `dual_weights` has
            parts, part by part in its order.
        text_scale: w_t.
        acoustic_scale: w_a.

    Returns:
        A denoiser for latents [B, C, T, F].
    """
    weights = list(dual_weights(text_scale, acoustic_scale).values())

    def denoise_guided(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        count = len(weights)
        parts = denoise(torch.cat([latents] * count), torch.cat([timesteps] * count), start_frame)
        wide = parts.to(torch.promote_types(parts.dtype, torch.float32)).unflatten(0, (count, -1))
        return torch.einsum("p,p...->...", wide.new_tensor(weights), wide).to(parts.dtype)

    return denoise_guided
