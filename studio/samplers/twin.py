"""Noise of two channels that are sampled together: what they share makes one scene of them.

Of a take's own noise m and noise s of the same kind, left is a·m + b·s and right a·m − b·s with a² + b² = 1:
each is Gaussian of variance 1, and they correlate by ρ = a² − b².
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.samplers.variation import Noise, gaussian

# 1 − ρ at full width: beyond it a scene's events come apart; steady sounds lose too much in mono.
APART_OF_EVENTS, APART_WHERE_STEADY = 0.02, 0.2


def side_power(width: float, steady: bool = False) -> float:
    """b² of a width from 0 to 1, of a scene that may have events, or of a `steady` one."""
    return (APART_WHERE_STEADY if steady else APART_OF_EVENTS) * width / 2


def side_generator(seed: int) -> torch.Generator:
    """A CPU generator of the side's noise alone: what the take itself draws stays what it was."""
    digest = hashlib.sha256(f"side of {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


@dataclass(frozen=True)
class SideNoise:
    """Draws s, whose share of the noise is `power`, b²."""

    generator: torch.Generator
    power: float

    def both(self, common: Tensor) -> Tensor:
        """Noise m [B, …] on the CPU → that of both channels [2 B, …], left and right of each item in turn."""
        side = torch.randn(common.shape, generator=self.generator, dtype=common.dtype)
        middle, apart = math.sqrt(1 - self.power) * common, math.sqrt(self.power) * side
        return torch.stack([middle + apart, middle - apart], dim=1).flatten(0, 1)


def noise_like(latents: Tensor, source: Noise, side: SideNoise | None = None) -> Tensor:
    """Noise for latents [B, …], of two channels where there is a side; where they are, and as they are.

    Drawn on the CPU, so that a seed gives the same noise on every device.
    """
    items = len(latents) if side is None else len(latents) // 2
    common = gaussian((items, *latents.shape[1:]), source)
    return (common if side is None else side.both(common)).to(latents)
