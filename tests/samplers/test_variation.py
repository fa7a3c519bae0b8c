"""Noise with a share redrawn."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.samplers.variation import Varied, gaussian, source_of, varied

OLD, FRESH = torch.randn(2, 1, 8, 200, 16, generator=torch.Generator().manual_seed(0))


def test_none_is_the_same_and_all_of_it_another():
    assert torch.equal(varied(OLD, FRESH, 0), OLD)
    assert torch.equal(varied(OLD, FRESH, 1.0), FRESH)


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0, 1))
def test_it_stays_gaussian_and_keeps_its_share(share):
    made = varied(OLD, FRESH, share)
    assert made.std().item() == pytest.approx(1, abs=0.02)
    assert (made * FRESH).mean().item() == pytest.approx(share, abs=0.03)


def test_what_is_no_share_is_refused():
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="0 to 1"):
            varied(OLD, FRESH, share)


def test_a_source_goes_on_from_its_state_whichever_it_is():
    for source in (torch.Generator().manual_seed(3), Varied.of(3, 4, 0.4)):
        gaussian((5,), source)
        state = source.get_state()
        expected = gaussian((2, 3), source)
        assert torch.equal(gaussian((2, 3), source_of(state)), expected)


def test_a_source_of_no_share_draws_what_its_seed_does():
    plain = gaussian((4, 3), torch.Generator().manual_seed(3))
    assert torch.equal(gaussian((4, 3), Varied.of(3, 4, 0.0)), plain)
    assert torch.equal(gaussian((4, 3), Varied.of(4, 3, 1.0)), plain)


def test_a_state_that_is_none_is_refused():
    broken = Varied.of(3, 4, 0.4).get_state()
    broken[-8:] = 255
    for state in (broken, broken[:-1], broken[:10]):
        with pytest.raises((RuntimeError, ValueError)):
            source_of(state)
