"""Attention to content in a band: who may read what, and what stays as it was."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn

from studio.modules.content_band import content_band
from studio.modules.patches.framewise import framewise
from studio.modules.patches.lite_focus import lite_focus
from studio.modules.patches.token_merging import token_merging

BATCH, FRAMES, BANDS, WIDTH = 2, 32, 8, 12
TIMES = torch.tensor([5, 900])


@pytest.fixture
def unet() -> UNet2DConditionModel:
    """VoiceLDM's kind: a description's vector beside the time, content by cross-attention."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=BANDS, in_channels=8, out_channels=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=WIDTH,
        class_embed_type="simple_projection", projection_class_embeddings_input_dim=10,
        class_embeddings_concat=True, attention_head_dim=4, norm_num_groups=8,
    ).eval()  # fmt: skip


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _run(unet: nn.Module, content: Tensor, timesteps: Tensor = TIMES) -> Tensor:
    sample, labels = _random(BATCH, 8, FRAMES, BANDS, seed=1), _random(BATCH, 10, seed=2)
    return unet(sample, timesteps, encoder_hidden_states=content, class_labels=labels).sample


CONTENT = _random(BATCH, FRAMES, WIDTH, seed=3)


def _close(made: Tensor, expected: Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(made, expected, rtol=0, atol=atol)


@torch.no_grad()
def test_a_band_as_wide_as_everything_is_none(unet):
    plain = _run(unet, CONTENT)
    with content_band(unet, FRAMES):
        _close(_run(unet, CONTENT), plain)
    with content_band(unet, 2):
        assert not torch.allclose(_run(unet, CONTENT), plain, atol=1e-3)


@torch.no_grad()
def test_one_frame_of_content_is_that_frame_everywhere(unet):
    one = CONTENT[:, :1]
    plain = _run(unet, one)
    with content_band(unet, 3):
        made = _run(unet, one)
        _close(made, plain)
        _close(_run(unet, one.expand(-1, FRAMES, -1).contiguous()), made)


@torch.no_grad()
@pytest.mark.parametrize("reach", [0, 2, 8])
def test_each_token_reads_what_is_near_and_nothing_else(unet, reach):
    """One attention after another, by its definition with a loop over the tokens."""
    seen: list[tuple[nn.Module, Tensor, Tensor]] = []
    hooks = [
        module.attn2.register_forward_hook(
            lambda attention, args, made: seen.append((attention, *args, made))
        )
        for module in unet.modules()
        if isinstance(module, BasicTransformerBlock)
    ]
    with content_band(unet, reach):
        _run(unet, CONTENT)
    for hook in hooks:
        hook.remove()
    assert len({tokens.shape[1] for _, tokens, _ in seen}) == 2, "two levels"
    for attention, tokens, made in seen:
        factor = 1 if tokens.shape[1] == FRAMES * BANDS else 2
        bands = BANDS // factor
        for token in range(0, tokens.shape[1], 5):
            place = (token // bands + 0.5) * factor
            near = [j for j in range(FRAMES) if abs(j + 0.5 - place) <= reach + factor / 2]
            assert near, "something is always near"
            expected = attention(tokens[:, token : token + 1], encoder_hidden_states=CONTENT[:, near])
            _close(made[:, token : token + 1], expected)


@torch.no_grad()
def test_what_is_outside_the_band_has_no_influence():
    """A U-Net whose convolutions see no neighbours: content reaches the frames of its band alone."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(16,), layers_per_block=1, in_channels=8, out_channels=8, mid_block_type=None,
        down_block_types=("CrossAttnDownBlock2D",), up_block_types=("CrossAttnUpBlock2D",),
        cross_attention_dim=WIDTH, attention_head_dim=4, norm_num_groups=8,
        class_embed_type="simple_projection", projection_class_embeddings_input_dim=10,
    ).eval()  # fmt: skip
    attention = unet.down_blocks[0].attentions[0]
    hidden, reach = _random(BATCH, 16, FRAMES, BANDS, seed=4), 3
    made: list[Tensor] = []
    attention.transformer_blocks[0].attn2.register_forward_hook(lambda _, args, output: made.append(output))
    with content_band(unet, reach):
        _run(unet, CONTENT)  # the window's length is the call's
        made.clear()
        attention(hidden, encoder_hidden_states=CONTENT, return_dict=False)
        elsewhere = CONTENT.clone()
        elsewhere[:, 10] += 5
        attention(hidden, encoder_hidden_states=elsewhere, return_dict=False)
    frames = (made[1] - made[0]).unflatten(1, (FRAMES, BANDS)).abs().amax(dim=(0, 2, 3))
    touched = (frames > 0).nonzero()[:, 0].tolist()
    assert touched == list(range(10 - reach, 10 + reach + 1))


def test_gradients_flow_to_content_and_weights(unet):
    content = CONTENT.clone().requires_grad_()
    with content_band(unet, 2), framewise(unet):
        _run(unet, content, TIMES[:, None].expand(BATCH, FRAMES)).square().mean().backward()
    assert (content.grad.abs().sum(dim=-1) > 0).all()
    assert all(parameter.grad is not None for parameter in unet.parameters())


@torch.no_grad()
def test_it_goes_beside_framewise_and_sparse_self_attention(unet):
    every = TIMES[:, None].expand(BATCH, FRAMES)
    with content_band(unet, 2):
        plain = _run(unet, CONTENT)
        with framewise(unet):
            _close(_run(unet, CONTENT, every), plain)
            for outer in (False, True):
                generator = torch.Generator().manual_seed(0)
                with lite_focus(unet, generator=generator, ratio=1.0):
                    _close(_run(unet, CONTENT, every), plain)
                    if outer:
                        with content_band(unet, FRAMES):
                            assert not torch.allclose(_run(unet, CONTENT, every), plain, atol=1e-3)
            with token_merging(unet, generator=torch.Generator().manual_seed(0)):
                assert not torch.equal(_run(unet, CONTENT, every), plain)
        _close(_run(unet, CONTENT), plain, atol=0)


@torch.no_grad()
def test_afterwards_the_model_is_what_it_was(unet):
    plain = _run(unet, CONTENT)
    processors = dict(unet.attn_processors)
    with content_band(unet, 2):
        _run(unet, CONTENT)
    assert unet.attn_processors == processors
    assert not any(module._forward_pre_hooks for module in unet.modules())
    assert torch.equal(_run(unet, CONTENT), plain)
    assert not torch.equal(_run(unet, CONTENT[:, :5]), plain), "any length, as without a band"


@pytest.mark.parametrize("length", [2, 16, 33])
def test_content_of_another_length_is_refused(unet, length):
    with content_band(unet, 2), pytest.raises(ValueError, match=f"{length} content frames for 32"):
        _run(unet, _random(BATCH, length, WIDTH, seed=5))
