"""Two channels sampled together: what they share is the take's own noise, and nothing else of it changes."""

from __future__ import annotations

import math

import pytest
import torch

from studio.samplers.ddim import run_steps
from studio.samplers.fifo import FifoState, fifo_step, warm_start_steps
from studio.samplers.schedule import NoiseSchedule
from studio.samplers.twin import (
    APART_OF_EVENTS,
    APART_WHERE_STEADY,
    SideNoise,
    side_generator,
    side_power,
)
from tests.samplers.fifo_fakes import seeded, small_plan, uneven_model


def side(power: float = 0.05) -> SideNoise:
    return SideNoise(side_generator(0), power)


def test_it_is_the_equation() -> None:
    """a·m ± b·s with a² + b² = 1, m the mono take's own and s from a generator of its own."""
    m = torch.randn(3, 2, 5, generator=seeded())
    s = torch.randn(3, 2, 5, generator=side_generator(7))
    power = side_power(0.8)
    left, right = SideNoise(side_generator(7), power).both(m).unflatten(0, (3, 2)).unbind(1)
    assert power == pytest.approx(APART_OF_EVENTS * 0.4)
    a, b = math.sqrt(1 - power), math.sqrt(power)
    torch.testing.assert_close(left, a * m + b * s)
    torch.testing.assert_close(right, a * m - b * s)


@pytest.mark.parametrize(("steady", "apart"), [(False, APART_OF_EVENTS), (True, APART_WHERE_STEADY)])
@pytest.mark.parametrize("width", [0.0, 0.5, 1.0])
def test_both_are_gaussian_and_correlate_by_the_width(width: float, steady: bool, apart: float) -> None:
    both = side(side_power(width, steady)).both(torch.randn(1, 200_000, generator=seeded()))
    assert both.std(dim=1).tolist() == pytest.approx([1, 1], abs=0.01)
    assert torch.corrcoef(both)[0, 1].item() == pytest.approx(1 - apart * width, abs=0.002)


def test_the_side_is_of_the_seed_and_not_the_take_s_own() -> None:
    drawn = {seed: torch.randn(1000, generator=side_generator(seed)) for seed in (0, 1, 2**63 - 1)}
    for seed, noise in drawn.items():
        torch.testing.assert_close(noise, torch.randn(1000, generator=side_generator(seed)), rtol=0, atol=0)
        own = torch.randn(1000, generator=seeded(seed))
        assert abs(torch.corrcoef(torch.stack([noise, own]))[0, 1].item()) < 0.15
    assert abs(torch.corrcoef(torch.stack([drawn[0], drawn[1]]))[0, 1].item()) < 0.15


def begun(own: SideNoise | None, schedule: NoiseSchedule) -> FifoState:
    steps = warm_start_steps(
        uneven_model, schedule, small_plan(), seeded(), channels=3, bands=4, warmup_steps=6, side=own
    )
    return run_steps(steps)[0]


def test_without_a_side_each_channel_is_the_mono_take(schedule: NoiseSchedule) -> None:
    """To the bit: the window, each step's frames, and what is drawn."""
    mono, both = begun(None, schedule), begun(side(0.0), schedule)
    for _ in range(4):
        mono, wanted = fifo_step(uneven_model, mono, small_plan(), schedule)
        both, frames = fifo_step(uneven_model, both, small_plan(), schedule, 0.0)
        torch.testing.assert_close(frames, wanted.expand(2, -1, -1, -1), rtol=0, atol=0)
    torch.testing.assert_close(both.generator_state, mono.generator_state, rtol=0, atol=0)
    assert mono.side_state is None
    assert "side_state" not in mono.to_dict()


def test_a_state_goes_on_as_if_it_had_not_been_put_down(schedule: NoiseSchedule) -> None:
    state = begun(side(), schedule)
    again = FifoState.from_dict(state.to_dict())
    for _ in range(3):
        state, wanted = fifo_step(uneven_model, state, small_plan(), schedule, 0.05)
        again, frames = fifo_step(
            uneven_model, FifoState.from_dict(again.to_dict()), small_plan(), schedule, 0.05
        )
        torch.testing.assert_close(frames, wanted, rtol=0, atol=0)
    assert not torch.equal(wanted[0], wanted[1])


def test_what_comes_in_is_the_mono_take_s_noise_and_a_side_that_is_drawn_on(schedule: NoiseSchedule) -> None:
    """Of the last group, which no step has touched yet; each step's is the next draw of either generator."""
    plan, power = small_plan(), 0.05
    mono, both, drawn = begun(None, schedule), begun(side(power), schedule), side_generator(0)
    for frames in (plan.window_frames, plan.queue_frames):
        torch.randn(1, 3, frames, 4, generator=drawn)
    for _ in range(3):
        mono, _ = fifo_step(uneven_model, mono, plan, schedule)
        both, _ = fifo_step(uneven_model, both, plan, schedule, power)
        m, (left, right) = mono.queue[0, :, -plan.group_size :], both.queue[:, :, -plan.group_size :]
        s = torch.randn(1, 3, plan.group_size, 4, generator=drawn)[0]
        torch.testing.assert_close((left + right) / 2, math.sqrt(1 - power) * m)
        torch.testing.assert_close((left - right) / 2, math.sqrt(power) * s)
