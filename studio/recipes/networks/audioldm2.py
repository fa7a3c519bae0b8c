"""Recipe 7: the pocket AudioLDM2, its U-Net begun from the pocket AudioLDM's convolutions.

GPT-2 and the projection before it learn with the U-Net: what GPT-2 is to say is whatever helps to denoise.
T5 and the caption tower stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AudioLDM2ProjectionModel, AudioLDM2UNet2DConditionModel, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import GPT2Config, GPT2Model

from studio.backends.systems.audioldm2 import generate
from studio.recipes.networks.denoiser import Reading, known_value, load_teacher, train_denoiser
from studio.recipes.text.clap_model import PROJECTION
from studio.training.loop import LoopOptions

GPT_WIDTH, STATES = 64, 8
TRANSFORMERS = 3  # after each ResNet block: one that sees itself, one for GPT-2's states, one for T5's
WIDTHS = (32, 64, 160)


def build_unet2() -> AudioLDM2UNet2DConditionModel:
    """The pocket architecture: the pocket AudioLDM's levels, attention at two of them (8 and 4 bands)."""
    return AudioLDM2UNet2DConditionModel(
        sample_size=64,
        in_channels=8,
        out_channels=8,
        layers_per_block=1,
        block_out_channels=WIDTHS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=((None, GPT_WIDTH, PROJECTION),) * 3,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_gpt2() -> GPT2Model:
    """The pocket architecture: two layers that read some thirty states and add eight."""
    config = GPT2Config(
        vocab_size=1,
        n_positions=128,
        n_embd=GPT_WIDTH,
        n_layer=2,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
        max_new_tokens=STATES,
    )
    return GPT2Model(config)


def begin_from(unet: AudioLDM2UNet2DConditionModel, audioldm: UNet2DConditionModel) -> list[str]:
    """Copy what an AudioLDM U-Net of the same widths knows; gives the names of what was copied.

    Its time embedding stands before its text's in one vector: of what reads that vector, the first half is
    taken. Its transformers see themselves twice, as the first of each three here does; the other two add
    nothing at first.
    """
    theirs, copied = audioldm.state_dict(), []
    for name, parameter in unet.state_dict().items():
        value = known_value(theirs, _their_name(name), parameter)
        if value is not None:
            parameter.copy_(value)
            copied.append(name)
        elif ".proj_out." in name and _transformer(name) % TRANSFORMERS:
            parameter.zero_()
    return copied


def _transformer(name: str) -> int:
    """Which of its block's transformers a parameter belongs to."""
    found = re.search(r"\.attentions\.(\d+)\.", name)
    return int(found[1]) if found else 0


def _their_name(name: str) -> str:
    """What an AudioLDM U-Net calls this parameter; nothing, for a transformer that it has not."""

    def place(found: re.Match[str]) -> str:
        index, kind = divmod(int(found[1]), TRANSFORMERS)
        return f".attentions.{'none' if kind else index}."

    return re.sub(r"\.attentions\.(\d+)\.", place, name)


def train_audioldm2(
    latents: NDArray[np.float16],
    reading: Reading,
    options: LoopOptions,
    init: Path | None = None,
    audioldm: Path | None = None,
    device: str = "cpu",
) -> nn.ModuleDict:
    """Train on scaled latents [clips, 8, frames, 16]; returns the averaged `unet`, `gpt2` and `projection`.

    Args:
        init: a shipped AudioLDM2 folder to go on from.
        audioldm: else a shipped AudioLDM's U-Net folder to begin from and to be taught by.
    """
    torch.manual_seed(options.seed)
    teacher = None
    if audioldm is not None and init is None:
        teacher = load_teacher(audioldm, device)
    model = (_load(init) if init else _begin(teacher)).to(device).train()

    def predict(noisy: Tensor, timesteps: Tensor, texts: Tensor) -> Tensor:
        states, mask = reading.read(texts, device)
        vectors = reading.vectors[texts].to(device)
        generated = generate(model["projection"], model["gpt2"], vectors, states, mask)
        return model["unet"](
            noisy,
            timesteps,
            encoder_hidden_states=generated,
            encoder_hidden_states_1=states,
            encoder_attention_mask_1=mask,
        ).sample

    return train_denoiser(
        model, predict, latents, reading, options, "audioldm2", teacher=teacher, device=device
    )


def _begin(audioldm: UNet2DConditionModel | None) -> nn.ModuleDict:
    unet = build_unet2()
    if audioldm is not None:
        begin_from(unet, audioldm)
    projection = AudioLDM2ProjectionModel(PROJECTION, PROJECTION, GPT_WIDTH)
    return nn.ModuleDict({"unet": unet, "gpt2": build_gpt2(), "projection": projection})


def _load(folder: Path) -> nn.ModuleDict:
    parts: Sequence[tuple[str, Any, str]] = (
        ("unet", AudioLDM2UNet2DConditionModel, "unet"),
        ("gpt2", GPT2Model, "language_model"),
        ("projection", AudioLDM2ProjectionModel, "projection_model"),
    )
    return nn.ModuleDict(
        {name: kind.from_pretrained(folder / place, dtype=torch.float32) for name, kind, place in parts}
    )
