"""Deterministic DDIM (Song et al. 2021, eq. 12 with σ = 0), for one timestep an item or one a frame."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from studio.samplers.denoise import Denoise, OnStep
from studio.samplers.schedule import NoiseSchedule, level_as

Result = TypeVar("Result")
Move = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(latents [B, C, T, F], the model's ε in them, their ᾱ, the ᾱ to move to) → latents."""


class DdimStep(NamedTuple):
    """A denoising step that was done, the first being 1, of `total`; `latents` [B, C, T, F] are after it."""

    step: int
    total: int
    latents: Tensor


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
    clean = (noisy - level_as((1 - alpha_bar).sqrt(), noisy) * noise) / level_as(alpha_bar.sqrt(), noisy)
    moved = (
        level_as(alpha_bar_prev.sqrt(), noisy) * clean + level_as((1 - alpha_bar_prev).sqrt(), noisy) * noise
    )
    return moved.to(latents.dtype)


def ddim_steps(
    denoise: Denoise,
    schedule: NoiseSchedule,
    latents: Tensor,
    steps: int,
    start_frame: int = 0,
    skipped: int = 0,
) -> Generator[DdimStep, None, Tensor]:
    """Denoise a whole clip, a step each time that one is asked for.

    Args:
        denoise: the model, its conditioning bound.
        schedule: noise levels of the checkpoint.
        latents: Gaussian noise [B, C, T, F], or a sound noised to the first timestep that is not skipped.
        steps: denoising steps, at most the schedule's training steps.
        start_frame: position in the whole take of the clip's first frame.
        skipped: how many of the noisiest steps are left out.

    Yields:
        Each step, once it is done.

    Returns:
        Clean latents [B, C, T, F].

    Raises:
        ValueError: more steps than the schedule has, or none.
    """
    return walk(denoise, schedule, latents, steps, ddim_step, start_frame, skipped)


@torch.no_grad()
def walk(
    denoise: Denoise,
    schedule: NoiseSchedule,
    latents: Tensor,
    steps: int,
    move: Move,
    start_frame: int = 0,
    skipped: int = 0,
) -> Generator[DdimStep, None, Tensor]:
    """`ddim_steps`, each of which is the `move` from a noise level to the next."""
    if not 1 <= steps <= schedule.train_steps or not 0 <= skipped < steps:
        raise ValueError(f"{steps} steps: this schedule takes 1 to {schedule.train_steps}, and not none")
    timesteps = schedule.timesteps(steps)
    levels = schedule.alpha_bar(torch.cat([timesteps, torch.tensor([-1])]))
    for index in range(skipped, steps):
        at = timesteps[index].expand(len(latents)).to(latents.device)
        noise_pred = denoise(latents, at, start_frame)
        latents = move(latents, noise_pred, levels[index], levels[index + 1])
        yield DdimStep(index + 1 - skipped, steps - skipped, latents)
    return latents


def ddim_sample(
    denoise: Denoise,
    schedule: NoiseSchedule,
    latents: Tensor,
    steps: int,
    on_step: OnStep | None = None,
    start_frame: int = 0,
    skipped: int = 0,
) -> Tensor:
    """All of `ddim_steps` at once, and what they come to.

    `on_step` is told after each step; what it raises ends the run.
    """
    return run_steps(ddim_steps(denoise, schedule, latents, steps, start_frame, skipped), on_step)


def counted(
    steps: Generator[DdimStep, None, Result], before: int, total: int
) -> Generator[DdimStep, None, Result]:
    """The same steps as a part of `total`, of which `before` were done; they return what they do."""
    while True:
        try:
            done = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield DdimStep(before + done.step, total, done.latents)


def run_steps(steps: Generator[DdimStep, None, Result], on_step: OnStep | None = None) -> Result:
    """Take the steps one after the other, telling `on_step` of each; what they return in the end."""
    while True:
        try:
            done = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        if on_step is not None:
            on_step(*done)
