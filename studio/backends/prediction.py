"""What a U-Net predicts, turned into the noise that samplers ask for."""

from __future__ import annotations

from torch import Tensor

from studio.samplers.schedule import NoiseSchedule


def to_noise(prediction: Tensor, latents: Tensor, timesteps: Tensor, schedule: NoiseSchedule) -> Tensor:
    """The U-Net's output → ε, for latents [B, C, T, F] at timesteps [B] or [B, T].

    v-prediction (Salimans & Ho 2022): ε = √ᾱ·v + √(1−ᾱ)·x.
    """
    if schedule.prediction_type == "epsilon":
        return prediction
    # [B] → [B, 1, 1, 1] and [B, T] → [B, 1, T, 1]. float32 first, for MPS knows no float64.
    alpha_bar = schedule.alpha_bar(timesteps.cpu()).float().to(latents)
    alpha_bar = alpha_bar[:, None, None, None] if alpha_bar.dim() == 1 else alpha_bar[:, None, :, None]
    return alpha_bar.sqrt() * prediction + (1 - alpha_bar).sqrt() * latents
