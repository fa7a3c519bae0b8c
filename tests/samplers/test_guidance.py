"""Guidance against its equation."""

from __future__ import annotations

import pytest
import torch

from studio.samplers.guidance import (
    ALWAYS,
    Part,
    dual_weights,
    guided,
    needs_negative,
    voice_weights,
    weighted,
    within,
)

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


HALVES = [torch.float16, torch.bfloat16]


def _error(made, exact):
    return float((made.double() - exact).abs().mean())


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_is_rounded_once(dtype):
    """Where two predictions are near each other, a scale of 7.5 makes much of what half precision rounds."""
    negative = NEGATIVE.to(dtype)
    positive = (NEGATIVE + 0.1 * POSITIVE).to(dtype)

    def half(latents, timesteps, start_frame):
        return torch.cat([negative, positive])

    made = guided(half, 7.5)(torch.zeros(2, 3, 4, 5), torch.tensor([1, 2]), 0)
    exact = negative.double() + 7.5 * (positive.double() - negative.double())
    assert made.dtype == dtype
    assert _error(made, exact) <= 1.01 * _error(exact.to(dtype), exact)
    assert _error(made, exact) < _error(negative + 7.5 * (positive - negative), exact)


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_of_two_scales_is_rounded_once(dtype):
    parts = torch.stack([NEGATIVE, NEGATIVE + 0.1 * POSITIVE, NEGATIVE - 0.1 * POSITIVE]).to(dtype)
    made = weighted(lambda *told: parts.flatten(0, 1), list(dual_weights(7.3, 2.6).values()))(
        torch.zeros(2, 3, 4, 5), torch.tensor([1, 2]), 0
    )
    weights = torch.tensor(list(dual_weights(7.3, 2.6).values()))[:, None, None, None, None]
    exact = (weights.double() * parts.double()).sum(dim=0)
    assert made.dtype == dtype
    assert _error(made, exact) <= 1.01 * _error(exact.to(dtype), exact)
    assert _error(made, exact) < _error((weights.to(dtype) * parts).sum(dim=0), exact)


NEITHER, PROMPT, BESIDE, BOTH = Part(False, False), Part(True, False), Part(False, True), Part(True, True)


def _parts(*names):
    """A model that is bound to these parts, each of which predicts a constant of its own."""
    says = {NEITHER: 1.0, PROMPT: 10.0, BESIDE: 1000.0, BOTH: 100.0}

    def denoise(latents, timesteps, start_frame):
        assert len(latents) == len(timesteps) == 2 * len(names)
        constants = torch.tensor([says[name] for name in names]).repeat_interleave(2)
        return latents + constants[:, None, None, None]

    return denoise


@pytest.mark.parametrize(("text", "acoustic"), [(4.0, 4.0), (2.0, 6.0), (3.0, 0.0), (1.0, 5.0), (0.0, 0.0)])
def test_two_scales_are_their_equation_and_ask_for_no_part_in_vain(text, acoustic):
    parts = dual_weights(text, acoustic)
    made = weighted(_parts(*parts), list(parts.values()))(torch.zeros(2, 3, 4, 5), torch.tensor([1, 2]), 0)
    expected = 1 + text * (10 - 1) + acoustic * (100 - 10)
    torch.testing.assert_close(made, torch.full((2, 3, 4, 5), expected))
    assert all(parts.values())


@pytest.mark.parametrize("scale", [0.5, 4.0, 7.0])
def test_equal_scales_are_the_papers_guidance(scale):
    """DC-LDM, eq. 8: w ε(text, acoustics) + (1 − w) ε(empty text)."""
    assert list(dual_weights(scale, scale)) == [NEITHER, BOTH]
    latents = torch.randn(2, 3, 4, 5, generator=GENERATOR)
    made = weighted(_both, list(dual_weights(scale, scale).values()))(latents, torch.tensor([3, 9]), 17)
    torch.testing.assert_close(made, guided(_both, scale)(latents, torch.tensor([3, 9]), 17))


def test_scales_of_one_are_the_conditional_model():
    assert dual_weights(1.0, 1.0) == {BOTH: 1.0}


@pytest.mark.parametrize(("scene", "words"), [(5.0, 7.0), (7.0, 0.0), (0.0, 9.0), (0.0, 0.0)])
def test_scene_and_words_are_voiceldms_equation(scene, words):
    """VoiceLDM's pipeline: n₁ + w_desc(n₂ − n₄) + w_cont(n₃ − n₄)."""
    n = torch.randn(4, 2, 3, 4, 5, generator=GENERATOR)
    order = {BOTH: n[0], PROMPT: n[1], BESIDE: n[2], NEITHER: n[3]}
    parts = voice_weights(scene, words)
    made = weighted(lambda *told: torch.cat([order[part] for part in parts]), list(parts.values()))
    expected = n[0] + scene * (n[1] - n[3]) + words * (n[2] - n[3])
    torch.testing.assert_close(made(n[0], torch.tensor([1, 2]), 0), expected)
    assert all(parts.values()), "no part is asked for in vain"


def test_one_scale_for_scene_and_words_is_the_single_form():
    assert voice_weights(4.0, None) == {NEITHER: -3.0, BOTH: 4.0}
    assert voice_weights(1.0, None) == {BOTH: 1.0}


def test_within_its_interval_it_guides_and_beyond_it_does_not():
    def guiding(latents, timesteps, start_frame):
        return "guided"

    def plain(latents, timesteps, start_frame):
        return "plain"

    denoise = within(guiding, plain, (0.2, 0.5), 1000)
    at = [199, 200, 350, 500, 501, 1, 999]
    made = [denoise(torch.zeros(2, 3, 4, 5), torch.tensor([timestep] * 2), 17) for timestep in at]
    assert made == ["plain", "guided", "guided", "guided", "plain", "plain", "plain"]
    assert within(guiding, plain, ALWAYS, 1000) is guiding, "to the bit what it was"
