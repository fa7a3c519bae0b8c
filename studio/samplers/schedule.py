"""The noise schedule of a checkpoint: read from its scheduler file, never assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.core.errors import WeightsError

MAX_TRAIN_STEPS = 10_000  # these systems have 1000
# What a scheduler's fields may say. One that is not named here changes nothing of what a DDIM step computes.
_FOLLOWED: dict[str, tuple[object, ...]] = {
    "_class_name": (
        "DDIMScheduler",
        "DDPMScheduler",
        "PNDMScheduler",
    ),  # one noise, whose steps are DDIM's here
    "beta_schedule": ("linear", "scaled_linear"),
    "prediction_type": ("epsilon", "v_prediction"),
    "timestep_spacing": ("leading",),
    "trained_betas": (None,),
    "rescale_betas_zero_snr": (None, False),
    "clip_sample": (None, False),
    "thresholding": (None, False),
    "set_alpha_to_one": (True, False),
}


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
            WeightsError: a field is missing, is no number that it can be, or asks for what this studio can't
                follow.
        """
        for field, followed in _FOLLOWED.items():
            if field in config and not any(
                config[field] is value or config[field] == value for value in followed
            ):
                raise _unfollowed(field, config[field])
        count = _number(config, "num_train_timesteps", 1, MAX_TRAIN_STEPS, 1000)
        offset = _number(config, "steps_offset", 0, count - 1, 0)
        start, end = (_number(config, name, 1e-8, 0.999) for name in ("beta_start", "beta_end"))
        if config.get("beta_schedule", "linear") == "linear":
            betas = torch.linspace(start, end, count, dtype=torch.float64)
        else:
            betas = torch.linspace(start**0.5, end**0.5, count, dtype=torch.float64) ** 2
        alphas = torch.cumprod(1.0 - betas, dim=0)
        # PNDM's own default differs from the others'.
        to_one = config.get("set_alpha_to_one", config.get("_class_name") != "PNDMScheduler")
        clean = 1.0 if to_one else float(alphas[0])
        return cls(alphas, clean, int(offset), config.get("prediction_type", "epsilon"))

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


def _number(
    config: Mapping[str, Any], field: str, smallest: float, largest: float, default: float | None = None
) -> Any:
    """A field's number, whole where its bounds are."""
    value = config.get(field, default)
    kinds = {int} if isinstance(smallest, int) else {int, float}
    if type(value) not in kinds or not smallest <= value <= largest:
        raise _unfollowed(field, value)
    return value


def _unfollowed(field: str, value: object) -> WeightsError:
    shown = "".join(letter for letter in str(value)[:40] if letter.isprintable())
    return WeightsError(
        f"This checkpoint's scheduler_config.json says {shown or 'nothing'} for {field}, "
        "which can't be followed; use another checkpoint."
    )


def add_noise(latents: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """Clean latents [B, C, T, F] at noise level ᾱ: a scalar, [B] or [B, T] (forward process, eq. 4)."""
    dtype = torch.promote_types(latents.dtype, torch.float32)
    clean, noise = latents.to(dtype), noise.to(dtype)
    noisy = level_as(alpha_bar.sqrt(), clean) * clean + level_as((1 - alpha_bar).sqrt(), clean) * noise
    return noisy.to(latents.dtype)


def level_as(level: Tensor, latents: Tensor) -> Tensor:
    """A scalar, [B] or [B, T], shaped to broadcast over [B, C, T, F]."""
    # The dtype first: some devices (MPS) can't hold the schedule's float64.
    level = level.to(latents.dtype).to(latents.device)
    if level.ndim == 1:
        return level[:, None, None, None]
    return level[:, None, :, None] if level.ndim == 2 else level
