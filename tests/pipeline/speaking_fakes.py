"""A model that speaks without weights, and counts what is asked of it."""

from __future__ import annotations

from torch import Tensor

from studio.backends.base import Conditioning
from studio.testing import FakeSpeakingBackend


class FakeSpeaker(FakeSpeakingBackend):
    """`forwards` has the items of each forward."""

    def __init__(self, content_band: int | None = 8) -> None:
        super().__init__(content_band=content_band)
        self.forwards: list[int] = []

    def predict_noise(
        self, latents: Tensor, timesteps: Tensor, start_frame: int, conditioning: Conditioning
    ) -> Tensor:
        self.forwards.append(len(latents))
        return super().predict_noise(latents, timesteps, start_frame, conditioning)
