"""A plan, a generator and models that the tests of the endless queue share."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from studio.samplers.denoise import Denoise
from studio.samplers.fifo import FifoPlan

SIZES = {"channels": 3, "bands": 4, "warmup_steps": 6}


def small_plan(group_size: int = 2, buffer_frames: int = 3, frame_multiple: int = 4) -> FifoPlan:
    """Five groups at rising noise behind a small buffer."""
    return FifoPlan.build([1, 200, 500, 800, 950], group_size, buffer_frames, frame_multiple)


def seeded(seed: int = 0) -> torch.Generator:
    """A generator of that seed."""
    return torch.Generator().manual_seed(seed)


def uneven_model(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
    """No oracle: what it predicts depends on latents, neighbours, timesteps and place, and heals nothing."""
    each = timesteps if timesteps.ndim == 2 else timesteps[:, None]
    neighbours = latents.roll(1, dims=2) * 0.3
    return torch.tanh(latents + neighbours + each[:, None, :, None] / 1000 + 0.01 * start_frame)


class Told(NamedTuple):
    """What a model was asked once."""

    latents: Tensor
    timesteps: Tensor
    start_frame: int


class Watched:
    """A model that keeps what it is asked."""

    def __init__(self, denoise: Denoise) -> None:
        self._denoise = denoise
        self.calls: list[Told] = []

    def __call__(self, latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        self.calls.append(Told(latents.clone(), timesteps.clone(), start_frame))
        return self._denoise(latents, timesteps, start_frame)
