"""Classifier-free guidance wrapped around a denoiser (Ho & Salimans 2022): away from a negative prompt, and
towards two conditions at once, each by a scale of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from studio.samplers.denoise import Denoise

ALWAYS = (0.0, 1.0)
"""Shares of a schedule's noise levels between which guidance counts: all of them."""


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


def within(guided: Denoise, plain: Denoise, span: tuple[float, float], train_steps: int) -> Denoise:
    """Guide where the noise is neither too strong nor too weak alone (Kynkäänniemi et al. 2024).

    Args:
        guided: the denoiser under guidance.
        plain: the prompt as the model follows it by itself, which costs half.
        span: from which to which share of the schedule's timesteps guidance counts, both included.
        train_steps: timesteps of the schedule.

    Returns:
        A denoiser for latents [B, C, T, F] at timesteps [B]; the guided one itself where the span is all.
    """
    if span == ALWAYS:
        return guided
    first, last = (share * train_steps for share in span)

    def denoise_within(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        inside = first <= int(timesteps.max()) <= last
        return (guided if inside else plain)(latents, timesteps, start_frame)

    return denoise_within


class Part(NamedTuple):
    """What one of the predictions is told that a step is guided by.

    Attributes:
        prompt: the prompt; else the negative one, or the empty text.
        beside: the draft or the words that stand beside it; else the draft of the empty text, or no words.
    """

    prompt: bool
    beside: bool


Weights = dict[Part, float]
_NEITHER, _PROMPT, _BESIDE, _BOTH = Part(False, False), Part(True, False), Part(False, True), Part(True, True)


def dual_weights(text_scale: float, acoustic_scale: float) -> Weights:
    """How much each prediction counts in ε₀ + w_t(ε_t − ε₀) + w_a(ε_ta − ε_t), without those that don't.

    ε₀ is conditioned on the empty text and its draft, ε_t on the text and the empty text's draft, ε_ta on
    both. With one scale for both it is DC-LDM's eq. 8, w·ε_ta + (1 − w)·ε₀, and ε_t isn't asked for.
    """
    return _counting({_NEITHER: 1 - text_scale, _PROMPT: text_scale - acoustic_scale, _BOTH: acoustic_scale})


def voice_weights(scene_scale: float, speech_scale: float | None) -> Weights:
    """How much each prediction counts in ε_dc + w_d(ε_d − ε₀) + w_c(ε_c − ε₀), without those that don't.

    VoiceLDM's dual guidance (Lee et al. 2024): ε_dc is conditioned on the description and the words,
    ε_d on the description alone, ε_c on the words alone, ε₀ on neither. Without a scale of the words' own it
    is the single form, ε₀ + w(ε_dc − ε₀).
    """
    if speech_scale is None:
        return _counting({_NEITHER: 1 - scene_scale, _BOTH: scene_scale})
    return _counting(
        {_NEITHER: -(scene_scale + speech_scale), _BESIDE: speech_scale, _PROMPT: scene_scale, _BOTH: 1.0}
    )


def weighted(denoise: Denoise, weights: Sequence[float]) -> Denoise:
    """The sum of a step's predictions, each by its weight.

    Args:
        denoise: a model bound to conditioning of as many times the latents' batch as there are weights, part
            by part in their order.
        weights: of `dual_weights` or `voice_weights`.

    Returns:
        A denoiser for latents [B, C, T, F].
    """
    count = len(weights)

    def denoise_weighted(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        parts = denoise(torch.cat([latents] * count), torch.cat([timesteps] * count), start_frame)
        wide = parts.to(torch.promote_types(parts.dtype, torch.float32)).unflatten(0, (count, -1))
        return torch.einsum("p,p...->...", wide.new_tensor(weights), wide).to(parts.dtype)

    return denoise_weighted


def _counting(weights: Weights) -> Weights:
    return {part: weight for part, weight in weights.items() if weight}
