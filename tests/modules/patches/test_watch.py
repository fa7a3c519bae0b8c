"""Watching attention changes nothing, and what it sees is what the attention does."""

from __future__ import annotations

import torch
from diffusers.models.attention_processor import Attention

from studio.modules.patches.lite_focus import draw_tokens
from studio.modules.patches.watch import Watched, focus_share, same_band, watched_attention
from tests.modules.patches.test_lite_focus import BANDS, FRAMES, _forward, _forward2, _seeded


def _watched(frames=5, bands=3, heads=2, width=4):
    query, key = torch.randn(2, heads, frames * bands, width, generator=_seeded()).unbind()
    return Watched(query, key, frames, bands)


def test_the_model_gives_the_same_and_forgets_that_it_was_watched(unet2):
    before = [module.processor for module in unet2.modules() if isinstance(module, Attention)]
    plain, seen = _forward2(unet2), []
    with watched_attention(unet2, ("mid", "down2"), lambda name, one: seen.append((name, one))):
        assert torch.equal(_forward2(unet2), plain)
    assert {name for name, _ in seen} == {"mid", "down2"}
    assert [module.processor for module in unet2.modules() if isinstance(module, Attention)] == before
    _, one = next(pair for pair in seen if pair[0] == "down2")
    assert (one.frames, one.bands) == (FRAMES // 2, BANDS // 2)


def test_only_the_last_item_of_a_batch_is_watched(unet):
    """Under guidance that is the prompt's."""
    seen = []
    with watched_attention(unet, ("mid",), lambda _, one: seen.append(one)):
        _forward(unet)
    attention = next(module for module in unet.mid_block.modules() if isinstance(module, Attention))
    tokens = FRAMES * BANDS // 4
    assert seen[0].query.shape == (attention.heads, tokens, attention.to_q.out_features // attention.heads)


def test_weights_are_the_softmax_of_the_mean_head():
    seen = _watched()
    logits = torch.einsum("hnd,hmd->hnm", seen.query, seen.key) / seen.query.shape[-1] ** 0.5
    wanted = logits.softmax(-1).mean(0)
    tokens = torch.tensor([0, 7, 14])
    torch.testing.assert_close(seen.weights(tokens), wanted[tokens])


def test_shares_of_a_focus_set():
    seen, everything = _watched(), torch.arange(15)
    assert focus_share(seen, everything, everything) > 1 - 1e-6
    own, chosen = focus_share(seen, everything, everything[:0]), torch.tensor([1, 5])
    weights = seen.weights(everything)
    assert abs(own - sum(float(weights[i, i % 3 :: 3].sum()) for i in range(15)) / 15) < 1e-6
    kept = same_band(everything, 15, 3) | torch.isin(everything, chosen)
    assert abs(focus_share(seen, everything, chosen) - float((weights * kept).sum(-1).mean())) < 1e-6
    assert own < focus_share(seen, everything, chosen)


def test_attention_that_does_not_care_keeps_what_chance_gives():
    frames, bands = 40, 8
    zeros = torch.zeros(2, frames * bands, 4)
    chosen = draw_tokens(frames, bands, 0.1, "balanced", _seeded())
    tokens = torch.arange(frames * bands)
    share = focus_share(Watched(zeros, zeros, frames, bands), tokens, chosen)
    assert abs(share - (1 / bands + 0.1 * (1 - 1 / bands))) < 1e-6
