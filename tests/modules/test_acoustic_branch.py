"""The acoustic branch begins as nothing, ends without a trace, and counts as the paper says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from studio.backends.shapes import count_parameters
from studio.core.errors import InvalidRequestError
from studio.modules.acoustic_branch import PLACEMENTS, AcousticBranch
from studio.modules.blocks import transformers
from studio.modules.patches.framewise import framewise
from studio.modules.patches.lite_focus import lite_focus


@pytest.fixture
def tango() -> UNet2DConditionModel:
    """TANGO's kind, small: text by cross-attention at every level but the lowest."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=16, in_channels=8, out_channels=8, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=12,
        attention_head_dim=(2, 4), norm_num_groups=8, use_linear_projection=True,
    ).eval()  # fmt: skip


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def forward(unet: UNet2DConditionModel, timesteps: torch.Tensor | None = None) -> torch.Tensor:
    at = torch.tensor([5, 700]) if timesteps is None else timesteps
    return unet(seeded(2, 8, 16, 8), at, encoder_hidden_states=seeded(2, 5, 12, seed=1)).sample


def wake(branch: AcousticBranch) -> AcousticBranch:
    """Give the branch a last projection that says something."""
    for name, parameter in branch.named_parameters():
        if ".proj_out." in name:
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(3))
    return branch.eval()


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_fresh_branch_is_tango_bit_for_bit(tango: UNet2DConditionModel, placement: str) -> None:
    plain = forward(tango)
    branch = AcousticBranch.for_unet(tango, placement).eval()
    with branch.attached(tango), branch.hearing(seeded(2, 20, 128)):
        assert torch.equal(forward(tango), plain)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_what_is_heard_matters_and_leaves_no_trace(tango: UNet2DConditionModel, placement: str) -> None:
    plain, names = forward(tango), list(tango.state_dict())
    branch = wake(AcousticBranch.for_unet(tango, placement))
    with branch.attached(tango):
        with branch.hearing(seeded(2, 20, 128)):
            heard = forward(tango)
        with branch.hearing(seeded(2, 20, 128, seed=9)):
            assert not torch.allclose(forward(tango), heard, atol=1e-5)
        assert torch.equal(forward(tango), plain), "nothing is heard outside"
    assert not torch.allclose(heard, plain, atol=1e-5)
    assert list(tango.state_dict()) == names
    with branch.hearing(seeded(2, 20, 128)):
        assert torch.equal(forward(tango), plain)


def test_masked_frames_are_not_heard(tango: UNet2DConditionModel) -> None:
    branch = wake(AcousticBranch.for_unet(tango))
    states, mask = seeded(2, 20, 128), torch.ones(2, 20)
    mask[:, 12:] = 0
    with branch.attached(tango):
        with branch.hearing(states[:, :12]):
            short = forward(tango)
        with branch.hearing(states, mask):
            torch.testing.assert_close(forward(tango), short, atol=1e-5, rtol=1e-4)


def test_gradients_reach_the_branch_and_the_unet(tango: UNet2DConditionModel) -> None:
    branch = wake(AcousticBranch.for_unet(tango))
    with branch.attached(tango), branch.hearing(seeded(2, 20, 128)):
        forward(tango).square().mean().backward()
    for parameter in (*branch.parameters(), *tango.parameters()):
        assert parameter.grad is not None


def test_it_goes_with_a_timestep_a_frame_and_with_sparse_attention(tango: UNet2DConditionModel) -> None:
    branch = wake(AcousticBranch.for_unet(tango))
    frames = torch.full((2, 16), 300)
    with branch.attached(tango), branch.hearing(seeded(2, 20, 128)), framewise(tango):
        even = forward(tango, frames)
        torch.testing.assert_close(even, forward(tango, frames[:, 0]), atol=1e-4, rtol=1e-4)
        generator = torch.Generator().manual_seed(0)
        with lite_focus(tango, generator=generator, ratio=1.0, blocks=("down1", "up1")):
            torch.testing.assert_close(forward(tango, frames), even, atol=1e-4, rtol=1e-4)
        with lite_focus(tango, generator=generator, ratio=0.1, blocks=("down1", "up1")):
            assert not torch.allclose(forward(tango, frames), even, atol=1e-5)
    assert len(transformers(tango)["down1"]) == 1


def test_saved_and_opened_it_is_the_same(tango: UNet2DConditionModel, tmp_path: Path) -> None:
    branch = wake(AcousticBranch.for_unet(tango, "mid"))
    branch.save_pretrained(tmp_path)
    opened = AcousticBranch.from_pretrained(tmp_path)
    assert opened.config.placement == "mid"
    with branch.attached(tango), branch.hearing(seeded(2, 20, 128)):
        first = forward(tango)
    with opened.attached(tango), opened.hearing(seeded(2, 20, 128)):
        assert torch.equal(forward(tango), first)


def test_blocks_that_read_no_text_are_named(tango: UNet2DConditionModel) -> None:
    with pytest.raises(InvalidRequestError, match="down2"):
        AcousticBranch.for_unet(tango, "down2")
    branch = AcousticBranch.for_unet(tango, "up1")
    other = UNet2DConditionModel.from_config({**tango.config, "block_out_channels": (32, 32)})
    with (
        pytest.raises(
            InvalidRequestError, match=r"blocks\.up1\.0\.norm\.weight is \[16\], .*asks for \[32\]"
        ),
        branch.attached(other),
    ):
        pass
    other = UNet2DConditionModel.from_config({**tango.config, "layers_per_block": 2})
    with (
        pytest.raises(InvalidRequestError, match=r"has 2 transformers for up1.* has 3"),
        branch.attached(other),
    ):
        pass


@pytest.mark.parametrize(
    ("placement", "millions"), [("down1", 870.21), ("mid", 899.06), ("up1", 872.34), ("down1+up1", 876.62)]
)
def test_full_size_counts(placement: str, millions: float) -> None:
    """docs/papers.md, "DC-LDM"; the paper's Table 1 prints 873, 899, 875 and 877 M."""
    assert count_parameters("dcldm", placement) / 1e6 == pytest.approx(millions, abs=0.005)
    assert count_parameters("tango") / 1e6 == pytest.approx(865.93, abs=0.005)
