"""The endless queue: positions, an oracle's take, state that travels."""

from __future__ import annotations

import io

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import CancelledError
from studio.samplers.ddim import ddim_step
from studio.samplers.fifo import FifoPlan, FifoState, fifo_step, warm_start
from tests.samplers.fifo_fakes import SIZES, Watched, seeded, small_plan, uneven_model


def _run(schedule, state, plan, steps):
    played = []
    for _ in range(steps):
        state, frames = fifo_step(uneven_model, state, plan, schedule)
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
    plan = small_plan(group_size, buffer_frames)
    take = torch.randn(1, 3, plan.window_frames + 20 * group_size, 4, generator=seeded(9))
    denoise = oracle(exact_schedule, take)
    state, first = warm_start(denoise, exact_schedule, plan, seeded(), **SIZES)
    played = [first]
    for step in range(20):
        assert state.position == sum(part.shape[2] for part in played)
        assert state.steps_done == step
        state, frames = fifo_step(denoise, state, plan, exact_schedule)
        assert frames.shape == (1, 3, group_size, 4)
        played.append(frames)
    sound = torch.cat(played, dim=2)
    torch.testing.assert_close(sound, take[:, :, : sound.shape[2]], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("group_size", "buffer_frames"), [(2, 3), (1, 8), (4, 0)])
def test_the_model_sees_the_buffer_clean_and_one_timestep_a_frame(schedule, group_size, buffer_frames):
    plan, watched = small_plan(group_size, buffer_frames), Watched(uneven_model)
    state, _ = warm_start(uneven_model, schedule, plan, seeded(), **SIZES)
    for step in range(3):
        after, frames = fifo_step(watched, state, plan, schedule)
        told = watched.calls[-1]
        assert torch.equal(told.latents, torch.cat([state.buffer, state.queue], dim=2))
        queue = [timestep for timestep in plan.timesteps for _ in range(group_size)]
        assert told.timesteps.tolist() == [[plan.timesteps[0]] * plan.buffer_frames + queue]
        assert told.start_frame == state.position - plan.buffer_frames == step * group_size
        # The buffer is never altered, only slid along by the clean group.
        assert torch.equal(after.buffer, torch.cat([state.buffer, frames], dim=2)[:, :, group_size:])
        state = after


def test_a_step_takes_every_group_to_the_level_of_the_one_before_it(schedule):
    plan, watched = small_plan(), Watched(uneven_model)
    state, _ = warm_start(uneven_model, schedule, plan, seeded(), **SIZES)
    after, frames = fifo_step(watched, state, plan, schedule)
    noise = uneven_model(*watched.calls[0])[:, :, plan.buffer_frames :]
    here = torch.tensor(plan.timesteps).repeat_interleave(plan.group_size)
    there = torch.cat([torch.full((plan.group_size,), -1), here[: -plan.group_size]])
    moved = ddim_step(state.queue, noise, schedule.alpha_bar(here)[None], schedule.alpha_bar(there)[None])
    assert torch.equal(torch.cat([frames, after.queue[:, :, : -plan.group_size]], dim=2), moved)


def test_warm_start_plays_its_clips_beginning(schedule):
    plan = small_plan()
    clips = []
    state, first = warm_start(
        uneven_model, schedule, plan, seeded(), **SIZES, on_step=lambda *told: clips.append(told)
    )
    assert [(step, total) for step, total, _ in clips] == [(step, 6) for step in range(1, 7)]
    clip = clips[-1][2]
    assert clip.shape == (1, 3, plan.window_frames, 4)
    assert torch.equal(first, clip[:, :, : plan.buffer_frames])
    assert state.position == plan.buffer_frames


def test_warm_start_may_be_cancelled(schedule):
    def stop(step, total, latents):
        raise CancelledError("stop")

    with pytest.raises(CancelledError):
        warm_start(uneven_model, schedule, small_plan(), seeded(), **SIZES, on_step=stop)


