"""Recipe 10: the pocket TANGO, and DC-LDM's base: a U-Net that attends to T5's states of the text.

Text is read at the finest level and at the lowest, so that the paper's placements down1, mid and up1 exist.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn

from studio.recipes.networks.audioldm2 import WIDTHS
from studio.recipes.networks.denoiser import Reading, known_value, load_teacher, train_denoiser
from studio.recipes.text.clap_model import PROJECTION
from studio.training.loop import LoopOptions

READING = ("attn2.", "norm2.")  # of a transformer: the part that reads text here and sees itself in AudioLDM


def build_tango() -> UNet2DConditionModel:
    """The pocket architecture: the pocket AudioLDM's levels, transformers at the first and the last."""
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=8,
        out_channels=8,
        layers_per_block=1,
        block_out_channels=WIDTHS,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=PROJECTION,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def begin_from(unet: UNet2DConditionModel, audioldm: UNet2DConditionModel) -> list[str]:
    """Copy what an AudioLDM U-Net of the same widths knows; gives the names of what was copied.

    Of what reads the time embedding, the half is taken that is not the text's. Transformers that the
    AudioLDM has not, and all reading of text, add nothing at first.
    """
    theirs, copied = audioldm.state_dict(), []
    for name, parameter in unet.state_dict().items():
        value = known_value(theirs, name, parameter)
        if value is not None and not any(part in name for part in READING):
            parameter.copy_(value)
            copied.append(name)
        elif (name not in theirs and ".proj_out." in name) or ".attn2.to_out.0." in name:
            parameter.zero_()
    return copied


def train_tango(
    latents: NDArray[np.float16],
    reading: Reading,
    options: LoopOptions,
    init: Path | None = None,
    audioldm: Path | None = None,
    device: str = "cpu",
) -> UNet2DConditionModel:
    """Train on scaled latents [clips, 8, frames, 16]; returns the averaged U-Net.

    Args:
        init: a shipped TANGO's U-Net folder to go on from.
        audioldm: else a shipped AudioLDM's U-Net folder to begin from and to be taught by.
    """
    torch.manual_seed(options.seed)
    unet, teacher = build_tango(), None
    if init is not None:
        unet = UNet2DConditionModel.from_pretrained(init, dtype=torch.float32)
    elif audioldm is not None:
        teacher = load_teacher(audioldm, device)
        begin_from(unet, teacher)
    model = nn.ModuleDict({"unet": unet}).to(device).train()

    def predict(noisy: Tensor, timesteps: Tensor, texts: Tensor) -> Tensor:
        states, mask = reading.read(texts, device)
        return model["unet"](
            noisy, timesteps, encoder_hidden_states=states, encoder_attention_mask=mask
        ).sample

    trained = train_denoiser(
        model, predict, latents, reading, options, "tango", teacher=teacher, device=device
    )
    return trained["unet"]
