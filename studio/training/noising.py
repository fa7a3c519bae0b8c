"""What a denoiser is shown and asked in training: timesteps, noise, target and weight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from studio.samplers.schedule import NoiseSchedule, add_noise

MIN_SNR_GAMMA = 5.0


class Noised(NamedTuple):
    """Noisy latents [B, C, T, F], what is to be predicted, and the loss's weight, which broadcasts."""

    latents: Tensor
    wanted: Tensor
    weight: Tensor


def noised(clean: Tensor, timesteps: Tensor, schedule: NoiseSchedule, generator: torch.Generator) -> Noised:
    """Noise clean latents [B, C, T, F] to timesteps [B] or [B, T]; to predict is the schedule's v or ε."""
    noise = torch.randn(clean.shape, generator=generator)
    alpha_bar = schedule.alpha_bar(timesteps).float()
    level = alpha_bar[:, None, :, None] if timesteps.ndim == 2 else alpha_bar[:, None, None, None]
    velocities = schedule.prediction_type == "v_prediction"
    wanted = velocity(clean, noise, level) if velocities else noise
    return Noised(add_noise(clean, noise, alpha_bar), wanted, snr_weight(level, velocities))


def clip_timesteps(count: int, generator: torch.Generator, train_steps: int = 1000) -> Tensor:
    """One timestep a clip [count], three in four from the noisier half: there the family is decided."""
    middle = train_steps // 2
    lowest = torch.where(torch.rand(count, generator=generator) < 0.5, middle, 1)
    return lowest + (torch.rand(count, generator=generator) * (train_steps - lowest)).long()


def fifo_ramps(count: int, frames: int, generator: torch.Generator, train_steps: int = 1000) -> Tensor:
    """Timesteps [count, frames] as a FIFO window has them: a clean buffer, then a ramp in groups.

    Buffer length, group size and curve are drawn anew for each item: thirds of the ramp get random shares of
    its frames, as curved denoising gives them.
    """
    rows = []
    for _ in range(count):
        buffer = int(torch.randint(0, 33, (), generator=generator))
        group = int(2 ** torch.randint(0, 4, (), generator=generator))
        shares = torch.exp(1.4 * torch.rand(3, generator=generator))
        knots = torch.cat([torch.zeros(1), (shares / shares.sum()).cumsum(0)])
        queue = frames - buffer
        offset = int(torch.randint(0, group, (), generator=generator))
        position = ((torch.arange(queue) + offset) // group + 1) * group / (queue + group)
        ramp = np.interp(position.clamp(max=1.0).numpy(), knots.numpy(), np.linspace(0, train_steps - 1, 4))
        row = torch.cat([torch.ones(buffer), torch.from_numpy(ramp)]).round().long()
        rows.append(row.clamp(1, train_steps - 1))
    return torch.stack(rows)


def bridge_timesteps(count: int, frames: int, generator: torch.Generator, train_steps: int = 1000) -> Tensor:
    """Timesteps [count, frames] as a bridge has them: clean frames before, behind or on both sides of others.

    A third of the items is known on the left alone, a third on the right alone; what is unknown shares a timestep
    drawn as `clip_timesteps` does, and is at least a fifth of all.
    """
    most = 4 * frames // 5
    rows = torch.ones(count, frames, dtype=torch.long)
    middles = clip_timesteps(count, generator, train_steps).tolist()
    for row, middle in zip(rows, middles, strict=True):
        sides = int(torch.randint(3, (), generator=generator))
        known = int(torch.randint(1, most + 1, (), generator=generator))
        left = (known, 0, int(torch.randint(known + 1, (), generator=generator)))[sides]
        row[left : frames - known + left] = middle
    return rows


def velocity(clean: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """v = √ᾱ·ε − √(1−ᾱ)·x₀ (Salimans & Ho 2022), what the U-Net predicts.

    Unlike ε it still says something about the sound where nearly all is noise, so the level and the family
    of a clip are learned early; `alpha_bar` broadcasts against the latents.
    """
    return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * clean


def min_snr_weight(alpha_bar: Tensor) -> Tensor:
    """Min-SNR (Hang et al. 2023) for v-prediction, on SNR + 1: min(SNR + 1, γ)/(SNR + 1).

    Without the 1 the weight falls to nothing where nearly all is noise, and there it is decided which family
    a clip will be of.
    """
    signal = 1 / (1 - alpha_bar)  # SNR + 1
    return signal.clamp(max=MIN_SNR_GAMMA) / signal


def snr_weight(alpha_bar: Tensor, velocities: bool) -> Tensor:
    """Min-SNR (Hang et al. 2023) as `alpha_bar` is shaped: of v on SNR + 1, of ε min(SNR, γ) / SNR."""
    if velocities:
        return min_snr_weight(alpha_bar)
    snr = (alpha_bar / (1 - alpha_bar)).clamp(min=1e-8)
    return snr.clamp(max=MIN_SNR_GAMMA) / snr
