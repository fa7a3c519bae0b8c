"""A bridge between sound that is known: frames denoised so that they belong to what lies on either side.

What is known is fed in one of two ways. "clean": as it is, at the lowest timestep τ₁, beside frames at the
present one, as the queue of `fifo` hears its buffer; for networks that learned a timestep a frame. "noised":
noised anew in each step to the level of the unknown (RePaint, Lugmayr et al. 2022, eq. 8), with its
resampling (algorithm 1, jumps of one step); for networks that never did.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from studio.samplers.ddim import DdimStep, ddim_step, run_steps
from studio.samplers.denoise import Denoise, OnStep
from studio.samplers.schedule import NoiseSchedule, add_noise, level_as
from studio.samplers.twin import SideNoise, noise_like

Feeding = Literal["clean", "noised"]


@dataclass(frozen=True)
class BridgePlan:
    """How a bridge is made: `steps` in all, of which the noisiest `skipped` are left out.

    `resamples` counts how often each step but the last is taken where what is known is fed "noised": 1 is
    once.
    """

    steps: int
    feeding: Feeding = "noised"
    skipped: int = 0
    resamples: int = 1

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 <= self.skipped <= self.steps or self.resamples < 1:
            raise ValueError("a bridge has a step at least, skips no more than all, and takes each once")

    @property
    def forwards(self) -> int:
        """How often the model is asked."""
        left = self.steps - self.skipped
        again = self.resamples if self.feeding == "noised" else 1
        return (left - 1) * again + 1 if left else 0


@torch.no_grad()
def bridge_steps(
    denoise: Denoise,
    schedule: NoiseSchedule,
    unknown: Tensor,
    plan: BridgePlan,
    generator: torch.Generator,
    *,
    left: Tensor | None = None,
    right: Tensor | None = None,
    start_frame: int = 0,
    side: SideNoise | None = None,
) -> Generator[DdimStep, None, Tensor]:
    """Denoise the frames between two pasts, or beside one, a step each time that one is asked for.

    Args:
        denoise: the model, its conditioning bound; given one timestep a frame where `plan.feeding` is "clean"
            and something is known, else one an item.
        schedule: noise levels of the checkpoint.
        unknown: Gaussian noise [B, C, U, F], or a sound noised to the first timestep that is not skipped.
        plan: how.
        generator: CPU generator of what "noised" adds to the known, and of its resampling.
        left: clean latents [B, C, L, F] right before the unknown frames.
        right: clean latents [B, C, R, F] right after them. L + U + R must suit the U-Net.
        start_frame: position in the whole take of the first unknown frame.
        side: of that noise, where the items are two channels that are sampled together; None of one.

    Yields:
        Each step, once it is done; its latents are the unknown frames' alone.

    Returns:
        Clean latents [B, C, U, F]; where all steps are skipped, or U is 0, what was given.

    Raises:
        ValueError: more steps than the schedule has.
    """
    if plan.steps > schedule.train_steps:
        raise ValueError(f"{plan.steps} steps: this schedule has {schedule.train_steps}")
    around = _Known(left, right, unknown.shape[2], start_frame)

    def drawn(latents: Tensor) -> Tensor:
        return noise_like(latents, generator, side)

    timesteps = schedule.timesteps(plan.steps)
    levels = schedule.alpha_bar(torch.cat([timesteps, torch.tensor([-1])]))
    if unknown.shape[2] == 0:
        return unknown
    done, total = 0, plan.forwards
    for index, (here, there) in list(enumerate(pairwise(levels)))[plan.skipped :]:
        last = index == plan.steps - 1
        for again in reversed(range(1 if last or plan.feeding == "clean" else plan.resamples)):
            if plan.feeding == "clean":
                noise_pred = around.heard_clean(denoise, unknown, timesteps[index], timesteps[-1])
            else:
                noise_pred = around.heard_noised(denoise, unknown, timesteps[index], here, drawn)
            unknown = ddim_step(unknown, noise_pred, here, there)
            done += 1
            yield DdimStep(done, total, unknown)
            if again:
                unknown = _back(unknown, there, here, drawn(unknown))
    return unknown


def bridge(
    denoise: Denoise,
    schedule: NoiseSchedule,
    unknown: Tensor,
    plan: BridgePlan,
    generator: torch.Generator,
    *,
    left: Tensor | None = None,
    right: Tensor | None = None,
    start_frame: int = 0,
    side: SideNoise | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """All of `bridge_steps` at once. `on_step` is told after each; what it raises ends the run."""
    steps = bridge_steps(
        denoise,
        schedule,
        unknown,
        plan,
        generator,
        left=left,
        right=right,
        start_frame=start_frame,
        side=side,
    )
    return run_steps(steps, on_step)


class _Known:
    """What lies around the unknown frames, and how the model hears it."""

    def __init__(self, left: Tensor | None, right: Tensor | None, frames: int, start_frame: int) -> None:
        self._left, self._right = left, right
        self._before = 0 if left is None else left.shape[2]
        self._after = 0 if right is None else right.shape[2]
        self._frames = frames
        self._start = start_frame - self._before

    def heard_clean(self, denoise: Denoise, unknown: Tensor, at: Tensor, lowest: Tensor) -> Tensor:
        """ε of the unknown frames beside what is known, each fed at its own timestep."""
        if self._before + self._after == 0:
            return self._asked(denoise, unknown, at.expand(len(unknown)), None, None)
        each = torch.cat(
            [lowest.expand(self._before), at.expand(self._frames), lowest.expand(self._after)]
        ).expand(len(unknown), -1)
        return self._asked(denoise, unknown, each, self._left, self._right)

    def heard_noised(
        self,
        denoise: Denoise,
        unknown: Tensor,
        at: Tensor,
        level: Tensor,
        drawn: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """ε of the unknown frames, all of them at one timestep; noise is `drawn` for what is known."""
        left, right = (
            None if known is None else add_noise(known, drawn(known), level)
            for known in (self._left, self._right)
        )
        return self._asked(denoise, unknown, at.expand(len(unknown)), left, right)

    def _asked(
        self, denoise: Denoise, unknown: Tensor, at: Tensor, left: Tensor | None, right: Tensor | None
    ) -> Tensor:
        window = torch.cat([part for part in (left, unknown, right) if part is not None], dim=2)
        noise_pred = denoise(window, at.to(unknown.device), self._start)
        return noise_pred[:, :, self._before : self._before + self._frames]


def _back(latents: Tensor, level: Tensor, noisier: Tensor, noise: Tensor) -> Tensor:
    """Latents at a level, diffused again by `noise` to a noisier one (RePaint, algorithm 1, line 10)."""
    kept = noisier / level
    return level_as(kept.sqrt(), latents) * latents + level_as((1 - kept).sqrt(), latents) * noise
