"""The one thing every sampler asks for: a callable that tells noise from sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

OnStep = Callable[[int, int, Tensor], None]
"""Called after each denoising step with (steps done, steps in all, latents); may raise to end the run."""


class Denoise(Protocol):
    """A model with its conditioning already bound."""

    def __call__(self, latents: Tensor, timesteps: Tensor, start_frame: int, /) -> Tensor:
        """Predict the noise ε in latents.

        Args:
            latents: noisy latents [B, C, T, F], float32; a model of another precision casts for itself.
            timesteps: int64 [B], or [B, T] with one timestep a frame, on the latents' device.
            start_frame: position in the whole take of the first of the T frames.

        Returns:
            ε, shaped as the latents.
        """
        ...
