"""One timestep a frame: equal frames are the plain forward, unequal ones the definition."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from studio.modules.patches.framewise import framewise

BATCH, FRAMES, BANDS = 2, 16, 8
TIMES = torch.tensor([5, 900])
EVERY = TIMES[:, None].expand(BATCH, FRAMES)
RAMP = torch.stack([torch.arange(1, 977, 61), torch.arange(976, 0, -61)])


def _inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(BATCH, 8, FRAMES, BANDS, generator=generator)
    return sample, torch.randn(BATCH, 12, generator=generator)


def _run(unet: nn.Module, timesteps: Tensor, labels: Tensor, sample: Tensor | None = None) -> Tensor:
    sample = _inputs()[0] if sample is None else sample
    return unet(sample, timesteps, encoder_hidden_states=None, class_labels=labels).sample


def _close(made: Tensor, expected: Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(made, expected, rtol=0, atol=atol)


@torch.no_grad()
def test_equal_frames_are_the_plain_forward(unet):
    labels = _inputs()[1]
    frames = labels[:, None].expand(BATCH, FRAMES, -1)
    plain = _run(unet, TIMES, labels)
    with framewise(unet):
        _close(_run(unet, EVERY, labels), plain)
        _close(_run(unet, TIMES, frames), plain)
        _close(_run(unet, EVERY, frames), plain)
        _close(_run(unet, torch.tensor(5), frames), _run(unet, torch.tensor(5), labels))
        sample = _inputs()[0]
        _close(unet(sample, EVERY, None, frames).sample, plain)
        _close(unet(sample=sample, timestep=EVERY, encoder_hidden_states=None, class_labels=labels)[0], plain)


@torch.no_grad()
def test_plain_calls_under_the_patch_are_untouched(unet):
    labels = _inputs()[1]
    plain = _run(unet, TIMES, labels)
    with framewise(unet):
        _run(unet, RAMP, labels)
        assert torch.equal(_run(unet, TIMES, labels), plain)
        assert torch.equal(_run(unet, torch.tensor(5), labels)[0], _run(unet, TIMES[:1], labels)[0])


@torch.no_grad()
def test_the_model_is_itself_again_afterwards(unet):
    labels = _inputs()[1]
    weights = {name: value.clone() for name, value in unet.state_dict().items()}
    plain = _run(unet, TIMES, labels)
    attributes = [set(vars(module)) for module in unet.modules()]
    with framewise(unet):
        _run(unet, RAMP, labels)
    with pytest.raises(ValueError, match="frames"), framewise(unet):
        _run(unet, RAMP[:, :8], labels)
    assert [set(vars(module)) for module in unet.modules()] == attributes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in unet.modules())
    assert all(torch.equal(value, weights[name]) for name, value in unet.state_dict().items())
    assert torch.equal(_run(unet, TIMES, labels), plain)


@torch.no_grad()
def test_inside_itself_it_does_nothing(unet):
    labels = _inputs()[1]
    with framewise(unet):
        once = _run(unet, RAMP, labels)
        with framewise(unet):
            assert torch.equal(_run(unet, RAMP, labels), once)
        assert torch.equal(_run(unet, RAMP, labels), once)


@torch.no_grad()
def test_an_instances_own_forward_comes_back(unet):
    block = unet.mid_block.resnets[0]
    own = block.forward
    block.forward = own
    with framewise(unet):
        assert block.forward is not own
    assert vars(block)["forward"] is own


@torch.no_grad()
def test_audioldm2_takes_one_timestep_a_frame(unet2):
    sample = _inputs()[0]
    towers = {
        "encoder_hidden_states": torch.randn(BATCH, 5, 12),
        "encoder_hidden_states_1": torch.randn(BATCH, 3, 10),
    }
    plain = unet2(sample, TIMES, **towers).sample
    with framewise(unet2):
        _close(unet2(sample, EVERY, **towers).sample, plain)
        assert not torch.allclose(unet2(sample, RAMP, **towers).sample, plain, atol=1e-3)
    assert torch.equal(unet2(sample, TIMES, **towers).sample, plain)


def _reference(unet: UNet2DConditionModel, sample: Tensor, timesteps: Tensor, labels: Tensor) -> Tensor:
    """The definition, frame by frame, for a U-Net without attention."""

    def block(layer, hidden, embedding):
        share = FRAMES // hidden.shape[2]
        inner = layer.conv1(layer.nonlinearity(layer.norm1(hidden)))
        for frame in range(hidden.shape[2]):
            mean = embedding[:, frame * share : (frame + 1) * share].mean(1)
            inner[:, :, frame] += layer.time_emb_proj(layer.nonlinearity(mean))[:, :, None]
        inner = layer.conv2(layer.nonlinearity(layer.norm2(inner)))
        return inner + (layer.conv_shortcut(hidden) if layer.conv_shortcut is not None else hidden)

    embedding = torch.stack(
        [
            torch.cat(
                [
                    unet.time_embedding(unet.time_proj(timesteps[:, frame]).to(sample.dtype)),
                    unet.class_embedding(labels[:, frame]),
                ],
                dim=-1,
            )
            for frame in range(FRAMES)
        ],
        dim=1,
    )
    hidden = unet.conv_in(sample)
    skips = [hidden]
    for down in unet.down_blocks:
        for layer in down.resnets:
            hidden = block(layer, hidden, embedding)
            skips.append(hidden)
        for layer in down.downsamplers or []:
            hidden = layer(hidden)
            skips.append(hidden)
    for up in unet.up_blocks:
        for layer in up.resnets:
            hidden = block(layer, torch.cat([hidden, skips.pop()], dim=1), embedding)
        for layer in up.upsamplers or []:
            hidden = layer(hidden)
    return unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))


@torch.no_grad()
def test_unequal_frames_are_the_definition():
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(16, 32, 32),
        layers_per_block=1,
        in_channels=8,
        out_channels=8,
        down_block_types=("DownBlock2D",) * 3,
        mid_block_type=None,
        up_block_types=("UpBlock2D",) * 3,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=12,
        class_embeddings_concat=True,
        norm_num_groups=8,
    )
    unet = unet.double().eval()
    sample = _inputs()[0].double()
    labels = torch.randn(BATCH, FRAMES, 12, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    with framewise(unet):
        made = _run(unet, RAMP, labels, sample)
    # Embedding a timestep goes through float32 sines, in both.
    _close(made, _reference(unet, sample, RAMP, labels), atol=1e-12)


def test_gradients_flow_as_in_the_plain_forward(unet):
    labels = _inputs()[1]
    plain = torch.autograd.grad(
        _run(unet, TIMES, labels).square().mean(), list(unet.parameters()), allow_unused=True
    )
    frames = labels[:, None].repeat(1, FRAMES, 1).requires_grad_()
    with framewise(unet):
        loss = _run(unet, EVERY, frames).square().mean()
        made = torch.autograd.grad(loss, [frames, *unet.parameters()], allow_unused=True)
    assert made[0].abs().sum(-1).min() > 0
    for gradient, expected in zip(made[1:], plain, strict=True):
        assert (gradient is None) == (expected is None)
        if expected is not None:
            _close(gradient, expected)


@pytest.mark.parametrize(
    ("frames", "timesteps", "labels", "words"),
    [
        (15, torch.ones(BATCH, 15, dtype=torch.int64), torch.zeros(BATCH, 12), "downsampling 2"),
        (16, torch.ones(BATCH, 8, dtype=torch.int64), torch.zeros(BATCH, 12), "8 .* for 16 frames"),
        (16, TIMES, torch.zeros(BATCH, 7, 12), "7 .* for 16 frames"),
        (16, RAMP, torch.zeros(BATCH, 7, 12), "7 .* for 16 frames"),
    ],
)
def test_refuses_frames_that_do_not_fit(unet, frames, timesteps, labels, words):
    with framewise(unet), pytest.raises(ValueError, match=words):
        _run(unet, timesteps, labels, torch.zeros(BATCH, 8, frames, BANDS))


def test_refuses_a_model_whose_blocks_scale_by_time():
    with pytest.raises(ValueError, match="ResNet blocks"), framewise(nn.Linear(2, 2)):
        pass


@torch.no_grad()
def test_what_is_told_beside_the_timestep_is_every_frame_s(unet):
    told = UNet2DConditionModel(**{**unet.config, "time_cond_proj_dim": 6}).eval()
    labels, scale = _inputs()[1], torch.randn(BATCH, 6, generator=torch.Generator().manual_seed(2))

    def run(timesteps: Tensor, condition: Tensor | None) -> Tensor:
        return told(_inputs()[0], timesteps, None, class_labels=labels, timestep_cond=condition).sample

    plain, untold = run(TIMES, scale), run(TIMES, None)
    with framewise(told):
        _close(run(EVERY, scale), plain)
        _close(run(EVERY, None), untold)
        assert torch.equal(run(TIMES, scale), plain)
    assert not torch.allclose(plain, untold, atol=1e-3)
