"""DDIM against diffusers' own scheduler, the oracle and itself."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler

from studio.core.errors import CancelledError
from studio.samplers.ddim import ddim_sample, ddim_step, ddim_steps
from studio.samplers.schedule import add_noise

SHAPE = (2, 3, 4, 5)


def _noise(seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _model(latents, timesteps, start_frame):
    return torch.tanh(latents * 1.3 + timesteps[:, None, None, None] / 1000)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("steps", "clean_is_one"), [(10, False), (7, True), (50, False)])
def test_follows_diffusers(schedule, exact_schedule, dtype, steps, clean_is_one):
    reference = DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        steps_offset=1,
        clip_sample=False,
        set_alpha_to_one=clean_is_one,
    )
    ours = exact_schedule if clean_is_one else schedule
    reference.alphas_cumprod = ours.alphas_cumprod  # diffusers builds its table in float32
    reference.final_alpha_cumprod = torch.tensor(ours.clean_alpha_bar, dtype=torch.float64)
    reference.set_timesteps(steps)
    expected = _noise(0, dtype)
    for timestep in reference.timesteps:
        noise_pred = _model(expected, timestep.expand(2), 0)
        expected = reference.step(noise_pred, timestep, expected).prev_sample
    made = ddim_sample(_model, ours, _noise(0, dtype), steps)
    assert made.dtype == dtype
    torch.testing.assert_close(
        made, expected.to(dtype), rtol=0, atol=1e-4 if dtype == torch.float32 else 1e-11
    )


def test_perfect_noise_gives_the_clip_back(exact_schedule, oracle):
    take = torch.randn(1, 3, 30, 5)
    noise = torch.randn(1, 3, 8, 5)
    made = ddim_sample(oracle(exact_schedule, take), exact_schedule, noise, 20, start_frame=11)
    torch.testing.assert_close(made, take[:, :, 11:19], rtol=0, atol=1e-4)


def test_a_step_undoes_the_noise_of_every_frame(exact_schedule):
    clean, noise = _noise(1), _noise(2)
    levels = exact_schedule.alpha_bar(torch.tensor([[10, 200, 500, 999], [1, 2, 3, 4]]))
    back = ddim_step(add_noise(clean, noise, levels), noise, levels, torch.ones_like(levels))
    torch.testing.assert_close(back, clean, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_noise_is_added_in_single_precision_and_in_the_sounds_own_dtype(schedule, dtype):
    clean, noise = _noise(1).to(dtype), _noise(2).to(dtype)
    levels = schedule.alpha_bar(torch.tensor([3, 700]))
    noisy = add_noise(clean, noise, levels)
    assert noisy.dtype == dtype
    assert torch.equal(noisy, add_noise(clean.float(), noise.float(), levels).to(dtype))


def test_levels_an_item_a_frame_or_for_all_agree(schedule):
    latents, noise = _noise(1), _noise(2)
    here, there = schedule.alpha_bar(torch.tensor(700)), schedule.alpha_bar(torch.tensor(300))
    one = ddim_step(latents, noise, here, there)
    for shape in [(2,), (2, 4)]:
        assert torch.equal(one, ddim_step(latents, noise, here.expand(shape), there.expand(shape)))


def test_to_the_same_level_is_no_step(schedule):
    level = schedule.alpha_bar(torch.tensor([400, 900]))
    torch.testing.assert_close(ddim_step(_noise(1), _noise(2), level, level), _noise(1))


def test_half_precision_is_computed_in_single(schedule):
    here, there = schedule.alpha_bar(torch.tensor([999, 999])), schedule.alpha_bar(torch.tensor([960, 960]))
    half = ddim_step(_noise(1).half(), _noise(2).half(), here, there)
    single = ddim_step(_noise(1).half().float(), _noise(2).half().float(), here, there)
    assert half.dtype == torch.float16
    assert torch.equal(half, single.half())


def test_steps_are_told_and_may_be_cancelled(schedule):
    told = []

    def on_step(step, total, latents):
        told.append((step, total, latents.shape))
        if step == 3:
            raise CancelledError("stop")

    with pytest.raises(CancelledError):
        ddim_sample(_model, schedule, _noise(0), 5, on_step)
    assert told == [(1, 5, SHAPE), (2, 5, SHAPE), (3, 5, SHAPE)]


@pytest.mark.parametrize("skipped", [0, 1, 4])
def test_skipped_steps_are_the_noisiest_and_progress_counts_to_the_end(schedule, skipped):
    asked, told = [], []

    def model(latents, timesteps, start_frame):
        asked.append((timesteps.tolist(), start_frame))
        return _model(latents, timesteps, start_frame)

    made = ddim_sample(
        model,
        schedule,
        _noise(0),
        5,
        lambda step, total, latents: told.append((step, total, latents)),
        start_frame=3,
        skipped=skipped,
    )
    assert asked == [([timestep] * 2, 3) for timestep in schedule.timesteps(5).tolist()[skipped:]]
    assert [(step, total) for step, total, _ in told] == [(i, 5 - skipped) for i in range(1, 6 - skipped)]
    assert torch.equal(told[-1][2], made)


def test_a_step_is_made_when_it_is_asked_for(schedule):
    asked = []

    def model(latents, timesteps, start_frame):
        asked.append(int(timesteps[0]))
        return _model(latents, timesteps, start_frame)

    steps = ddim_steps(model, schedule, _noise(0), 5)
    assert asked == []
    for number in (1, 2):
        assert next(steps).step == number
        assert asked == schedule.timesteps(5).tolist()[:number]


def test_a_sound_noised_to_the_first_step_kept_is_found_again(exact_schedule, oracle):
    take = torch.randn(1, 3, 8, 5, generator=torch.Generator().manual_seed(4))
    level = exact_schedule.alpha_bar(exact_schedule.timesteps(20)[12])
    noisy = add_noise(take, _noise(0)[:1, :, :1].expand_as(take), level)
    made = ddim_sample(oracle(exact_schedule, take), exact_schedule, noisy, 20, skipped=12)
    torch.testing.assert_close(made, take, rtol=0, atol=1e-4)


def test_nothing_learns_from_a_clip(schedule):
    weight = torch.ones((), requires_grad=True)
    made = ddim_sample(lambda *told: weight * _model(*told), schedule, _noise(0), 3)
    assert not made.requires_grad


def test_same_noise_same_clip(schedule):
    assert torch.equal(
        ddim_sample(_model, schedule, _noise(0), 6), ddim_sample(_model, schedule, _noise(0), 6)
    )


@pytest.mark.parametrize(("steps", "skipped"), [(0, 0), (-1, 0), (1001, 0), (5, 5), (5, 6), (5, -1)])
def test_refuses_steps_the_schedule_has_not(schedule, steps, skipped):
    with pytest.raises(ValueError, match="1 to 1000"):
        ddim_sample(_model, schedule, _noise(0), steps, skipped=skipped)
