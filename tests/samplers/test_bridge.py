"""A bridge against the oracle, plain DDIM, RePaint's equations in float64, and itself."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.samplers.bridge import BridgePlan, bridge, bridge_steps
from studio.samplers.ddim import ddim_sample
from studio.samplers.schedule import NoiseSchedule
from tests.samplers.conftest import AUDIOLDM
from tests.samplers.fifo_fakes import Watched, seeded, uneven_model

FEEDINGS = ("clean", "noised")
SHAPE = (1, 3, 6, 4)


def _noise(frames: int, seed: int = 0) -> torch.Tensor:
    return torch.randn((1, 3, frames, 4), generator=seeded(seed))


@pytest.mark.parametrize("feeding", FEEDINGS)
@pytest.mark.parametrize("resamples", [1, 3])
def test_perfect_noise_gives_what_lay_between_back(exact_schedule, oracle, feeding, resamples):
    take = _noise(30, seed=9)
    made = bridge(
        oracle(exact_schedule, take), exact_schedule, _noise(6), BridgePlan(12, feeding, 0, resamples),
        seeded(), left=take[:, :, 5:12], right=take[:, :, 18:21], start_frame=12,
    )  # fmt: skip
    torch.testing.assert_close(made, take[:, :, 12:18], rtol=0, atol=1e-4)


@pytest.mark.parametrize("feeding", FEEDINGS)
def test_with_nothing_known_it_is_a_clip(schedule, feeding):
    made = bridge(uneven_model, schedule, _noise(6), BridgePlan(5, feeding), seeded(), start_frame=4)
    assert torch.equal(made, ddim_sample(uneven_model, schedule, _noise(6), 5, start_frame=4))


@pytest.mark.parametrize("feeding", FEEDINGS)
def test_what_is_skipped_whole_or_has_no_unknown_stays_bit_for_bit(schedule, feeding):
    left, kept = _noise(8, 1), _noise(6, 2)
    made = bridge(uneven_model, schedule, kept, BridgePlan(5, feeding, skipped=5), seeded(), left=left)
    assert torch.equal(made, kept)
    none = kept[:, :, :0]
    steps = bridge_steps(uneven_model, schedule, none, BridgePlan(5, feeding), seeded(), left=left)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value.shape[2] == 0


def test_known_frames_are_fed_as_they_are_at_the_lowest_timestep(schedule):
    left, right = _noise(4, 1), _noise(2, 2)
    model = Watched(uneven_model)
    bridge(
        model, schedule, _noise(6), BridgePlan(3, "clean"), seeded(), left=left, right=right, start_frame=9
    )
    for told, at in zip(model.calls, schedule.timesteps(3), strict=True):
        assert told.start_frame == 5
        assert torch.equal(told.latents[:, :, :4], left)
        assert torch.equal(told.latents[:, :, 10:], right)
        assert told.timesteps.tolist() == [[1] * 4 + [int(at)] * 6 + [1] * 2]


def test_noised_follows_repaint(schedule):
    """RePaint, algorithm 1 with jumps of one step, over DDIM's step (eq. 12 of Song et al., σ = 0)."""
    left, right, steps, resamples = _noise(4, 1), _noise(2, 2), 4, 2
    made = bridge(
        uneven_model, schedule, _noise(6), BridgePlan(steps, "noised", 0, resamples), seeded(5),
        left=left, right=right, start_frame=4,
    )  # fmt: skip
    generator = seeded(5)

    def drawn(frames: int) -> torch.Tensor:
        return torch.randn((1, 3, frames, 4), generator=generator).double()

    times = [*schedule.timesteps(steps).tolist(), -1]
    bars = [schedule.alphas_cumprod[t] if t >= 0 else schedule.clean_alpha_bar for t in times]
    x = _noise(6).double()
    for i in range(steps):
        rounds = 1 if i == steps - 1 else resamples
        for u in range(rounds):
            known = [bars[i] ** 0.5 * part.double() + (1 - bars[i]) ** 0.5 * drawn(part.shape[2])
                     for part in (left, right)]  # fmt: skip
            window = torch.cat([known[0], x, known[1]], dim=2)
            eps = uneven_model(window, torch.tensor([times[i]]), 0)[:, :, 4:10]
            clean = (x - (1 - bars[i]) ** 0.5 * eps) / bars[i] ** 0.5
            x = bars[i + 1] ** 0.5 * clean + (1 - bars[i + 1]) ** 0.5 * eps
            if u < rounds - 1:
                kept = bars[i] / bars[i + 1]
                x = kept**0.5 * x + (1 - kept) ** 0.5 * drawn(6)
    torch.testing.assert_close(made, x.float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("feeding", FEEDINGS)
def test_a_seed_gives_the_same_bridge_and_the_steps_are_counted(schedule, feeding):
    plan = BridgePlan(4, feeding, skipped=1, resamples=2)
    made = []
    for seed in (3, 3, 4):
        told = list(bridge_steps(uneven_model, schedule, _noise(6), plan, seeded(seed), left=_noise(4, 1)))
        assert [step.step for step in told] == list(range(1, plan.forwards + 1))
        assert {step.total for step in told} == {plan.forwards}
        made.append(told[-1].latents)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2]) == (feeding == "clean")  # which draws nothing of its own


@settings(max_examples=20, deadline=None)
@given(
    before=st.integers(0, 5), unknown=st.integers(0, 7), after=st.integers(0, 5),
    steps=st.integers(1, 4), data=st.data(),
)  # fmt: skip
def test_any_lengths_give_frames_of_the_right_number(before, unknown, after, steps, data):
    plan = BridgePlan(steps, data.draw(st.sampled_from(FEEDINGS)), data.draw(st.integers(0, steps)))
    made = bridge(
        uneven_model, NoiseSchedule.from_config(AUDIOLDM), _noise(unknown), plan, seeded(),
        left=_noise(before, 1), right=_noise(after, 2), start_frame=before,
    )  # fmt: skip
    assert made.shape == (1, 3, unknown, 4)
    assert torch.isfinite(made).all()


def test_plans_that_make_no_bridge_are_refused(schedule):
    for wrong in ({"steps": 0}, {"steps": 3, "skipped": 4}, {"steps": 3, "resamples": 0}):
        with pytest.raises(ValueError, match="a bridge has"):
            BridgePlan(**wrong)
    with pytest.raises(ValueError, match="1001 steps"):
        bridge(uneven_model, schedule, _noise(4), BridgePlan(1001), seeded())
