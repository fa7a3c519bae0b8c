"""Token merging is the papers', and leaves no trace."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers.models.attention_processor import Attention
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.modules.blocks import choose_blocks
from studio.modules.patches import token_merging as module
from studio.modules.patches.token_merging import draw_keepers, match_tokens, token_merging

FRAMES, BANDS = 16, 8
grids = st.tuples(st.integers(1, 17), st.integers(1, 9))


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _forward(unet, frames=FRAMES):
    sample = torch.randn(2, 8, frames, BANDS, generator=_seeded(2))
    labels = torch.randn(2, 12, generator=_seeded(3))
    return unet(sample, torch.tensor([5, 700]), encoder_hidden_states=None, class_labels=labels).sample


@settings(max_examples=60, deadline=None)
@given(grids, st.integers(0, 99))
def test_each_cell_has_one_keeper(grid, seed):
    frames, bands = grid
    keepers = draw_keepers(frames, bands, _seeded(seed)).view(frames, bands)
    for t in range(0, frames, 2):
        for f in range(0, bands, 2):
            assert keepers[t : t + 2, f : f + 2].sum() == 1


@settings(max_examples=40, deadline=None)
@given(grids, st.floats(0.01, 0.99), st.integers(0, 9), st.sampled_from([1, 7, 2**22]))
def test_matching_is_the_papers(grid, ratio, seed, block):
    """Of the tokens that keep none, those most like a keeper go to the keeper they are most like."""
    frames, bands = grid
    tokens = torch.randn(2, frames * bands, 5, generator=_seeded(seed), dtype=torch.float64)
    keepers = draw_keepers(frames, bands, _seeded(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_ELEMENTS", block)
        matching = match_tokens(tokens, keepers, ratio)
    merged = matching.merge(tokens)
    kept = [i for i in range(len(keepers)) if keepers[i]]
    others = [i for i in range(len(keepers)) if not keepers[i]]
    for item in range(2):
        x = tokens[item]
        cosine = torch.nn.functional.cosine_similarity(x[:, None], x[None], dim=-1)
        best = {i: max(kept, key=lambda k: float(cosine[i, k])) for i in others}
        going = sorted(others, key=lambda i: -float(cosine[i, best[i]]))[: int(ratio * len(x))]
        groups = {k: [k, *(i for i in going if best[i] == k)] for k in kept}
        groups |= {i: [i] for i in others if i not in going}
        assert merged.shape[1] == len(groups)
        back = matching.unmerge(merged)[item]
        for members in groups.values():
            for member in members:
                torch.testing.assert_close(back[member], x[members].mean(0))


def test_merging_equals_loses_nothing():
    tokens = torch.randn(1, 4, 3).repeat_interleave(4, dim=0).transpose(0, 1)  # four of each value in a row
    cells = tokens.reshape(1, 16, 3)[:, [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]]
    matching = match_tokens(cells, draw_keepers(4, 4, _seeded()), 0.75)
    assert matching.count == 4
    torch.testing.assert_close(matching.unmerge(matching.merge(cells)), cells)


def test_nothing_to_merge_is_dense(unet):
    with torch.no_grad():
        plain = _forward(unet)
        with token_merging(unet, ratio=1e-4, generator=_seeded()):
            torch.testing.assert_close(_forward(unet), plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("frames", [FRAMES, 18, 34])
def test_a_merged_unet_differs_and_is_itself_again_afterwards(unet, frames):
    with torch.no_grad():
        processors = {n: m.processor for n, m in unet.named_modules() if isinstance(m, Attention)}
        plain = _forward(unet, frames)
        with token_merging(unet, generator=_seeded(5)):
            merged = _forward(unet, frames)
        with token_merging(unet, generator=_seeded(5)):
            assert torch.equal(_forward(unet, frames), merged)
        assert (merged - plain).abs().max() > 1e-4
        assert torch.equal(_forward(unet, frames), plain)
    assert all(unet.get_submodule(name).processor is before for name, before in processors.items())
    assert not any(m._forward_pre_hooks for m in unet.modules())


@given(grids, st.integers(0, 99))
def test_cells_that_the_edge_cuts_keep_none_as_in_tomesd(grid, seed):
    frames, bands = grid
    keepers = draw_keepers(frames, bands, _seeded(seed), cut=False).view(frames, bands)
    assert keepers.sum() == (frames // 2) * (bands // 2)
    assert not keepers[frames // 2 * 2 :].any()
    assert not keepers[:, bands // 2 * 2 :].any()
    assert torch.equal(keepers, draw_keepers(frames, bands, _seeded(seed)).view(frames, bands) & keepers)


def test_where_nothing_is_kept_nothing_is_merged():
    tokens = torch.randn(2, 5, 3, generator=_seeded())
    matching = match_tokens(tokens, draw_keepers(5, 1, _seeded(), cut=False), 0.5)
    assert torch.equal(matching.unmerge(matching.merge(tokens)), tokens)


def _as_tomesd(block, x, frames, bands, generator, ratio):
    """A transformer block without a text, its first attention merged by what came in, written out."""
    keepers = draw_keepers(frames, bands, generator, cut=False)
    kept = keepers.nonzero()[:, 0].tolist()
    others = (~keepers).nonzero()[:, 0].tolist()
    outputs = []
    for item, normed in zip(x, block.norm1(x), strict=True):
        cosine = torch.nn.functional.cosine_similarity(item[:, None].float(), item[None].float(), dim=-1)
        best = {i: max(kept, key=lambda k: float(cosine[i, k])) for i in others}
        going = sorted(others, key=lambda i: -float(cosine[i, best[i]]))[: int(ratio * len(item))]
        groups = [[k, *(i for i in going if best[i] == k)] for k in kept]
        groups += [[i] for i in others if i not in going]
        attended = block.attn1(torch.stack([normed[members].mean(0) for members in groups])[None])[0]
        back = torch.zeros_like(item)
        for members, one in zip(groups, attended, strict=True):
            back[members] = one
        outputs.append(back)
    x = torch.stack(outputs) + x
    x = block.attn2(block.norm2(x)) + x
    return block.ff(block.norm3(x)) + x


@pytest.mark.parametrize("frames", [FRAMES, 18])
def test_matched_by_block_it_is_tomesds(unet, frames):
    transformer = next(iter(choose_blocks(unet).values()))[0]
    [block] = transformer.transformer_blocks
    seen = {}
    hooks = [
        block.register_forward_pre_hook(lambda _, args, given: seen.update(x=args[0]), with_kwargs=True),
        block.register_forward_hook(lambda *told: seen.update(out=told[-1])),
        transformer.register_forward_pre_hook(
            lambda _, args, given: seen.update(grid=args[0].shape[2:]), with_kwargs=True
        ),
    ]
    with torch.no_grad():
        with token_merging(unet, generator=_seeded(5), matching="block"):
            _forward(unet, frames)
        for hook in hooks:
            hook.remove()
        expected = _as_tomesd(block, seen["x"], *seen["grid"], _seeded(5), 0.5)
    torch.testing.assert_close(seen["out"], expected, atol=1e-5, rtol=1e-4)


def test_matched_by_block_it_draws_once_a_block_and_leaves_no_trace(unet, monkeypatch):
    drawn = []
    draw = module.draw_keepers
    monkeypatch.setattr(module, "draw_keepers", lambda *told, **how: drawn.append(how) or draw(*told, **how))
    blocks = [m for inside in choose_blocks(unet).values() for t in inside for m in t.transformer_blocks]
    with torch.no_grad():
        plain = _forward(unet)
        with token_merging(unet, generator=_seeded(5), matching="block"):
            merged = _forward(unet)
        assert len(drawn) == len(blocks)
        with token_merging(unet, generator=_seeded(5), matching="block"):
            assert torch.equal(_forward(unet), merged)
        with token_merging(unet, generator=_seeded(5)):
            assert (_forward(unet) - merged).abs().max() > 1e-4, "it is another method"
        assert len(drawn) == 4 * len(blocks), "both attentions of each"
        with token_merging(unet, generator=_seeded(), ratio=1e-4, matching="block"):
            torch.testing.assert_close(_forward(unet), plain, atol=1e-5, rtol=1e-4)
        assert torch.equal(_forward(unet), plain)
    assert not any(m._forward_pre_hooks for m in unet.modules())


@pytest.mark.parametrize("matching", ["attention", "block"])
def test_gradients_flow(unet, matching):
    with token_merging(unet, generator=_seeded(), matching=matching):
        _forward(unet).square().mean().backward()
    layer = next(m for m in unet.down_blocks[1].modules() if isinstance(m, Attention))
    assert layer.to_q.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("ratio", [0.0, 1.0, -1.0, math.nan])
def test_ratios_out_of_bounds_are_refused(unet, ratio):
    with (
        pytest.raises(InvalidRequestError, match="ratio"),
        token_merging(unet, ratio=ratio, generator=_seeded()),
    ):
        pass
