"""The endless queue: positions, an oracle's take, state that travels."""

from __future__ import annotations

import io

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import CancelledError
from studio.samplers.fifo import FifoPlan, FifoState, fifo_step, state_from_latents, warm_start

SIZES = {"channels": 3, "bands": 4, "warmup_steps": 6}


def _plan(group_size: int = 2, buffer_frames: int = 3, frame_multiple: int = 4) -> FifoPlan:
    return FifoPlan.build([1, 200, 500, 800, 950], group_size, buffer_frames, frame_multiple)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _model(latents, timesteps, start_frame):
    each = timesteps if timesteps.ndim == 2 else timesteps[:, None]
    neighbours = latents.roll(1, dims=2) * 0.3
    return torch.tanh(latents + neighbours + each[:, None, :, None] / 1000 + 0.01 * start_frame)


def _run(schedule, state, plan, steps):
    played = []
    for _ in range(steps):
        state, frames = fifo_step(_model, state, plan, schedule)
        played.append(frames)
    return state, torch.cat(played, dim=2)


@given(
    count=st.integers(1, 60),
    group_size=st.integers(1, 32),
    buffer_frames=st.integers(0, 64),
    multiple=st.sampled_from([1, 2, 4, 8]),
)
def test_the_window_divides(count, group_size, buffer_frames, multiple):
    plan = FifoPlan.build(torch.arange(count) * 3 + 1, group_size, buffer_frames, multiple)
    assert plan.window_frames % multiple == 0
    assert buffer_frames <= plan.buffer_frames < buffer_frames + multiple
    assert plan.queue_frames == count * group_size
    at = plan.frame_timesteps()
    assert len(at) == plan.window_frames
    assert torch.all(at[: plan.buffer_frames + group_size] == 1)
    assert torch.all(at.diff() >= 0)
    assert torch.equal(plan.queue_timesteps(target=True)[group_size:], plan.queue_timesteps()[:-group_size])
    assert torch.all(plan.queue_timesteps(target=True)[:group_size] == -1)


@pytest.mark.parametrize(
    "values", [([], 1, 0), ([5, 5], 1, 0), ([9, 3], 1, 0), ([-1, 4], 1, 0), ([1], 0, 0), ([1], 1, -1)]
)
def test_refuses_a_plan_that_is_none(values):
    with pytest.raises(ValueError, match=r"rise|start at"):
        FifoPlan.build(*values)


@pytest.mark.parametrize(("group_size", "buffer_frames"), [(1, 3), (2, 3), (4, 0), (4, 1), (3, 16)])
def test_an_oracle_gives_its_take_back(exact_schedule, oracle, group_size, buffer_frames):
    """Every frame that leaves is the take's own at that position: positions, targets, order are right."""
    plan = _plan(group_size, buffer_frames)
    take = torch.randn(1, 3, plan.window_frames + 20 * group_size, 4, generator=_generator(9))
    denoise = oracle(exact_schedule, take)
    state, first = warm_start(denoise, exact_schedule, plan, _generator(), **SIZES)
    played = [first]
    for step in range(20):
        assert state.position == sum(part.shape[2] for part in played)
        assert state.steps_done == step
        state, frames = fifo_step(denoise, state, plan, exact_schedule)
        assert frames.shape == (1, 3, group_size, 4)
        played.append(frames)
    sound = torch.cat(played, dim=2)
    torch.testing.assert_close(sound, take[:, :, : sound.shape[2]], rtol=0, atol=1e-3)


def test_an_oracle_goes_on_from_a_recording(exact_schedule, oracle):
    plan = _plan()
    take = torch.randn(1, 3, 80, 4, generator=_generator(9))
    denoise = oracle(exact_schedule, take)
    state = state_from_latents(
        denoise, exact_schedule, plan, _generator(), take[:, :, 20:30], warmup_steps=6, position=30
    )
    assert torch.equal(state.buffer, take[:, :, 30 - plan.buffer_frames : 30])
    for position in range(30, 50, plan.group_size):
        state, frames = fifo_step(denoise, state, plan, exact_schedule)
        torch.testing.assert_close(frames, take[:, :, position : position + 2], rtol=0, atol=1e-3)


