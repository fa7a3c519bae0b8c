"""Ancestral sampling with the posterior's variance (Ho et al. 2020, algorithm 2; DC-LDM, eq. 5 to 7)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from studio.samplers.ddim import DdimStep, run_steps, walk
from studio.samplers.denoise import Denoise, OnStep
from studio.samplers.schedule import NoiseSchedule, level_as
from studio.samplers.twin import SideNoise
from studio.samplers.variation import Noise, gaussian


def ddpm_step(
    latents: Tensor, noise_pred: Tensor, alpha_bar: Tensor, alpha_bar_prev: Tensor, noise: Tensor
) -> Tensor:
    """Draw latents of the cleaner level ᾱ_prev from the posterior that the model's ε gives.

    β is all the noise that lies between the two levels, 1 − ᾱ/ᾱ_prev, so that steps may be left out. To the
    level 1, clean, nothing is drawn.

    Args:
        latents: [B, C, T, F].
        noise_pred: the model's ε, same shape.
        alpha_bar: ᾱ of the latents as they are: a scalar, [B] or [B, T].
        alpha_bar_prev: ᾱ to move to, likewise.
        noise: Gaussian, shaped as the latents.

    Returns:
        Latents [B, C, T, F] in their own dtype; half precisions are computed in float32.
    """
    dtype = torch.promote_types(latents.dtype, torch.float32)
    noisy, predicted, drawn = (values.to(dtype) for values in (latents, noise_pred, noise))
    alpha = alpha_bar / alpha_bar_prev
    share = (1 - alpha) / (1 - alpha_bar).sqrt()
    mean = (noisy - level_as(share, noisy) * predicted) / level_as(alpha.sqrt(), noisy)  # eq. 6
    variance = (1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha)  # eq. 7
    return (mean + level_as(variance.sqrt(), noisy) * drawn).to(latents.dtype)


def ddpm_steps(
    denoise: Denoise,
    schedule: NoiseSchedule,
    latents: Tensor,
    steps: int,
    generators: Sequence[Noise],
    start_frame: int = 0,
    skipped: int = 0,
    sides: Sequence[SideNoise] = (),
) -> Generator[DdimStep, None, Tensor]:
    """Denoise whole clips, a step each time that one is asked for.

    The last step ends at ᾱ = 1 whatever the checkpoint says of τ₀, as in TANGO: that is a matter of DDIM's.

    Args:
        denoise: the model, its conditioning bound.
        schedule: noise levels of the checkpoint.
        latents: Gaussian noise [B, C, T, F], or a sound noised to the first timestep that is not skipped.
        steps: denoising steps, at most the schedule's training steps.
        generators: on the CPU, one an item, or for two where there are sides: what each draws does not
            follow from what stands beside it.
        start_frame: position in the whole take of the clips' first frame.
        skipped: how many of the noisiest steps are left out.
        sides: of the noise of clips of two channels, one a generator; none of clips of one.

    Yields:
        Each step, once it is done.

    Returns:
        Clean latents [B, C, T, F].

    Raises:
        ValueError: more steps than the schedule has, or none, or not a generator an item.
    """
    if len(generators) + len(sides) != len(latents):
        raise ValueError(f"{len(generators)} generators for {len(latents)} clips")
    dtype = torch.promote_types(latents.dtype, torch.float32)

    def move(latents: Tensor, noise_pred: Tensor, alpha_bar: Tensor, alpha_bar_prev: Tensor) -> Tensor:
        drawn = [gaussian(latents.shape[1:], own, dtype) for own in generators]
        if sides:
            drawn = [
                one for side, common in zip(sides, drawn, strict=True) for one in side.both(common[None])
            ]
        noise = torch.stack(drawn).to(latents.device)
        return ddpm_step(latents, noise_pred, alpha_bar, alpha_bar_prev, noise)

    return walk(denoise, replace(schedule, clean_alpha_bar=1.0), latents, steps, move, start_frame, skipped)


def ddpm_sample(
    denoise: Denoise,
    schedule: NoiseSchedule,
    latents: Tensor,
    steps: int,
    generators: Sequence[Noise],
    on_step: OnStep | None = None,
    start_frame: int = 0,
    skipped: int = 0,
) -> Tensor:
    """All of `ddpm_steps` at once, and what they come to.

    `on_step` is told after each step; what it raises ends the run.
    """
    return run_steps(ddpm_steps(denoise, schedule, latents, steps, generators, start_frame, skipped), on_step)
