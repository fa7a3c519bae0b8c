"""Noise with a share redrawn."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.samplers.variation import varied

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
