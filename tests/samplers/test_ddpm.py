"""Ancestral sampling against diffusers' own scheduler, the paper's equations, the oracle and itself."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDPMScheduler

from studio.core.errors import CancelledError
from studio.samplers.ddim import ddim_step
from studio.samplers.ddpm import ddpm_sample, ddpm_step, ddpm_steps
from studio.samplers.schedule import NoiseSchedule, add_noise

SHAPE = (2, 3, 4, 5)
# AudioLDM's, and Stable Diffusion 2.1's, which TANGO takes.
BETAS = {"epsilon": (0.0015, 0.0195), "v_prediction": (0.00085, 0.012)}


def _noise(seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _drawing(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _model(latents, timesteps, start_frame):
    return torch.tanh(latents * 1.3 + timesteps[:, None, None, None] / 1000)


def _pair(prediction: str, offset: int = 1) -> tuple[DDPMScheduler, NoiseSchedule]:
    start, end = BETAS[prediction]
    config = {
        "num_train_timesteps": 1000, "beta_start": start, "beta_end": end, "steps_offset": offset,
        "beta_schedule": "scaled_linear", "prediction_type": prediction, "clip_sample": False,
    }  # fmt: skip
    reference = DDPMScheduler(**config, timestep_spacing="leading", variance_type="fixed_small")
    ours = NoiseSchedule.from_config({**config, "set_alpha_to_one": False})
    reference.alphas_cumprod = ours.alphas_cumprod  # diffusers builds its table in float32
    return reference, ours


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("steps", "offset"), [(1, 1), (2, 1), (7, 1), (50, 1), (200, 1), (1000, 0)])
def test_follows_diffusers(prediction, steps, offset):
    reference, ours = _pair(prediction, offset)
    reference.set_timesteps(steps)
    expected, drawn = _noise(0, torch.float64), _drawing(8, 9)
    for timestep in reference.timesteps:
        output = _model(expected, timestep.expand(2), 0)
        expected = reference.step(output, timestep, expected, generator=drawn).prev_sample

    def model(latents, timesteps, start_frame):
        output = _model(latents, timesteps, start_frame)
        if prediction == "epsilon":
            return output
        level = ours.alpha_bar(timesteps)[:, None, None, None]
        return level.sqrt() * output + (1 - level).sqrt() * latents

    made = ddpm_sample(model, ours, _noise(0, torch.float64), steps, _drawing(8, 9))
    assert made.dtype == torch.float64
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-9)
    single = ddpm_sample(model, ours, _noise(0), steps, _drawing(8, 9))
    assert single.dtype == torch.float32


@pytest.mark.parametrize(("timestep", "before"), [(1, 0), (500, 499), (999, 998), (981, 961)])
def test_a_step_is_the_papers_mean_and_variance(timestep, before):
    _, schedule = _pair("epsilon")
    bars = schedule.alphas_cumprod.tolist()
    bar, bar_before = bars[timestep], bars[before]
    latents, predicted, drawn = (_noise(seed, torch.float64) for seed in (1, 2, 3))
    beta = 1 - bar / bar_before
    mean = (latents - beta / math.sqrt(1 - bar) * predicted) / math.sqrt(1 - beta)
    wanted = mean + math.sqrt((1 - bar_before) / (1 - bar) * beta) * drawn
    made = ddpm_step(latents, predicted, torch.tensor(bar), torch.tensor(bar_before), drawn)
    torch.testing.assert_close(made, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", [3, 20])
def test_a_perfect_model_gives_the_clip_back_whatever_is_drawn(schedule, oracle, steps):
    take = torch.randn(1, 3, 30, 5, generator=torch.Generator().manual_seed(4))
    noise = _noise(0)[:, :, :1].expand(2, 3, 8, 5)
    made = ddpm_sample(oracle(schedule, take), schedule, noise, steps, _drawing(5, 6), start_frame=11)
    torch.testing.assert_close(made, take[:, :, 11:19].expand(2, -1, -1, -1), rtol=0, atol=1e-4)


def test_a_sound_noised_to_the_first_step_kept_is_found_again(schedule, oracle):
    take = torch.randn(1, 3, 8, 5, generator=torch.Generator().manual_seed(4))
    level = schedule.alpha_bar(schedule.timesteps(20)[12])
    noisy = add_noise(take, torch.randn(take.shape, generator=_drawing(2)[0]), level)
    asked = []
    model = oracle(schedule, take)

    def told(latents, timesteps, start_frame):
        asked.append(int(timesteps[0]))
        return model(latents, timesteps, start_frame)

    made = ddpm_sample(told, schedule, noisy, 20, _drawing(1), skipped=12)
    torch.testing.assert_close(made, take, rtol=0, atol=1e-4)
    assert asked == schedule.timesteps(20).tolist()[12:]


def test_the_noise_that_is_put_in_is_what_ddim_keeps(schedule):
    """With the model's own ε for what is drawn the two come to the same spread: σ² and the mean's are one."""
    here, there = schedule.alpha_bar(torch.tensor(700)), schedule.alpha_bar(torch.tensor(650))
    clean, noise = torch.zeros(1, 1, 400, 50), torch.randn(1, 1, 400, 50, generator=_drawing(0)[0])
    noisy = add_noise(clean, noise, here)
    drawn = torch.randn(noisy.shape, generator=_drawing(1)[0])
    stirred = ddpm_step(noisy, noise, here, there, drawn)
    assert float(stirred.std()) == pytest.approx(float(ddim_step(noisy, noise, here, there).std()), rel=0.02)
    assert float(stirred.std()) == pytest.approx(float((1 - there).sqrt()), rel=0.02)


def test_levels_an_item_a_frame_or_for_all_agree(schedule):
    latents, noise, drawn = _noise(1), _noise(2), _noise(3)
    here, there = schedule.alpha_bar(torch.tensor(700)), schedule.alpha_bar(torch.tensor(300))
    one = ddpm_step(latents, noise, here, there, drawn)
    for shape in [(2,), (2, 4)]:
        assert torch.equal(one, ddpm_step(latents, noise, here.expand(shape), there.expand(shape), drawn))


def test_to_the_same_level_is_no_step(schedule):
    level = schedule.alpha_bar(torch.tensor([400, 900]))
    torch.testing.assert_close(ddpm_step(_noise(1), _noise(2), level, level, _noise(3)), _noise(1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(schedule, dtype):
    here, there = schedule.alpha_bar(torch.tensor([999, 999])), schedule.alpha_bar(torch.tensor([960, 960]))
    latents, noise = _noise(1).to(dtype), _noise(2).to(dtype)
    half = ddpm_step(latents, noise, here, there, _noise(3))
    single = ddpm_step(latents.float(), noise.float(), here, there, _noise(3))
    assert half.dtype == dtype
    assert torch.equal(half, single.to(dtype))


def test_a_clip_draws_what_it_would_draw_alone(schedule):
    both = ddpm_sample(_model, schedule, _noise(0), 6, _drawing(3, 4))
    assert torch.equal(both, ddpm_sample(_model, schedule, _noise(0), 6, _drawing(3, 4)))
    alone = ddpm_sample(_model, schedule, _noise(0)[1:], 6, _drawing(4))
    torch.testing.assert_close(both[1:], alone)
    other = ddpm_sample(_model, schedule, _noise(0), 6, _drawing(3, 5))
    assert torch.equal(both[:1], other[:1])
    assert not torch.allclose(both[1:], other[1:])


def test_a_step_is_made_when_it_is_asked_for_and_may_be_cancelled(schedule):
    asked, told = [], []

    def model(latents, timesteps, start_frame):
        asked.append((int(timesteps[0]), start_frame))
        return _model(latents, timesteps, start_frame)

    steps = ddpm_steps(model, schedule, _noise(0), 5, _drawing(0, 1), start_frame=3)
    assert asked == []
    assert next(steps)[:2] == (1, 5)
    assert asked == [(int(schedule.timesteps(5)[0]), 3)]

    def on_step(step, total, latents):
        told.append((step, total, latents.shape))
        if step == 2:
            raise CancelledError("stop")

    with pytest.raises(CancelledError):
        ddpm_sample(_model, schedule, _noise(0), 5, _drawing(0, 1), on_step)
    assert told == [(1, 5, SHAPE), (2, 5, SHAPE)]


def test_nothing_learns_from_a_clip(schedule):
    weight = torch.ones((), requires_grad=True)
    made = ddpm_sample(lambda *told: weight * _model(*told), schedule, _noise(0), 3, _drawing(0, 1))
    assert not made.requires_grad


@pytest.mark.parametrize(("steps", "skipped"), [(0, 0), (1001, 0), (5, 5), (5, -1)])
def test_refuses_steps_the_schedule_has_not(schedule, steps, skipped):
    with pytest.raises(ValueError, match="1 to 1000"):
        ddpm_sample(_model, schedule, _noise(0), steps, _drawing(0, 1), skipped=skipped)


def test_each_clip_needs_what_draws_for_it(schedule):
    with pytest.raises(ValueError, match="1 generators for 2 clips"):
        ddpm_sample(_model, schedule, _noise(0), 5, _drawing(0))
