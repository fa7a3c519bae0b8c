"""Each method by its name is the patch that it stands for."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from studio.core.attention import (
    WITH_RATIO,
    DenseAttention,
    LiteFocusAttention,
    SparseMethod,
    TokenMergingAttention,
    by_method,
)
from studio.modules.patches.lite_focus import lite_focus, ratio_for
from studio.modules.patches.methods import attending
from studio.modules.patches.token_merging import token_merging
from tests.modules.patches.test_lite_focus import _forward, _seeded

SECONDS = 80.0  # at which "auto" is not the paper's r
PATCHES = {
    "uniform": lambda unet: lite_focus(unet, generator=_seeded(), ratio=0.3, sampling="uniform"),
    "balanced": lambda unet: lite_focus(unet, generator=_seeded(), ratio=0.3, sampling="balanced"),
    "focus": lambda unet: lite_focus(unet, generator=_seeded(), compensation=False),
    "compensation": lambda unet: lite_focus(
        unet, generator=_seeded(), ratio=0.3, sampling="uniform", focus=False
    ),
    "tome": lambda unet: token_merging(unet, generator=_seeded(), ratio=0.5),
    "tomesd": lambda unet: token_merging(unet, generator=_seeded(), ratio=0.5, matching="block"),
}


def test_every_method_has_a_patch_but_dense() -> None:
    assert set(PATCHES) == set(get_args(SparseMethod)) - {"dense"}
    assert set(WITH_RATIO) < set(PATCHES)


@pytest.mark.parametrize("method", PATCHES)
def test_a_method_is_its_patch(unet, method) -> None:
    with torch.no_grad():
        with PATCHES[method](unet):
            expected = _forward(unet)
        with attending(unet, by_method(method, 0.3), _seeded(), SECONDS):
            assert torch.equal(_forward(unet), expected)
        assert (_forward(unet) - expected).abs().max() > 1e-5
        others = [other for other in PATCHES if other != method]
        for other in others:
            with PATCHES[other](unet):
                assert not torch.equal(_forward(unet), expected), f"{method} is {other}"


@pytest.mark.parametrize("method", get_args(SparseMethod))
def test_only_those_with_a_ratio_follow_it(unet, method) -> None:
    with torch.no_grad():
        made = []
        for ratio in (0.3, 0.9):
            with attending(unet, by_method(method, ratio), _seeded(), SECONDS):
                made.append(_forward(unet))
    assert torch.equal(*made) == (method not in WITH_RATIO)


def test_auto_goes_by_the_length(unet) -> None:
    with torch.no_grad():
        with attending(unet, by_method("compensation"), _seeded(), SECONDS):
            made = _forward(unet)
        with lite_focus(unet, generator=_seeded(), ratio=ratio_for(SECONDS), sampling="uniform", focus=False):
            assert torch.equal(_forward(unet), made)


def test_dense_is_the_model_itself(unet) -> None:
    with torch.no_grad():
        plain = _forward(unet)
        with attending(unet, by_method("dense", 0.3), _seeded(), SECONDS):
            assert torch.equal(_forward(unet), plain)


def test_the_request_of_each_says_what_it_is() -> None:
    blocks = ("mid",)
    assert by_method("dense", 0.1, blocks) == DenseAttention()
    assert by_method("focus", "auto", blocks) == LiteFocusAttention(
        sampling="uniform", compensation=False, blocks=blocks
    )
    assert by_method("compensation", 0.2) == LiteFocusAttention(ratio=0.2, sampling="uniform", focus=False)
    assert by_method("tomesd", 0.2, blocks) == TokenMergingAttention(matching="block", blocks=blocks)
    assert TokenMergingAttention() == by_method("tome"), "as it was before there was another"