def test_a_recording_ends_where_it_is_long_by_default(schedule):
    plan = _plan()
    told = []
    state = state_from_latents(
        _model,
        schedule,
        plan,
        _generator(),
        torch.randn(1, 3, 25, 4),
        warmup_steps=4,
        on_step=lambda step, total, latents: told.append((step, total)),
    )
    assert state.position == 25
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_refuses_a_recording_shorter_than_the_buffer(schedule):
    with pytest.raises(ValueError, match="buffer needs"):
        state_from_latents(_model, schedule, _plan(), _generator(), torch.randn(1, 3, 2, 4), warmup_steps=4)


def test_the_model_sees_the_buffer_clean_and_one_timestep_a_frame(schedule):
    plan = _plan()
    state, _ = warm_start(_model, schedule, plan, _generator(), **SIZES)
    seen = []

    def watch(latents, timesteps, start_frame):
        seen.append((latents, timesteps, start_frame))
        return _model(latents, timesteps, start_frame)

    after, frames = fifo_step(watch, state, plan, schedule)
    (window, timesteps, start_frame), size = seen[0], plan.buffer_frames
    assert torch.equal(window[:, :, :size], state.buffer)
    assert torch.equal(timesteps, plan.frame_timesteps()[None])
    assert start_frame == state.position - size == 0
    # The buffer is never altered, only slid along by the clean group.
    assert torch.equal(after.buffer, torch.cat([state.buffer, frames], dim=2)[:, :, plan.group_size :])


def test_warm_start_plays_its_clips_beginning(schedule):
    plan = _plan()
    clips = []
    state, first = warm_start(
        _model, schedule, plan, _generator(), **SIZES, on_step=lambda *told: clips.append(told)
    )
    assert [(step, total) for step, total, _ in clips] == [(step, 6) for step in range(1, 7)]
    clip = clips[-1][2]
    assert clip.shape == (1, 3, plan.window_frames, 4)
    assert torch.equal(first, clip[:, :, : plan.buffer_frames])
    levels = schedule.alpha_bar(plan.queue_timesteps())[None, None, :, None]
    noise = (state.queue - levels.sqrt() * clip[:, :, plan.buffer_frames :]) / (1 - levels).sqrt()
    assert 0.7 < float(noise.std()) < 1.3


def test_warm_start_may_be_cancelled(schedule):
    def stop(step, total, latents):
        raise CancelledError("stop")

    with pytest.raises(CancelledError):
        warm_start(_model, schedule, _plan(), _generator(), **SIZES, on_step=stop)


def test_same_seed_same_take(schedule):
    plan = _plan()
    takes = []
    for seed in (5, 5, 6):
        state, first = warm_start(_model, schedule, plan, _generator(seed), **SIZES)
        takes.append(torch.cat([first, _run(schedule, state, plan, 12)[1]], dim=2))
    assert torch.equal(takes[0], takes[1])
    assert not torch.equal(takes[0], takes[2])


def test_a_state_from_a_file_goes_on_identically(schedule):
    plan = _plan()
    state, _ = warm_start(_model, schedule, plan, _generator(), **SIZES)
    state, _ = _run(schedule, state, plan, 7)
    file = io.BytesIO()
    torch.save(state.to_dict(), file)
    file.seek(0)
    resumed = FifoState.from_dict(torch.load(file, weights_only=True))
    assert (resumed.position, resumed.steps_done) == (state.position, state.steps_done)
    assert torch.equal(_run(schedule, state, plan, 9)[1], _run(schedule, resumed, plan, 9)[1])


def test_a_step_leaves_the_state_as_it_was(schedule):
    plan = _plan()
    state, _ = warm_start(_model, schedule, plan, _generator(), **SIZES)
    once, again = fifo_step(_model, state, plan, schedule)[1], fifo_step(_model, state, plan, schedule)[1]
    assert torch.equal(once, again)


def test_state_and_frames_hold_no_more_than_their_own(schedule):
    plan = _plan()
    state, _ = warm_start(_model, schedule, plan, _generator(), **SIZES)
    state, frames = fifo_step(_model, state, plan, schedule)
    for tensor in (state.buffer, state.queue, frames):
        assert tensor.untyped_storage().nbytes() == tensor.numel() * 4


def test_refuses_another_plans_state(schedule):
    state, _ = warm_start(_model, schedule, _plan(), _generator(), **SIZES)
    with pytest.raises(ValueError, match="the plan"):
        fifo_step(_model, state, _plan(group_size=4), schedule)
