"""Curved denoising against its definition."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studio.samplers.curve import choose_strategy, curved_timesteps, key_regions
from studio.samplers.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.from_config(
    {"beta_start": 0.0015, "beta_end": 0.0195, "beta_schedule": "scaled_linear", "steps_offset": 1}
)
THINNED = ["initial", "middle", "last"]
CURVES = {"base_steps": st.integers(3, 1000), "skip_factor": st.integers(1, 40)}


def test_the_worked_example():
    """Nine steps 1, 112, … 889 and P = 2."""
    curves = {name: curved_timesteps(SCHEDULE, name, 9, 2).tolist() for name in THINNED}
    assert curves["last"] == [1, 112, 223, 445, 667, 889]
    assert curves["middle"] == [112, 334, 445, 556, 667, 889]
    assert curves["initial"] == [112, 334, 556, 667, 778, 889]
    assert curved_timesteps(SCHEDULE, "equal", 9, 2).tolist() == [1, 179, 356, 534, 711, 889]


@given(**CURVES)
def test_all_strategies_cost_the_same_and_keep_the_noisiest_step(base_steps, skip_factor):
    base = SCHEDULE.timesteps(base_steps).unique()
    kept = round(len(base) / 3)
    count = kept + math.ceil((len(base) - kept) / skip_factor)
    for strategy in [*THINNED, "equal"]:
        curve = curved_timesteps(SCHEDULE, strategy, base_steps, skip_factor)
        assert curve.dtype == torch.int64
        assert len(curve) == count
        assert torch.all(curve.diff() > 0)
        assert curve[-1] == base[-1]


@given(**CURVES)
def test_the_favoured_third_is_whole_and_the_rest_is_thinned(base_steps, skip_factor):
    base = SCHEDULE.timesteps(base_steps).unique().tolist()
    kept = round(len(base) / 3)
    start = (len(base) - kept) // 2  # as many steps on either side, or one more on the noisy one
    thirds = {"last": base[:kept], "middle": base[start : start + kept], "initial": base[-kept:]}
    for strategy, third in thirds.items():
        curve = curved_timesteps(SCHEDULE, strategy, base_steps, skip_factor).tolist()
        others = [step for step in base if step not in third][::-1]
        assert sorted([*third, *others[::skip_factor]]) == curve


@given(**CURVES)
def test_equal_steps_are_equally_spaced(base_steps, skip_factor):
    gaps = curved_timesteps(SCHEDULE, "equal", base_steps, skip_factor).diff()
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("strategy", [*THINNED, "equal"])
def test_skipping_nothing_is_the_base_schedule(strategy):
    assert torch.equal(curved_timesteps(SCHEDULE, strategy, 40, 1), SCHEDULE.timesteps(40).flip(0))


@pytest.mark.parametrize(
    ("strategy", "base_steps", "skip_factor"),
    [("auto", 40, 2), ("loud", 40, 2), ("last", 2, 2), ("last", 1001, 2), ("last", 40, 0)],
)
def test_refuses_what_it_cannot_do(strategy, base_steps, skip_factor):
    with pytest.raises(ValueError, match="must"):
        curved_timesteps(SCHEDULE, strategy, base_steps, skip_factor)


@given(buffer=st.integers(0, 40), queue=st.integers(3, 400))
def test_key_regions_tile_the_queue(buffer, queue):
    regions = key_regions(buffer, buffer + queue)
    spans = list(regions.values())
    assert list(regions) == ["initial", "middle", "final"]
    assert spans[0][0] == buffer
    assert spans[-1][1] == buffer + queue
    assert spans[0][1] == spans[1][0]
    assert spans[1][1] == spans[2][0]
    lengths = [end - start for start, end in spans]
    assert max(lengths) - min(lengths) <= 1


def test_key_regions_need_three_frames():
    with pytest.raises(ValueError, match="three regions"):
        key_regions(8, 10)


@pytest.mark.parametrize(
    ("attention", "strategy"),
    [((3.0, 2.0, 1.0), "last"), ((1.0, 3.0, 2.0), "middle"), ((1.0, 2.0, 3.0), "initial")],
)
def test_attention_to_early_frames_asks_for_late_steps(attention, strategy):
    regions = dict(zip(["initial", "middle", "final"], attention, strict=True))
    assert choose_strategy(regions) == strategy


def test_a_choice_needs_all_regions():
    with pytest.raises(ValueError, match="final"):
        choose_strategy({"initial": 1.0, "middle": 0.5})
