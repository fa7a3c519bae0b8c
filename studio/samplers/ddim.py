"""Deterministic DDIM (Song et al. 2021, eq. 12 with σ = 0), for one timestep an item or one a frame."""

from __future__ import annotations

import torch
from torch import Tensor

from studio.samplers.denoise import Denoise, OnStep
from studio.samplers.schedule import NoiseSchedule


def ddim_step(latents: Tensor, noise_pred: Tensor, alpha_bar: Tensor, alpha_bar_prev: Tensor) -> Tensor:
    """Move latents from noise level ᾱ to the cleaner level ᾱ_prev.

    Args:
        latents: [B, C, T, F].
        noise_pred: the model's ε, same shape.
        alpha_bar: ᾱ of the latents as they are: a scalar, [B] or [B, T].
        alpha_bar_prev: ᾱ to move to, likewise.

    Returns:
        Latents [B, C, T, F] in their own dtype; half precisions are computed in float32.
    """
    dtype = torch.promote_types(latents.dtype, torch.float32)
    noisy, noise = latents.to(dtype), noise_pred.to(dtype)
    clean = (noisy - _like((1 - alpha_bar).sqrt(), noisy) * noise) / _like(alpha_bar.sqrt(), noisy)
    moved = _like(alpha_bar_prev.sqrt(), noisy) * clean + _like((1 - alpha_bar_prev).sqrt(), noisy) * noise
    return moved.to(latents.dtype)


def add_noise(latents: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """Clean latents [B, C, T, F] at noise level ᾱ: a scalar, [B] or [B, T] (forward process, eq. 4)."""
    dtype = torch.promote_types(latents.dtype, torch.float32)
    clean = latents.to(dtype)
    noisy = _like(alpha_bar.sqrt(), clean) * clean + _like((1 - alpha_bar).sqrt(), clean) * noise.to(dtype)
    return noisy.to(latents.dtype)


@torch.no_grad()
def ddim_sample(
    denoise: Denoise,
    schedule: NoiseSchedule,
    latents: Tensor,
    steps: int,
    on_step: OnStep | None = None,
    start_frame: int = 0,
    skipped: int = 0,
) -> Tensor:
    """Denoise a whole clip.

    Args:
        denoise: the model, its conditioning bound.
        schedule: noise levels of the checkpoint.
        latents: Gaussian noise [B, C, T, F], or a sound noised to the first timestep that is not skipped.
        steps: denoising steps, at most the schedule's training steps.
        on_step: told after each step; what it raises ends the run.
        start_frame: position in the whole take of the clip's first frame.
        skipped: how many of the noisiest steps are left out.

    Returns:
        Clean latents [B, C, T, F].

    Raises:
        ValueError: more steps than the schedule has, or none.
    """
    if not 1 <= steps <= schedule.train_steps or not 0 <= skipped < steps:
        raise ValueError(f"{steps} steps: this schedule takes 1 to {schedule.train_steps}, and not none")
    timesteps = schedule.timesteps(steps)
    levels = schedule.alpha_bar(torch.cat([timesteps, torch.tensor([-1])]))
    for index in range(skipped, steps):
        at = timesteps[index].expand(len(latents)).to(latents.device)
        noise_pred = denoise(latents, at, start_frame)
        latents = ddim_step(latents, noise_pred, levels[index], levels[index + 1])
        if on_step is not None:
            on_step(index + 1 - skipped, steps - skipped, latents)
    return latents


def _like(level: Tensor, latents: Tensor) -> Tensor:
    """A scalar, [B] or [B, T], shaped to broadcast over [B, C, T, F]."""
    # The dtype first: some devices (MPS) can't hold the schedule's float64.
    level = level.to(latents.dtype).to(latents.device)
    if level.ndim == 1:
        return level[:, None, None, None]
    return level[:, None, :, None] if level.ndim == 2 else level
