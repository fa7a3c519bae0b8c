"""Recipe 1: the VAE (diffusers' `AutoencoderKL`) on raw log-mels, latents [B, 8, T, 16].

The encoder is not searched for but solved: the eight principal components of 4 × 4 patches of log-mel keep
all but 0.08 of it (mean absolute error, natural log), have known scales, and are uncorrelated, which is what
a diffusion wants of its latents. Its weights are set so that the network computes just that. The decoder
is trained; it starts from the patch's mean and learns the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor, nn

from studio.recipes.data.clips import mel_crops
from studio.training.loop import LoopOptions, TrainState, run

CROP_FRAMES = 64
BATCH = 6
PATCH = 4
CHANNELS = 8
ANCHOR = 40.0  # a constant beside the signal, so that a group's norm hardly follows the signal's level
WHITENING = 0.4  # latents' stds go as (components' stds) to the power of 1 − 2·WHITENING
LOG_VARIANCE = -6.0
LATENT_NOISE = 0.1  # the decoder meets latents as inexact as a diffusion's


def build_vae() -> AutoencoderKL:
    """The pocket architecture. No attention in its middle: docs/papers.md, "Decoding block by block"."""
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=CHANNELS,
        sample_size=64,
        layers_per_block=1,
        block_out_channels=(32, 64, 96),
        norm_num_groups=4,
        mid_block_add_attention=False,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
    )


def patches_of(mel: Tensor) -> Tensor:
    """Log-mels [B, frames, 64] → [B, frames/4, 16, 16], each patch frame by frame."""
    return mel.unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH).flatten(3)


def principal_patches(mels: NDArray[np.float16], clips: int = 400) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [16], components [8, 16] and their stds [8] of 4 × 4 patches (frame-major) of log-mel.

    The first component is turned to point along the patch's level.
    """
    generator = torch.Generator().manual_seed(7)
    mel = mel_crops(mels, generator, clips, CROP_FRAMES * PATCH)[0].double()
    patches = patches_of(mel).flatten(0, 2)
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T))
    order = values.argsort(descending=True)[:CHANNELS]
    components = vectors[:, order].T
    components = components * components.sum(1, keepdim=True).sign()
    return mean.float(), components.float(), values[order].sqrt().float()


@torch.no_grad()
def solve_encoder(vae: AutoencoderKL, mels: NDArray[np.float16]) -> None:
    """Set the encoder's weights so that it gives the patches' principal components.

    The two strided convolutions unfold a patch into channels; every residual branch is silent; the last
    SiLU is undone by pairs, silu(x) − silu(−x) = x; the norm before it is held by a constant `ANCHOR`.
    """
    mean, components, stds = principal_patches(mels)
    scaled = components * stds.pow(-2 * WHITENING)[:, None]
    encoder = vae.encoder
    for name, parameter in encoder.named_parameters():
        if "norm" not in name:
            parameter.zero_()
    encoder.conv_in.weight[0, 0, 1, 1] = 1.0
    shortcut = encoder.down_blocks[1].resnets[0].conv_shortcut
    shortcut.weight[:PATCH, :PATCH, 0, 0] = torch.eye(PATCH)
    # Unfolded twice: bin (row, column) of the 2 × 2 halvings, the first one's place before the second's.
    for block, inputs in ((0, 1), (1, PATCH)):
        unfold = encoder.down_blocks[block].downsamplers[0].conv
        for channel in range(inputs):
            for row in range(2):
                for column in range(2):
                    unfold.weight[channel * 4 + 2 * row + column, channel, row, column] = 1.0
    places = [
        (2 * coarse_row + row) * PATCH + 2 * coarse_column + column
        for row in range(2)
        for column in range(2)
        for coarse_row in range(2)
        for coarse_column in range(2)
    ]
    project = scaled[:, places]
    rotate = encoder.down_blocks[2].resnets[0].conv_shortcut
    pairs = torch.cat([project, -project])
    rotate.weight[: 2 * CHANNELS, : PATCH * PATCH, 0, 0] = pairs
    rotate.bias[: 2 * CHANNELS] = -pairs @ mean[places]
    rotate.bias[2 * CHANNELS : 2 * CHANNELS + 2] = torch.tensor([ANCHOR, -ANCHOR])
    norm = encoder.conv_norm_out
    per_group = norm.num_channels // norm.num_groups
    signal = float(2 * (scaled @ components.T).square().sum(1).mul(stds.square()).sum())
    gain = ((2 * ANCHOR**2 + signal) / per_group) ** 0.5
    norm.weight.fill_(gain)
    norm.bias.zero_()
    each = torch.arange(CHANNELS)
    encoder.conv_out.weight[each, each, 1, 1] = 1.0
    encoder.conv_out.weight[each, each + CHANNELS, 1, 1] = -1.0
    encoder.conv_out.bias[CHANNELS:] = LOG_VARIANCE
    vae.quant_conv.weight.copy_(torch.eye(2 * CHANNELS)[:, :, None, None])
    vae.quant_conv.bias.zero_()


