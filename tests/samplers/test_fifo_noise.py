"""The noise of an endless take: the seed's at every place where it enters, Gaussian, and drawn only once.

A perfect model heals whatever state it is given, so these tests look at the states and not at the sound.
"""

from __future__ import annotations

import pytest
import torch

from studio.samplers.fifo import fifo_step, state_from_latents, warm_start
from studio.samplers.schedule import add_noise
from tests.samplers.fifo_fakes import SIZES, Watched, seeded, small_plan, uneven_model


def _entered(state, plan):
    """The group [1, C, k, F] that came into the queue last."""
    return state.queue[:, :, -plan.group_size :]


def test_what_enters_the_queue_is_the_states_own_noise(schedule):
    plan = small_plan()
    state, _ = warm_start(uneven_model, schedule, plan, seeded(), **SIZES)
    for _ in range(4):
        generator = torch.Generator().set_state(state.generator_state)
        expected = torch.randn(1, 3, plan.group_size, 4, generator=generator)
        after, _ = fifo_step(uneven_model, state, plan, schedule)
        assert torch.equal(_entered(after, plan), expected)
        assert torch.equal(after.generator_state, generator.get_state())
        assert not torch.equal(after.generator_state, state.generator_state)
        state = after


def test_every_seed_group_frame_and_channel_has_noise_of_its_own(schedule):
    plan = small_plan()
    entered = []
    for seed in (5, 6):
        state, _ = warm_start(uneven_model, schedule, plan, seeded(seed), **SIZES)
        for _ in range(3):
            state, _ = fifo_step(uneven_model, state, plan, schedule)
            entered.append(_entered(state, plan))
    rows = torch.cat(entered, dim=2)[0].flatten(0, 1)  # one row of 4 bands for each channel and frame
    assert len(rows.unique(dim=0)) == len(rows) == 3 * 6 * plan.group_size


def test_noise_stays_gaussian_for_long(schedule):
    plan = small_plan(group_size=4)
    state, _ = warm_start(uneven_model, schedule, plan, seeded(), **SIZES)
    groups = []
    for _ in range(200):
        state, _ = fifo_step(uneven_model, state, plan, schedule)
        groups.append(_entered(state, plan))
    noise = torch.cat(groups, dim=2)[0]  # [C, 200·k, F]
    assert float(noise.std()) == pytest.approx(1.0, rel=0.05)
    assert abs(float(noise.mean())) < 0.05
    assert float(noise.pow(4).mean()) == pytest.approx(3.0, rel=0.15)  # of even noise it is 1.8
    for lag in range(1, plan.queue_frames + 1):
        assert abs(float((noise[:, lag:] * noise[:, :-lag]).mean())) < 0.1


def test_the_queue_keeps_the_deviation_of_its_levels(exact_schedule, oracle):
    """Sound of deviation 1 under noise of deviation 1 has deviation 1 at every level, for ever."""
    plan = small_plan()
    take = torch.randn(1, 3, plan.window_frames + 200 * plan.group_size, 4, generator=seeded(9))
    denoise = oracle(exact_schedule, take)
    state, _ = warm_start(denoise, exact_schedule, plan, seeded(), **SIZES)
    groups = []
    for _ in range(200):
        groups.append(state.queue.unflatten(2, (-1, plan.group_size)))
        state, _ = fifo_step(denoise, state, plan, exact_schedule)
    deviation = torch.stack(groups).std(dim=(0, 1, 2, 4, 5))
    assert deviation.tolist() == pytest.approx([1.0] * len(plan.timesteps), rel=0.05)


def test_all_of_a_warm_start_is_the_seeds(schedule):
    """The clip's noise, then the ramp's, from one generator that the state goes on with."""
    plan = small_plan()
    watched, clips = Watched(uneven_model), []
    state, _ = warm_start(
        watched, schedule, plan, seeded(7), **SIZES, on_step=lambda step, total, clip: clips.append(clip)
    )
    generator = seeded(7)
    assert torch.equal(
        watched.calls[0].latents, torch.randn(1, 3, plan.window_frames, 4, generator=generator)
    )
    ramp = torch.randn(1, 3, plan.queue_frames, 4, generator=generator)
    clean, levels = clips[-1][:, :, plan.buffer_frames :], schedule.alpha_bar(plan.queue_timesteps())
    assert torch.equal(state.queue, add_noise(clean, ramp, levels[None]))
    assert torch.equal(state.generator_state, generator.get_state())


def test_all_of_a_continuation_is_the_seeds(schedule):
    plan = small_plan()
    watched, rests = Watched(uneven_model), []
    state = state_from_latents(
        watched,
        schedule,
        plan,
        seeded(7),
        torch.randn(1, 3, 10, 4, generator=seeded(1)),
        warmup_steps=4,
        on_step=lambda step, total, rest: rests.append(rest),
    )
    generator = seeded(7)
    shape = (1, 3, plan.queue_frames, 4)
    assert torch.equal(watched.calls[0].latents[:, :, 10:], torch.randn(shape, generator=generator))
    ramp, levels = torch.randn(shape, generator=generator), schedule.alpha_bar(plan.queue_timesteps())
    assert torch.equal(state.queue, add_noise(rests[-1], ramp, levels[None]))
    assert torch.equal(state.generator_state, generator.get_state())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_a_state_keeps_its_precision(schedule, dtype):
    plan = small_plan()
    lead = torch.randn(1, 3, 10, 4, generator=seeded(1)).to(dtype)
    state = state_from_latents(uneven_model, schedule, plan, seeded(), lead, warmup_steps=4)
    after, frames = fifo_step(uneven_model, state, plan, schedule)
    assert {part.dtype for part in (state.buffer, state.queue, after.buffer, after.queue, frames)} == {dtype}
