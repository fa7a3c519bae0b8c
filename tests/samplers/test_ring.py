"""A ring against the oracle, plain DDIM, its equation in float64, and itself."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.samplers.ddim import ddim_sample
from studio.samplers.ring import around, ring_sample, ring_steps
from studio.samplers.schedule import NoiseSchedule
from tests.samplers.conftest import AUDIOLDM
from tests.samplers.fifo_fakes import Watched, seeded

FRAMES = 10


def _noise(frames: int = FRAMES, seed: int = 0) -> torch.Tensor:
    return torch.randn((1, 3, frames, 4), generator=seeded(seed))


def _each(latents, timesteps, start_frame):
    """Predicts frame by frame: the place in the window is nothing to it."""
    return torch.tanh(latents + timesteps[:, None, None, None] / 1000)


def _edged(latents, timesteps, start_frame):
    """Hears the frame before, and nothing before the window's first."""
    before = torch.cat([torch.zeros_like(latents[:, :, :1]), latents[:, :, :-1]], dim=2)
    return torch.tanh(latents + 0.5 * before)


def _shifts(steps: int, frames: int, seed: int = 0) -> list[int]:
    generator = seeded(seed)
    return [int(torch.randint(frames, (), generator=generator)) for _ in range(steps)]


@pytest.mark.parametrize("lap", [0, 3])
def test_perfect_noise_gives_the_ring_back(exact_schedule, lap):
    take, shifts = _noise(seed=3), iter(_shifts(8, FRAMES))

    def oracle(latents, timesteps, start_frame):
        clean = around(take.roll(-next(shifts), 2), lap, lap)
        level = exact_schedule.alpha_bar(timesteps)[:, None, None, None].float()
        return (latents - level.sqrt() * clean) / (1 - level).sqrt()

    made = ring_sample(oracle, exact_schedule, _noise(), 8, seeded(), lap_frames=lap)
    torch.testing.assert_close(made, take, rtol=0, atol=1e-4)


def test_where_frames_are_predicted_one_by_one_it_is_a_clip(schedule):
    made = ring_sample(_each, schedule, _noise(), 6, seeded())
    torch.testing.assert_close(made, ddim_sample(_each, schedule, _noise(), 6), rtol=0, atol=1e-6)


def test_follows_its_equation(schedule):
    steps, frames = 4, 6
    made = ring_sample(_edged, schedule, _noise(frames), steps, seeded(2), frame_multiple=4, lap_frames=1)
    x, times = _noise(frames).double(), [*schedule.timesteps(steps).tolist(), -1]
    bars = [schedule.alphas_cumprod[t] if t >= 0 else schedule.clean_alpha_bar for t in times]
    for i, shift in enumerate(_shifts(steps, frames, seed=2)):
        window = torch.stack([x[:, :, (shift - 1 + j) % frames] for j in range(8)], dim=2)
        seen = _edged(window, torch.tensor([times[i]]), 0)
        eps = torch.empty_like(x)
        for j in range(frames):
            eps[:, :, (shift + j) % frames] = seen[:, :, 1 + j]
        clean = (x - (1 - bars[i]) ** 0.5 * eps) / bars[i] ** 0.5
        x = bars[i + 1] ** 0.5 * clean + (1 - bars[i + 1]) ** 0.5 * eps
    torch.testing.assert_close(made, x.float(), rtol=0, atol=1e-5)


def test_a_window_that_laps_its_ring_has_no_edge_in_it(schedule):
    """What a network does at the first frame of its window is then nowhere in the ring."""
    turned = ring_sample(_edged, schedule, _noise().roll(4, 2), 5, seeded(1), lap_frames=1)
    made = ring_sample(_edged, schedule, _noise(), 5, seeded(1), lap_frames=1)
    torch.testing.assert_close(turned.roll(-4, 2), made, rtol=0, atol=1e-6)


def test_a_seed_gives_the_same_ring(schedule):
    made = [ring_sample(_edged, schedule, _noise(), 5, seeded(seed)) for seed in (1, 1, 2)]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@settings(max_examples=20, deadline=None)
@given(frames=st.integers(1, 9), multiple=st.integers(1, 5), lap=st.integers(0, 4), steps=st.integers(1, 3))
def test_any_length_is_a_ring(frames, multiple, lap, steps):
    model = Watched(_edged)
    schedule = NoiseSchedule.from_config(AUDIOLDM)
    told = list(
        ring_steps(model, schedule, _noise(frames), steps, seeded(), frame_multiple=multiple, lap_frames=lap)
    )
    assert [(one.step, one.total, one.latents.shape[2]) for one in told] == [
        (step, steps, frames) for step in range(1, steps + 1)
    ]
    lengths = {call.latents.shape[2] for call in model.calls}
    assert len(lengths) == 1
    assert lengths.pop() in range(frames + 2 * lap, frames + 2 * lap + multiple)


def test_no_ring_of_no_frames_or_too_many_steps(schedule):
    for frames, steps in ((0, 3), (4, 0), (4, 1001)):
        with pytest.raises(ValueError, match="steps of"):
            ring_sample(_edged, schedule, _noise(frames), steps, seeded())