@torch.no_grad()
def start_decoder(vae: AutoencoderKL, mels: NDArray[np.float16]) -> None:
    """Begin with what the first latent says alone, the patch's level; residual branches begin silent."""
    mean, components, stds = principal_patches(mels)
    decoder = vae.decoder
    nn.init.dirac_(vae.post_quant_conv.weight)
    vae.post_quant_conv.bias.zero_()
    resnets = list(decoder.mid_block.resnets)
    for block in decoder.up_blocks:
        resnets += list(block.resnets)
        for upsampler in block.upsamplers or ():
            upsampler.conv.weight.mul_(0.3)
            nn.init.dirac_(upsampler.conv.weight[:2])
            upsampler.conv.bias.zero_()
    for resnet in resnets:
        resnet.conv2.weight.zero_()
        resnet.conv2.bias.zero_()
        if resnet.conv_shortcut is not None:
            nn.init.dirac_(resnet.conv_shortcut.weight[:2])
            resnet.conv_shortcut.bias.zero_()
    decoder.conv_in.weight[:2].zero_()
    decoder.conv_in.weight[0, 0, 1, 1], decoder.conv_in.weight[1, 0, 1, 1] = 1.0, -1.0
    decoder.conv_in.bias[:2].zero_()
    norm = decoder.conv_norm_out
    last = decoder.up_blocks[-1].resnets[-1]
    last.conv2.bias[2], last.conv2.bias[3] = ANCHOR / 4, -ANCHOR / 4
    per_group = norm.num_channels // norm.num_groups
    norm.weight[:per_group] = ((2 * (ANCHOR / 4) ** 2) / per_group) ** 0.5
    level = float(components[0].mean() * stds[0].pow(2 * WHITENING))
    decoder.conv_out.weight.mul_(0.1)
    decoder.conv_out.weight[0, :2] = 0.0
    decoder.conv_out.weight[0, 0, 1, 1], decoder.conv_out.weight[0, 1, 1, 1] = level, -level
    decoder.conv_out.bias.fill_(float(mean.mean()))


def train_vae(
    mels: NDArray[np.float16], options: LoopOptions, init: Path | None = None, device: str = "cpu"
) -> AutoencoderKL:
    """Solve the encoder, train the decoder with L1 on random crops; its average, with its scaling factor.

    `mels` [clips, frames, 64]. `init` is a shipped VAE folder: its encoder stays, its decoder goes on.
    """
    torch.manual_seed(options.seed)
    if init:
        vae = AutoencoderKL.from_pretrained(init, dtype=torch.float32)
    else:
        vae = build_vae()
        solve_encoder(vae, mels)
        start_decoder(vae, mels)
    vae.to(device).train()
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    learned = [p for p in vae.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=1.5e-3, betas=(0.9, 0.98), weight_decay=1e-4)
    state = TrainState(vae, {"vae": optimizer}, ema_decay=0.998)
    state.ema.to(device)

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        mel = mel_crops(mels, generator, BATCH, CROP_FRAMES)[0][:, None].to(device)
        with torch.no_grad():
            latents = vae.encode(mel).latent_dist.mean
        noise = torch.randn(latents.shape, generator=generator).to(device)
        amount = LATENT_NOISE * torch.rand(BATCH, 1, 1, 1, generator=generator).to(device)
        decoded = vae.decode(latents + amount * noise).sample
        l1 = (decoded - mel).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        l1.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        return {"l1": l1.item()}

    run(state, step, options, "vae")
    averaged = cast(AutoencoderKL, state.ema.eval())
    averaged.register_to_config(scaling_factor=_scaling_factor(averaged, mels, device))
    return averaged


@torch.no_grad()
def _scaling_factor(vae: AutoencoderKL, mels: NDArray[np.float16], device: str) -> float:
    """1/std of the latents over random crops: the U-Net sees unit variance."""
    mel = mel_crops(mels, torch.Generator().manual_seed(1), 128, CROP_FRAMES)[0][:, None]
    return 1.0 / float(vae.encode(mel.to(device)).latent_dist.mean.std())


@torch.no_grad()
def encode_latents(vae: AutoencoderKL, mel: Tensor) -> Tensor:
    """Log-mels [B, frames, 64] → scaled mean latents [B, 8, frames/4, 16]."""
    return vae.encode(mel[:, None]).latent_dist.mean * vae.config.scaling_factor
