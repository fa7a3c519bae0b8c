"""The probe sees what the layers attend to, and leaves no trace."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_processor import Attention

from studio.modules.patches import probe as module
from studio.modules.patches.probe import attention_probe, region_averages

FRAMES, BANDS = 16, 8


def _decoder(unet):
    return [m for m in unet.up_blocks.modules() if isinstance(m, Attention)]


def _forward(unet):
    generator = torch.Generator().manual_seed(2)
    sample = torch.randn(2, 8, FRAMES, BANDS, generator=generator)
    labels = torch.randn(2, 12, generator=generator)
    with torch.no_grad():
        return unet(sample, torch.tensor([5, 700]), encoder_hidden_states=None, class_labels=labels).sample


def _whole_map(layer, tokens, frames):
    """Softmax attention written out in float64 over all tokens, then reduced."""
    bands = tokens.shape[1] // frames
    parts = []
    for item in tokens.double():
        query = item @ layer.to_q.weight.double().T
        key = item @ layer.to_k.weight.double().T
        for q, k in zip(query.chunk(layer.heads, -1), key.chunk(layer.heads, -1), strict=True):
            weights = torch.softmax(q @ k.T / q.shape[-1] ** 0.5, dim=-1)
            parts.append(weights.view(frames, bands, frames, bands).sum(3).mean(1))
    return torch.stack(parts).mean(0)


@pytest.mark.parametrize("block_elements", [1, 5000, 2**22])
def test_is_the_decoders_mean_attention(unet, monkeypatch, block_elements):
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", block_elements)
    layers = _decoder(unet)
    inputs = []
    hooks = [
        layer.register_forward_pre_hook(lambda layer, args: inputs.append((layer, args[0])))
        for layer in layers
    ]
    with attention_probe(layers, FRAMES, BANDS) as probe:
        _forward(unet)
    for hook in hooks:
        hook.remove()
    assert probe.layers_seen == len(layers) == len(inputs)
    expected = torch.zeros(FRAMES, FRAMES, dtype=torch.float64)
    levels = set()
    for layer, tokens in inputs:
        scale = 1 if tokens.shape[1] == FRAMES * BANDS else 2
        levels.add(scale)
        one = _whole_map(layer, tokens, FRAMES // scale)
        expected += torch.kron(one, torch.ones(scale, scale, dtype=torch.float64)) / scale
    assert levels == {1, 2}
    torch.testing.assert_close(probe.map.double(), expected / len(inputs), rtol=0, atol=1e-6)
    torch.testing.assert_close(probe.map.sum(1), torch.ones(FRAMES))


def test_no_block_is_larger_than_asked(unet, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 20_000)
    sizes = []
    softmax = torch.softmax

    def watch(scores, dim):
        sizes.append(scores.numel())
        return softmax(scores, dim=dim)

    monkeypatch.setattr(torch, "softmax", watch)
    with attention_probe(_decoder(unet), FRAMES, BANDS):
        _forward(unet)
    assert max(sizes) <= 20_000 < 2 * 2 * (FRAMES * BANDS) ** 2


def test_the_models_output_is_bit_identical_under_it_and_after(unet):
    plain = _forward(unet)
    layers = _decoder(unet)
    with attention_probe(layers, FRAMES, BANDS):
        assert torch.equal(_forward(unet), plain)
    assert torch.equal(_forward(unet), plain)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in unet.modules())


def test_same_forward_same_map(unet):
    maps = []
    for _ in range(2):
        with attention_probe(_decoder(unet), FRAMES, BANDS) as probe:
            _forward(unet)
        maps.append(probe.map)
    assert torch.equal(*maps)


def test_uniform_attention_gives_a_uniform_map(unet):
    layers = _decoder(unet)
    for layer in layers:
        torch.nn.init.zeros_(layer.to_q.weight)
    with attention_probe(layers, FRAMES, BANDS) as probe:
        _forward(unet)
    torch.testing.assert_close(probe.map, torch.full((FRAMES, FRAMES), 1 / FRAMES))


def test_says_when_nothing_was_seen(unet):
    with (
        attention_probe(_decoder(unet), FRAMES, BANDS) as probe,
        pytest.raises(RuntimeError, match="no watched"),
    ):
        _ = probe.map


def test_refuses_tokens_of_another_window(unet):
    with attention_probe(_decoder(unet), 24, BANDS), pytest.raises(ValueError, match="no level of 24"):
        _forward(unet)


def test_refuses_cross_attention():
    layer = Attention(query_dim=16, cross_attention_dim=12, heads=2, dim_head=8)
    with attention_probe([layer], 4, 4), pytest.raises(ValueError, match="self-attention"):
        layer(torch.randn(1, 16, 16), encoder_hidden_states=torch.randn(1, 5, 12))


def test_region_averages_leave_the_buffer_out():
    weights = torch.zeros(6, 6)
    weights[:2] = 100.0  # what the buffer's queries see
    weights[:, :2] = 100.0  # what goes to the buffer's keys
    weights[2:, 2:] = torch.tensor([1.0, 3.0, 5.0, 7.0])
    averages = region_averages(weights, {"initial": (2, 3), "final": (3, 6)})
    assert averages == {"initial": 1.0, "final": 5.0}


@pytest.mark.parametrize("span", [(3, 3), (-1, 2), (2, 7)])
def test_refuses_a_region_outside_the_map(span):
    with pytest.raises(ValueError, match="map of 6"):
        region_averages(torch.ones(6, 6), {"initial": span})
