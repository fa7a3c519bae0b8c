"""Sparse attention is the paper's, dense where it should be, and leaves no trace."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from diffusers.models.attention_processor import Attention
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from studio.core.errors import InvalidRequestError
from studio.modules.patches.framewise import framewise
from studio.modules.patches.lite_focus import _all_bands, draw_tokens, focus_attention, lite_focus, ratio_for

FRAMES, BANDS = 16, 8
grids = st.tuples(st.integers(1, 23), st.integers(1, 9))


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _tokens(frames, bands, seed=0, heads=2, width=4, dtype=torch.float64):
    shape = (3, 2, frames * bands, heads, width)
    return torch.randn(shape, generator=_seeded(seed), dtype=dtype).unbind()


def _forward(unet, seed=2, frames=FRAMES):
    sample = torch.randn(2, 8, frames, BANDS, generator=_seeded(seed))
    labels = torch.randn(2, 12, generator=_seeded(3))
    return unet(sample, torch.tensor([5, 700]), encoder_hidden_states=None, class_labels=labels).sample


def _forward2(unet2, frames=FRAMES):
    sample = torch.randn(2, 8, frames, BANDS, generator=_seeded(2))
    first, second = torch.randn(2, 8, 12, generator=_seeded(3)), torch.randn(2, 5, 10, generator=_seeded(4))
    return unet2(
        sample, torch.tensor([5, 700]), encoder_hidden_states=first, encoder_hidden_states_1=second
    ).sample


def _by_definition(query, key, value, bands, chosen):
    """Eq. 1 to 6, token by token."""
    out = torch.zeros_like(query)
    for item in range(query.shape[0]):
        for head in range(query.shape[2]):
            q, k, v = (x[item, :, head] for x in (query, key, value))
            for i in range(query.shape[1]):
                focus = sorted({j for j in range(len(q)) if j % bands == i % bands} | set(chosen.tolist()))
                weights = torch.softmax(q[i] @ k[focus].T / math.sqrt(q.shape[-1]), dim=-1)
                out[item, i, head] = weights @ v[focus]
    return out


@settings(max_examples=40, deadline=None)
@given(grids, st.floats(0.01, 1), st.sampled_from(["uniform", "balanced"]), st.integers(0, 9))
def test_is_the_definition(grid, ratio, sampling, seed):
    frames, bands = grid
    query, key, value = _tokens(frames, bands, seed)
    chosen = draw_tokens(frames, bands, ratio, sampling, _seeded(seed))
    ours = focus_attention(query, key, value, bands, chosen)
    torch.testing.assert_close(ours, _by_definition(query, key, value, bands, chosen), atol=1e-12, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(grids, st.sampled_from(["uniform", "balanced"]))
def test_a_ratio_of_one_is_dense(grid, sampling):
    frames, bands = grid
    query, key, value = _tokens(frames, bands, dtype=torch.float32)
    chosen = draw_tokens(frames, bands, 1.0, sampling, _seeded())
    ours = focus_attention(query, key, value, bands, chosen)
    dense = F.scaled_dot_product_attention(*(x.transpose(1, 2) for x in (query, key, value))).transpose(1, 2)
    torch.testing.assert_close(ours, dense, atol=1e-5, rtol=0)


@settings(max_examples=60, deadline=None)
@given(grids, st.floats(0.001, 1), st.integers(0, 99))
def test_the_drawn_tokens_are_a_set_of_the_right_size(grid, ratio, seed):
    frames, bands = grid
    uniform = draw_tokens(frames, bands, ratio, "uniform", _seeded(seed))
    assert len(set(uniform.tolist())) == len(uniform) == max(1, math.floor(ratio * frames * bands + 1e-9))
    balanced = draw_tokens(frames, bands, ratio, "balanced", _seeded(seed))
    assert len(set(balanced.tolist())) == len(balanced)
    assert torch.bincount(balanced % bands, minlength=bands).unique().tolist() == [
        max(1, round(ratio * frames))
    ]
    assert max(uniform.max(), balanced.max()) < frames * bands


@pytest.mark.parametrize("frames", [FRAMES, 24, 34])
@pytest.mark.parametrize("sampling", ["uniform", "balanced"])
def test_a_unet_with_all_tokens_is_the_dense_one(unet, unet2, sampling, frames):
    with torch.no_grad():
        plain, plain2 = _forward(unet, frames=frames), _forward2(unet2, frames)
        for model, run, dense in ((unet, _forward, plain), (unet2, _forward2, plain2)):
            with lite_focus(model, ratio=1.0, sampling=sampling, generator=_seeded()):
                torch.testing.assert_close(run(model, frames=frames), dense, atol=1e-5, rtol=1e-4)


def test_a_sparse_unet_differs_and_is_itself_again_afterwards(unet, unet2):
    with torch.no_grad():
        for model, run in ((unet, _forward), (unet2, _forward2)):
            before = {name: type(module) for name, module in model.named_modules()}
            processors = {n: m.processor for n, m in model.named_modules() if isinstance(m, Attention)}
            plain = run(model)
            with lite_focus(model, ratio=0.1, generator=_seeded()):
                assert (run(model) - plain).abs().max() > 1e-4
            assert torch.equal(run(model), plain)
            assert {name: type(module) for name, module in model.named_modules()} == before
            assert all(model.get_submodule(name).processor is p for name, p in processors.items())
            assert not any(module._forward_pre_hooks for module in model.modules())


def test_is_undone_after_an_error(unet):
    with torch.no_grad():
        plain = _forward(unet)
        with pytest.raises(RuntimeError, match="midway"), lite_focus(unet, generator=_seeded()):
            raise RuntimeError("midway")
        assert torch.equal(_forward(unet), plain)


def test_the_same_seed_gives_the_same_and_every_call_draws_anew(unet):
    with torch.no_grad():
        with lite_focus(unet, ratio=0.1, generator=_seeded(7)):
            first, second = _forward(unet), _forward(unet)
        with lite_focus(unet, ratio=0.1, generator=_seeded(7)):
            again = _forward(unet)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_both_halves_of_a_guided_batch_share_their_tokens(unet):
    half = torch.randn(1, 8, FRAMES, BANDS, generator=_seeded())
    labels = torch.randn(1, 12, generator=_seeded(3)).expand(2, -1)
    with torch.no_grad(), lite_focus(unet, ratio=0.1, generator=_seeded()):
        out = unet(half.expand(2, -1, -1, -1), 500, encoder_hidden_states=None, class_labels=labels).sample
    torch.testing.assert_close(out[0], out[1], atol=1e-5, rtol=1e-4)


def test_focus_alone_keeps_bands_apart():
    query, key, value = _tokens(12, 4)
    unconditional = torch.empty(0, dtype=torch.long)
    before = focus_attention(query, key, value, 4, unconditional)
    value = value.clone()
    value[:, 1::4] += 1.0  # band 1
    changed = (focus_attention(query, key, value, 4, unconditional) - before).abs().amax(dim=(0, 2, 3)) > 0
    assert changed.view(12, 4).all(dim=0).tolist() == [False, True, False, False]
    assert changed.view(12, 4).any(dim=0).tolist() == [False, True, False, False]


def test_each_half_of_the_method_can_be_switched_off(unet):
    with torch.no_grad():
        outputs = []
        for focus, compensation in ((True, True), (True, False), (False, True)):
            with lite_focus(unet, ratio=0.2, focus=focus, compensation=compensation, generator=_seeded()):
                outputs.append(_forward(unet))
        dense = _forward(unet)
        with lite_focus(unet, ratio=1.0, focus=False, generator=_seeded()):
            torch.testing.assert_close(_forward(unet), dense, atol=1e-5, rtol=1e-4)
    assert all(not torch.allclose(a, b) for a, b in pairwise(outputs))


def test_text_is_still_read_by_every_token(unet2):
    with torch.no_grad(), lite_focus(unet2, ratio=0.1, generator=_seeded()):
        before = _forward2(unet2)
    with torch.no_grad(), lite_focus(unet2, ratio=0.1, generator=_seeded()):
        sample = torch.randn(2, 8, FRAMES, BANDS, generator=_seeded(2))
        other = torch.randn(2, 8, 12, generator=_seeded(30))
        second = torch.randn(2, 5, 10, generator=_seeded(4))
        after = unet2(
            sample, torch.tensor([5, 700]), encoder_hidden_states=other, encoder_hidden_states_1=second
        ).sample
    assert not torch.allclose(before, after)


def test_gradients_flow(unet):
    with lite_focus(unet, ratio=0.2, sampling="uniform", generator=_seeded()):
        _forward(unet).square().mean().backward()
    touched = [
        module.to_k.weight.grad.abs().sum() > 0
        for module in unet.down_blocks[1].modules()
        if isinstance(module, Attention)
    ]
    assert touched
    assert all(touched)


def test_goes_with_a_timestep_for_each_frame(unet):
    timesteps = torch.linspace(1, 999, FRAMES).long().expand(2, -1)
    sample, labels = torch.randn(2, 8, FRAMES, BANDS), torch.randn(2, 12)

    def run():
        return unet(sample, timesteps, encoder_hidden_states=None, class_labels=labels).sample

    with torch.no_grad(), framewise(unet):
        dense = run()
        with lite_focus(unet, ratio=1.0, generator=_seeded()):
            torch.testing.assert_close(run(), dense, atol=1e-5, rtol=1e-4)
        assert torch.equal(run(), dense)


def test_only_the_blocks_asked_for_are_sparse(unet):
    with torch.no_grad(), lite_focus(unet, blocks=("up1",), generator=_seeded()):
        kinds = {
            name.split(".attentions")[0]: type(module.processor).__name__
            for name, module in unet.named_modules()
            if isinstance(module, Attention)
        }
    assert {name for name, kind in kinds.items() if kind == "_Processor"} == {"up_blocks.1"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ratio": 0.0}, "ratio"),
        ({"ratio": 1.5}, "ratio"),
        ({"ratio": math.nan}, "ratio"),
        ({"focus": False, "compensation": False}, "nothing is attended"),
        ({"blocks": ("down1",)}, "down1: choose from down2, mid, up2, up1"),
    ],
)
def test_what_makes_no_sense_is_refused(unet, wrong, said):
    with (
        pytest.raises(InvalidRequestError, match=said),
        lite_focus(unet, generator=_seeded(), **wrong),
    ):
        pass


def test_auto_is_the_papers_ratio_and_less_of_long_clips():
    assert [ratio_for(s) for s in (2.5, 10, 40, 80, 160, 600)] == [0.1, 0.1, 0.1, 0.05, 0.025, 0.025]


@settings(max_examples=30, deadline=None)
@given(grids, st.floats(0.01, 1), st.sampled_from(["uniform", "balanced"]))
def test_one_call_for_all_bands_says_the_same(grid, ratio, sampling):
    """The GPU's way, here on the CPU."""
    frames, bands = grid
    query, key, value = _tokens(frames, bands)
    chosen = draw_tokens(frames, bands, ratio, sampling, _seeded())
    torch.testing.assert_close(
        _all_bands(query, key, value, bands, chosen), focus_attention(query, key, value, bands, chosen)
    )
