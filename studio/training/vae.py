"""Recipe 1: the VAE (diffusers' `AutoencoderKL`) on raw log-mels, latents [B, 8, T, 16]."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor, nn

from studio.training.data import mel_crops
from studio.training.loop import LoopOptions, TrainState, run

CROP_FRAMES = 64
BATCH = 8
KL_WEIGHT = 1e-4  # per latent value, against an L1 per mel value: enough to keep latents near unit scale


def build_vae() -> AutoencoderKL:
    """The pocket architecture. No attention in the middle, so that it decodes block by block (DESIGN §3)."""
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=8,
        sample_size=64,
        layers_per_block=1,
        block_out_channels=(16, 32, 96),
        norm_num_groups=8,
        mid_block_add_attention=False,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
    )


def train_vae(
    mels: NDArray[np.float16], options: LoopOptions, init: Path | None = None, device: str = "cpu"
) -> AutoencoderKL:
    """Train on random crops with L1 + KL; returns the averaged model with its scaling factor set.

    `mels` [clips, frames, 64]. `init` is a shipped VAE folder to go on from.
    """
    torch.manual_seed(options.seed)
    if init:
        vae = AutoencoderKL.from_pretrained(init, torch_dtype=torch.float32)
    else:
        vae = build_vae()
        nn.init.constant_(
            vae.decoder.conv_out.bias, float(mels[:: len(mels) // 16 + 1].mean(dtype=np.float64))
        )
    vae.to(device).train()
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1.5e-3, betas=(0.9, 0.98), weight_decay=1e-4)
    state = TrainState(vae, {"vae": optimizer}, ema_decay=0.998)
    state.ema.to(device)

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        mel = mel_crops(mels, generator, BATCH, CROP_FRAMES)[0][:, None].to(device)
        posterior = vae.encode(mel).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(device)
        decoded = vae.decode(posterior.mean + posterior.std * noise).sample
        l1 = (decoded - mel).abs().mean()
        kl = 0.5 * (posterior.mean**2 + posterior.var - 1.0 - posterior.logvar).mean()
        loss = l1 + KL_WEIGHT * kl
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        return {"l1": l1.item(), "kl": kl.item()}

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
