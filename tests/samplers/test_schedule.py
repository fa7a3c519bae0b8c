"""A checkpoint's scheduler file: followed as diffusers does, or refused by the field that can't be."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, PNDMScheduler

from studio.core.errors import WeightsError
from studio.samplers.ddim import ddim_sample
from studio.samplers.schedule import NoiseSchedule
from tests.samplers.conftest import AUDIOLDM

# As the published checkpoints' scheduler_config.json say it.
PUBLISHED = {
    **AUDIOLDM, "_class_name": "DDIMScheduler", "_diffusers_version": "0.15.0.dev0", "clip_sample_range": 1.0,
    "dynamic_thresholding_ratio": 0.995, "prediction_type": "epsilon", "sample_max_value": 1.0,
    "thresholding": False, "trained_betas": None,
}  # fmt: skip
SD21 = {
    **PUBLISHED, "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": "v_prediction",
    "_class_name": "PNDMScheduler", "skip_prk_steps": True,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rescale_betas_zero_snr": False, "timestep_spacing": "leading"},
        {"set_alpha_to_one": True, "steps_offset": 0},
        {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02},
        {"num_train_timesteps": 500},
        {"prediction_type": "v_prediction"},
    ],
)
@pytest.mark.parametrize("steps", [4, 7])
def test_what_is_followed_is_what_diffusers_computes(changes: dict[str, Any], steps: int) -> None:
    config = {**PUBLISHED, **changes}
    ours, theirs = NoiseSchedule.from_config(config), DDIMScheduler.from_config(config)
    theirs.set_timesteps(steps)
    assert ours.timesteps(steps).tolist() == theirs.timesteps.tolist()
    torch.testing.assert_close(ours.alphas_cumprod.float(), theirs.alphas_cumprod, atol=1e-6, rtol=1e-5)
    assert ours.clean_alpha_bar == pytest.approx(float(theirs.final_alpha_cumprod), abs=1e-6)
    assert ours.prediction_type == theirs.config.prediction_type
    if ours.prediction_type != "epsilon":
        return
    noise = torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    made = ddim_sample(lambda x, t, s: 0.3 * x, ours, noise.clone(), steps)
    sample = noise.clone()
    for timestep in theirs.timesteps:
        sample = theirs.step(0.3 * sample, timestep, sample).prev_sample
    torch.testing.assert_close(made, sample, atol=1e-4, rtol=1e-4)


def test_pndm_has_a_default_of_its_own() -> None:
    config = {name: value for name, value in SD21.items() if name != "set_alpha_to_one"}
    theirs = PNDMScheduler.from_config(config)
    clean = NoiseSchedule.from_config(config).clean_alpha_bar
    assert clean == pytest.approx(float(theirs.final_alpha_cumprod), abs=1e-6)
    assert clean < 1
    assert NoiseSchedule.from_config({**config, "_class_name": "DDIMScheduler"}).clean_alpha_bar == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trained_betas", [0.1, 0.2]), ("trained_betas", []), ("rescale_betas_zero_snr", True),
        ("clip_sample", True), ("clip_sample", "no"), ("thresholding", True),
        ("_class_name", "EvilScheduler"),
        ("_class_name", "FlowMatchEulerDiscreteScheduler"), ("_class_name", None), ("_class_name", ["DDIM"]),
        ("beta_schedule", "squaredcos_cap_v2"), ("beta_schedule", 5), ("beta_schedule", ["linear"]),
        ("prediction_type", "sample"), ("prediction_type", {}), ("timestep_spacing", "trailing"),
        ("timestep_spacing", "linspace"), ("set_alpha_to_one", "yes"), ("set_alpha_to_one", 2),
        ("num_train_timesteps", 10**9), ("num_train_timesteps", 0), ("num_train_timesteps", -5),
        ("num_train_timesteps", 1e9), ("num_train_timesteps", 1000.0), ("num_train_timesteps", True),
        ("num_train_timesteps", "1000"), ("num_train_timesteps", math.nan), ("steps_offset", 1000),
        ("steps_offset", -1), ("steps_offset", 0.5), ("steps_offset", "1"), ("beta_start", math.nan),
        ("beta_start", -0.1), ("beta_start", "0.1"), ("beta_start", True), ("beta_end", 2.0),
        ("beta_end", math.inf), ("beta_end", None), ("beta_start", [0.1]), ("beta_start", 0),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(WeightsError, match=field) as caught:
        NoiseSchedule.from_config({**PUBLISHED, field: value})
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("field", ["beta_start", "beta_end"])
def test_a_schedule_without_its_ends_is_none(field: str) -> None:
    with pytest.raises(WeightsError, match=field):
        NoiseSchedule.from_config({name: value for name, value in PUBLISHED.items() if name != field})
