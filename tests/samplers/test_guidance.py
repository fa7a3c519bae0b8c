"""Guidance against its equation."""

from __future__ import annotations

import pytest
import torch

from studio.samplers.guidance import guided, needs_negative

GENERATOR = torch.Generator().manual_seed(3)
NEGATIVE, POSITIVE = torch.randn(2, 2, 3, 4, 5, generator=GENERATOR).unbind(0)


def _both(latents, timesteps, start_frame):
    assert len(latents) == len(timesteps) == 4
    assert torch.equal(latents[:2], latents[2:])
    assert torch.equal(timesteps[:2], timesteps[2:])
    assert start_frame == 17
    return torch.cat([NEGATIVE, POSITIVE]) + latents


@pytest.mark.parametrize("scale", [0.0, 0.5, 2.5, 7.0, 100.0])
@pytest.mark.parametrize("timesteps", [torch.tensor([3, 9]), torch.arange(8).view(2, 4)])
def test_is_the_equation(scale, timesteps):
    latents = torch.randn(2, 3, 4, 5, generator=GENERATOR)
    made = guided(_both, scale)(latents, timesteps, 17)
    negative, positive = (NEGATIVE + latents).double(), (POSITIVE + latents).double()
    expected = negative + scale * (positive - negative)
    torch.testing.assert_close(made.double(), expected, rtol=1e-5, atol=1e-4)


def test_scale_one_is_the_conditional_model_itself():
    def conditional(latents, timesteps, start_frame):
        return POSITIVE

    assert not needs_negative(1.0)
    assert guided(conditional, 1.0)(torch.zeros(2, 3, 4, 5), torch.tensor([1, 2]), 0) is POSITIVE


def test_scale_zero_is_the_negative_prompt():
    assert needs_negative(0.0)
    assert torch.equal(guided(_both, 0.0)(torch.zeros(2, 3, 4, 5), torch.tensor([1, 2]), 17), NEGATIVE)


def test_half_precision_keeps_its_dtype():
    def half(latents, timesteps, start_frame):
        return torch.cat([NEGATIVE, POSITIVE]).half()

    made = guided(half, 7.5)(torch.zeros(2, 3, 4, 5), torch.tensor([1, 2]), 0)
    assert made.dtype == torch.float16
