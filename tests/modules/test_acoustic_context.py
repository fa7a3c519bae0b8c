"""A U-Net that reads a draft in the text's place: what it reads, that it leaves no trace, how large it is."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel

from studio.backends.shapes import count_parameters
from studio.core.errors import InvalidRequestError
from studio.modules.acoustic_context import AcousticContext

WIDTH = 24


@pytest.fixture
def tango() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=16, in_channels=8, out_channels=8, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=WIDTH,
        attention_head_dim=(2, 4), norm_num_groups=8,
    ).eval()  # fmt: skip


def _draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def _forward(unet: UNet2DConditionModel, states: torch.Tensor | None, mask: torch.Tensor | None = None):
    x = _draw(2, 8, 8, 16, seed=1)
    given = {"encoder_hidden_states": states, "encoder_attention_mask": mask}
    return unet(x, torch.tensor([5, 700]), **given).sample


def test_it_is_the_unet_that_reads_the_projection_and_nothing_else(tango) -> None:
    context, heard = AcousticContext.for_unet(tango), _draw(2, 6, 128, seed=2)
    with torch.no_grad():
        states = heard @ context.project.weight.T + context.project.bias
    expected = _forward(tango, states)
    with context.attached(tango), context.hearing(heard):
        torch.testing.assert_close(_forward(tango, None), expected)
        text = _draw(2, 3, WIDTH, seed=3)
        assert torch.equal(_forward(tango, text), _forward(tango, None)), "a text is put aside"
        with context.hearing(_draw(2, 6, 128, seed=4)):
            assert not torch.allclose(_forward(tango, None), expected, atol=1e-4)
        torch.testing.assert_close(_forward(tango, None), expected)
    assert not tango._forward_pre_hooks
    assert context.blocks == ()
    torch.testing.assert_close(_forward(tango, states), expected)


def test_what_is_masked_is_not_heard(tango) -> None:
    context, heard = AcousticContext.for_unet(tango), _draw(2, 6, 128, seed=2)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0]]).expand(2, -1)
    with context.attached(tango):
        with context.hearing(heard[:, :4]):
            short = _forward(tango, None)
        with context.hearing(heard, mask):
            torch.testing.assert_close(_forward(tango, None), short, atol=1e-5, rtol=1e-4)


def test_without_a_draft_it_says_so(tango) -> None:
    context = AcousticContext.for_unet(tango)
    with context.attached(tango), pytest.raises(InvalidRequestError, match="nothing but a draft"):
        _forward(tango, _draw(2, 3, WIDTH))


def test_its_attention_can_be_watched(tango) -> None:
    context, heard = AcousticContext.for_unet(tango), _draw(2, 6, 128, seed=2)
    seen: dict[str, torch.Tensor] = {}
    with context.attached(tango), context.hearing(heard):
        plain = _forward(tango, None)
        assert context.blocks == ("down1", "mid", "up1")
        with context.watched(lambda name, weights: seen.update({name: weights})):
            assert torch.equal(_forward(tango, None), plain)
    assert {name: weights.shape for name, weights in seen.items()} == {
        "down1": (8, 6), "mid": (4, 6), "up1": (8, 6),
    }  # fmt: skip
    for weights in seen.values():
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(weights)))


def test_it_fits_its_own_unet_alone(tango, unet) -> None:
    with (
        pytest.raises(InvalidRequestError, match="is 32 wide, and this U-Net's cross-attention reads 24"),
        AcousticContext(width=32).attached(tango),
    ):
        pass
    with pytest.raises(InvalidRequestError, match="reads no text"):
        AcousticContext.for_unet(unet)


def test_at_full_size_it_is_the_papers() -> None:
    """866 M in Table 1, as TANGO itself: the projection is 0.13 M."""
    assert count_parameters("ldm_ag") - count_parameters("tango") == 128 * 1024 + 1024
    assert round(count_parameters("ldm_ag") / 1e6) == 866
