"""A clip that is a ring: its end is followed by its beginning in every step, so that it loops without a join.

Each step sees the ring from another place, drawn at random: where the network's window begins and ends, no
frame is for long, and what it does at its edges is nowhere to be heard.
"""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor

from studio.samplers.ddim import DdimStep, ddim_step, run_steps
from studio.samplers.denoise import Denoise, OnStep
from studio.samplers.schedule import NoiseSchedule


@torch.no_grad()
def ring_steps(
    denoise: Denoise,
    schedule: NoiseSchedule,
    latents: Tensor,
    steps: int,
    generator: torch.Generator,
    *,
    frame_multiple: int = 1,
    lap_frames: int = 0,
) -> Generator[DdimStep, None, Tensor]:
    """Denoise a whole ring, a step each time that one is asked for.

    Args:
        denoise: the model, its conditioning bound; the window it is given begins anywhere in the ring, and
            goes on past the ring's length where that is no multiple of what the U-Net takes.
        schedule: noise levels of the checkpoint.
        latents: Gaussian noise [B, C, N, F].
        steps: denoising steps, at most the schedule's training steps.
        generator: CPU generator of the shifts.
        frame_multiple: what the window's length must divide by.
        lap_frames: how many frames on each side the window holds a second time, as context alone.

    Yields:
        Each step, once it is done; its latents are in the ring's own order.

    Returns:
        Clean latents [B, C, N, F], the last followed by the first.

    Raises:
        ValueError: more steps than the schedule has, or none; or no frames.
    """
    frames = latents.shape[2]
    if not 1 <= steps <= schedule.train_steps or frames < 1:
        raise ValueError(f"{steps} steps of {frames} frames: take 1 to {schedule.train_steps}, of some")
    timesteps = schedule.timesteps(steps)
    levels = schedule.alpha_bar(torch.cat([timesteps, torch.tensor([-1])]))
    window = frames + 2 * lap_frames
    window += -window % frame_multiple
    for index in range(steps):
        shift = int(torch.randint(frames, (), generator=generator))
        seen = (torch.arange(window) + shift - lap_frames) % frames
        at = timesteps[index].expand(len(latents)).to(latents.device)
        noise_pred = denoise(latents[:, :, seen.to(latents.device)], at, 0)
        own = noise_pred[:, :, lap_frames : lap_frames + frames].roll(shift, dims=2)
        latents = ddim_step(latents, own, levels[index], levels[index + 1])
        yield DdimStep(index + 1, steps, latents)
    return latents


def ring_sample(
    denoise: Denoise,
    schedule: NoiseSchedule,
    latents: Tensor,
    steps: int,
    generator: torch.Generator,
    *,
    frame_multiple: int = 1,
    lap_frames: int = 0,
    on_step: OnStep | None = None,
) -> Tensor:
    """All of `ring_steps` at once. `on_step` is told after each; what it raises ends the run."""
    run = ring_steps(
        denoise, schedule, latents, steps, generator, frame_multiple=frame_multiple, lap_frames=lap_frames
    )
    return run_steps(run, on_step)


def around(latents: Tensor, before: int, after: int) -> Tensor:
    """A ring [B, C, N, F], some of its frames once more on each side: [B, C, before + N + after, F]."""
    frames = latents.shape[2]
    index = torch.arange(-before, frames + after) % frames
    return latents[:, :, index.to(latents.device)]
