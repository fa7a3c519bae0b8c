"""A take that goes on from sound that exists: what the model is told, and the window grown."""

from __future__ import annotations

import pytest
import torch

from studio.samplers.fifo import fifo_step, state_from_latents
from tests.samplers.fifo_fakes import Watched, seeded, small_plan, uneven_model


def _lead(frames: int) -> torch.Tensor:
    return torch.randn(1, 3, frames, 4, generator=seeded(1))


@pytest.mark.parametrize("position", [None, 10, 30, 1000])
def test_the_model_hears_the_recording_clean_and_at_its_place(schedule, position):
    plan, lead, watched = small_plan(), _lead(10), Watched(uneven_model)
    state_from_latents(watched, schedule, plan, seeded(), lead, warmup_steps=4, position=position)
    end = 10 if position is None else position
    for call, timestep in zip(watched.calls, schedule.timesteps(4).tolist(), strict=True):
        assert torch.equal(call.latents[:, :, :10], lead)
        assert call.timesteps.tolist() == [[plan.timesteps[0]] * 10 + [timestep] * plan.queue_frames]
        assert call.start_frame == end - 10


@pytest.mark.parametrize(("position", "wanted"), [(None, 25), (25, 25), (70, 70), (0, 0)])
def test_a_recording_ends_where_it_is_said_to_or_where_it_is_long(schedule, position, wanted):
    state = state_from_latents(
        uneven_model, schedule, small_plan(), seeded(), _lead(25), warmup_steps=4, position=position
    )
    assert (state.position, state.steps_done) == (wanted, 0)


def test_the_clip_beside_it_is_the_takes_own(exact_schedule, oracle):
    """The clip itself: the steps that follow would heal another."""
    plan, grown = small_plan(), []
    take = torch.randn(1, 3, 80, 4, generator=seeded(9))
    state_from_latents(
        oracle(exact_schedule, take),
        exact_schedule,
        plan,
        seeded(),
        take[:, :, 20:30],
        warmup_steps=6,
        position=30,
        on_step=lambda step, total, rest: grown.append((step, total, rest)),
    )
    assert [(step, total) for step, total, _ in grown] == [(step, 6) for step in range(1, 7)]
    torch.testing.assert_close(grown[-1][2], take[:, :, 30 : 30 + plan.queue_frames], rtol=0, atol=1e-3)


def test_an_oracle_goes_on_from_a_recording(exact_schedule, oracle):
    plan = small_plan()
    take = torch.randn(1, 3, 80, 4, generator=seeded(9))
    denoise = oracle(exact_schedule, take)
    state = state_from_latents(
        denoise, exact_schedule, plan, seeded(), take[:, :, 20:30], warmup_steps=6, position=30
    )
    assert torch.equal(state.buffer, take[:, :, 30 - plan.buffer_frames : 30])
    for position in range(30, 50, plan.group_size):
        state, frames = fifo_step(denoise, state, plan, exact_schedule)
        torch.testing.assert_close(frames, take[:, :, position : position + 2], rtol=0, atol=1e-3)


def test_a_recording_may_be_just_the_buffer_but_not_shorter(schedule):
    plan = small_plan()
    lead = _lead(plan.buffer_frames)
    state = state_from_latents(uneven_model, schedule, plan, seeded(), lead, warmup_steps=4)
    assert torch.equal(state.buffer, lead)
    with pytest.raises(ValueError, match="buffer needs"):
        state_from_latents(uneven_model, schedule, plan, seeded(), lead[:, :, 1:], warmup_steps=4)


def test_nothing_learns_from_a_continuation(schedule):
    """Neither the model nor what encoded the recording."""
    lead, weight = _lead(10).requires_grad_(), torch.ones((), requires_grad=True)
    state = state_from_latents(
        lambda *told: weight * uneven_model(*told), schedule, small_plan(), seeded(), lead, warmup_steps=4
    )
    assert not state.buffer.requires_grad
    assert not state.queue.requires_grad
