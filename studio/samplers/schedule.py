"""The noise schedule of a checkpoint: read from its scheduler file, never assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.core.errors import WeightsError


@dataclass(frozen=True)
class NoiseSchedule:
    """ᾱ over training timesteps, and how inference steps are spaced.

    `alphas_cumprod` is [M], float64. `clean_alpha_bar` stands for τ₀, the step after the last one: ᾱ[0]
    where the checkpoint says `set_alpha_to_one: false` (AudioLDM), else 1.
    """

    alphas_cumprod: Tensor
    clean_alpha_bar: float
    steps_offset: int = 1
    prediction_type: str = "epsilon"

    @property
    def train_steps(self) -> int:
        return len(self.alphas_cumprod)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NoiseSchedule:
        """From a diffusers scheduler's config.

        Raises:
            WeightsError: a beta schedule, spacing or prediction type this studio can't follow.
        """
        count = int(config.get("num_train_timesteps", 1000))
        start, end = float(config["beta_start"]), float(config["beta_end"])
        kind = config.get("beta_schedule", "linear")
        if kind == "scaled_linear":
            betas = torch.linspace(start**0.5, end**0.5, count, dtype=torch.float64) ** 2
        elif kind == "linear":
            betas = torch.linspace(start, end, count, dtype=torch.float64)
        else:
            raise WeightsError(
                f"This checkpoint's beta schedule '{kind}' is not known; use another checkpoint."
            )
        prediction = config.get("prediction_type", "epsilon")
        if prediction not in {"epsilon", "v_prediction"}:
            raise WeightsError(
                f"This checkpoint predicts '{prediction}', which is not known; use another one."
            )
        if config.get("timestep_spacing", "leading") != "leading":
            raise WeightsError("Only leading timestep spacing is known; use another checkpoint.")
        alphas = torch.cumprod(1.0 - betas, dim=0)
        clean = 1.0 if config.get("set_alpha_to_one", True) else float(alphas[0])
        return cls(alphas, clean, int(config.get("steps_offset", 0)), prediction)

    def timesteps(self, steps: int) -> Tensor:
        """`steps` inference timesteps, noisiest first, spaced as diffusers' "leading". int64 [steps]."""
        ratio = self.train_steps // steps
        spaced = torch.arange(steps - 1, -1, -1) * ratio + self.steps_offset
        return spaced.clamp_(0, self.train_steps - 1)

    def alpha_bar(self, timesteps: Tensor) -> Tensor:
        """ᾱ at integer timesteps of any shape; −1 stands for τ₀, clean. float64, on their device."""
        table = self.alphas_cumprod.to(timesteps.device)
        values = table[timesteps.clamp(min=0)]
        return torch.where(timesteps < 0, torch.full_like(values, self.clean_alpha_bar), values)