def test_same_seed_same_take(schedule):
    plan = small_plan()
    takes = []
    for seed in (5, 5, 6):
        state, first = warm_start(uneven_model, schedule, plan, seeded(seed), **SIZES)
        takes.append(torch.cat([first, _run(schedule, state, plan, 12)[1]], dim=2))
    assert torch.equal(takes[0], takes[1])
    assert not torch.equal(takes[0], takes[2])


def test_a_state_from_a_file_goes_on_identically(schedule):
    plan = small_plan()
    state, _ = warm_start(uneven_model, schedule, plan, seeded(), **SIZES)
    state, _ = _run(schedule, state, plan, 7)
    file = io.BytesIO()
    torch.save(state.to_dict(), file)
    file.seek(0)
    resumed = FifoState.from_dict(torch.load(file, weights_only=True))
    assert (resumed.position, resumed.steps_done) == (state.position, state.steps_done)
    assert torch.equal(_run(schedule, state, plan, 9)[1], _run(schedule, resumed, plan, 9)[1])


def test_a_step_leaves_the_state_as_it_was(schedule):
    plan = small_plan()
    state, _ = warm_start(uneven_model, schedule, plan, seeded(), **SIZES)
    once, again = (
        fifo_step(uneven_model, state, plan, schedule)[1],
        fifo_step(uneven_model, state, plan, schedule)[1],
    )
    assert torch.equal(once, again)


def test_a_state_moves_as_a_whole_but_for_its_generator(schedule):
    """The meta device stands for another: noise is drawn on the CPU wherever the latents are."""
    state, _ = warm_start(uneven_model, schedule, small_plan(), seeded(), **SIZES)
    moved = state.to("meta")
    assert (moved.buffer.device.type, moved.queue.device.type) == ("meta", "meta")
    assert torch.equal(moved.generator_state, state.generator_state)
    assert moved.generator_state.device.type == "cpu"
    assert (moved.position, moved.steps_done) == (state.position, state.steps_done)


def test_a_generators_state_comes_back_to_the_cpu(schedule):
    state, _ = warm_start(uneven_model, schedule, small_plan(), seeded(), **SIZES)

    class Elsewhere:
        """A tensor that a file was opened with on another device."""

        def cpu(self):
            return state.generator_state

    opened = FifoState.from_dict({**state.to_dict(), "generator_state": Elsewhere()})
    assert opened.generator_state is state.generator_state


def test_nothing_learns_from_a_take(schedule):
    """No step's graph is kept: an endless one would fill the memory."""
    plan, weight = small_plan(), torch.ones((), requires_grad=True)

    def learning(latents, timesteps, start_frame):
        return weight * uneven_model(latents, timesteps, start_frame)

    state, first = warm_start(learning, schedule, plan, seeded(), **SIZES)
    after, frames = fifo_step(learning, state, plan, schedule)
    assert not any(part.requires_grad for part in (first, state.queue, after.buffer, after.queue, frames))


def test_state_and_frames_hold_no_more_than_their_own(schedule):
    plan = small_plan()
    state, first = warm_start(uneven_model, schedule, plan, seeded(), **SIZES)
    after, frames = fifo_step(uneven_model, state, plan, schedule)
    for tensor in (first, state.buffer, state.queue, after.buffer, after.queue, frames):
        assert tensor.untyped_storage().nbytes() == tensor.numel() * 4


@pytest.mark.parametrize("other", [small_plan(group_size=4), small_plan(group_size=1, buffer_frames=11)])
def test_refuses_another_plans_state(schedule, other):
    """Of another window, or of the same one cut otherwise."""
    plan = small_plan()
    assert plan != other
    state, _ = warm_start(uneven_model, schedule, plan, seeded(), **SIZES)
    with pytest.raises(ValueError, match="the plan"):
        fifo_step(uneven_model, state, other, schedule)
