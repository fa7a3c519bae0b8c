"""Schedules and a denoiser that knows the answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor

from studio.samplers.denoise import Denoise
from studio.samplers.schedule import NoiseSchedule

AUDIOLDM = {
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
}


@pytest.fixture
def schedule() -> NoiseSchedule:
    """AudioLDM's."""
    return NoiseSchedule.from_config(AUDIOLDM)


@pytest.fixture
def exact_schedule() -> NoiseSchedule:
    """AudioLDM's, but ending in no noise at all, so that a perfect model gives x₀ to the last digit."""
    return NoiseSchedule.from_config({**AUDIOLDM, "set_alpha_to_one": True})


@pytest.fixture
def oracle() -> Callable[[NoiseSchedule, Tensor], Denoise]:
    """Makes the perfect model of a take whose clean latents [1, C, frames, F] are given."""

    def make(schedule: NoiseSchedule, take: Tensor) -> Denoise:
        def denoise(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
            frames = latents.shape[2]
            assert 0 <= start_frame <= take.shape[2] - frames
            clean = take[:, :, start_frame : start_frame + frames]
            each = timesteps if timesteps.ndim == 2 else timesteps[:, None].expand(-1, frames)
            assert each.shape == (len(latents), frames)
            level = schedule.alpha_bar(each)[:, None, :, None].to(latents.dtype)
            return (latents - level.sqrt() * clean) / (1 - level).sqrt()

        return denoise

    return make
