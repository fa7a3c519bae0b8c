"""Recipe 7: the pocket AudioLDM2, its U-Net begun from the pocket AudioLDM's convolutions.

GPT-2 and the projection before it learn with the U-Net: what GPT-2 is to say is whatever helps to denoise.
T5 and the caption tower stay as they are. At first the U-Net is told what the pocket AudioLDM predicts:
without the noise of single examples it soon learns to ask its new conditioning for what the old one gave.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from diffusers import AudioLDM2ProjectionModel, AudioLDM2UNet2DConditionModel, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import GPT2Config, GPT2Model

from studio.backends.audioldm2 import generate
from studio.models.framewise import framewise
from studio.samplers.ddim import add_noise
from studio.samplers.schedule import NoiseSchedule
from studio.training.clap import PROJECTION
from studio.training.loop import LoopOptions, TrainState, run
from studio.training.muon import Muon
from studio.training.unet import (
    SCHEDULER_CONFIG,
    TEXT_DROPOUT,
    channel_weight,
    clip_timesteps,
    fifo_ramps,
    min_snr_weight,
    velocity,
)

GPT_WIDTH, STATES = 64, 8
TRANSFORMERS = 3  # after each ResNet block: one that sees itself, one for GPT-2's states, one for T5's
WIDTHS = (32, 64, 160)
RAMP_EVERY = 4  # the rest of the steps see one timestep a clip
LEARNING_RATE = 1e-3
OUTER_LAYERS = ("conv_in", "conv_out", "time_embedding")
TAUGHT_UNTIL = 0.6  # of the steps: until then less and less of the target is the AudioLDM's prediction


class Crop(NamedTuple):
    """So many clips of so many frames a step."""

    batch: int
    frames: int


SHORT, MIDDLE, LONG, RAMP = Crop(16, 64), Crop(8, 128), Crop(4, 248), Crop(8, 112)
LONG_FROM = 0.85  # of the steps: then whole clips of 10 s


@dataclass(frozen=True)
class Reading:
    """What the frozen towers make of the captions: text 0 is the empty one.

    `vectors` [1 + texts, 128] are the caption tower's; T5 reads `ids` and `mask` [1 + texts, L] at each step.
    `of_clip` [clips, captions] are the indices of each clip's texts.
    """

    t5: Any
    ids: Tensor
    mask: Tensor
    vectors: Tensor
    of_clip: Tensor

    @torch.no_grad()
    def read(self, texts: Tensor, device: str) -> tuple[Tensor, Tensor, Tensor]:
        """Texts [B] → vectors [B, 128], T5's states [B, L, 128] and their mask [B, L]."""
        longest = int(self.mask[texts].sum(1).max())
        ids, mask = self.ids[texts, :longest].to(device), self.mask[texts, :longest].to(device)
        states = self.t5(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.vectors[texts].to(device), states, mask


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
        value = theirs.get(_their_name(name))
        if value is not None and "time_emb_proj.weight" in name and value.shape != parameter.shape:
            value = value[:, : parameter.shape[1]]
        if value is not None and value.shape == parameter.shape:
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


def build_optimizers(model: nn.ModuleDict) -> dict[str, torch.optim.Optimizer]:
    """Muon for the U-Net's matrices and kernels within, AdamW for all else."""
    matrices = {
        name: parameter
        for name, parameter in model["unet"].named_parameters()
        if parameter.ndim > 1 and not name.startswith(OUTER_LAYERS)
    }
    inner = {id(parameter) for parameter in matrices.values()}
    others = [parameter for parameter in model.parameters() if id(parameter) not in inner]
    return {
        "muon": Muon(matrices.values(), lr=LEARNING_RATE),
        "adam": torch.optim.AdamW(others, lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.01),
    }


def teacher_share(number: int, steps: int) -> float:
    """How much of the target is the AudioLDM's prediction at step `number`: half a cosine from 1 to 0."""
    progress = min(1.0, number / (TAUGHT_UNTIL * steps))
    return 0.5 * (1 + math.cos(math.pi * progress))


def crop_of(number: int, steps: int) -> Crop:
    """What step `number` sees."""
    if number % RAMP_EVERY == RAMP_EVERY - 1:
        return RAMP
    if number >= LONG_FROM * steps:
        return LONG
    return MIDDLE if number % RAMP_EVERY == 1 else SHORT


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
        teacher = UNet2DConditionModel.from_pretrained(audioldm, torch_dtype=torch.float32).to(device).eval()
    model = _load(init) if init else _begin(teacher)
    model.to(device).train()
    reading.t5.to(device).eval()
    schedule = NoiseSchedule.from_config(SCHEDULER_CONFIG)
    optimizers = build_optimizers(model)
    state = TrainState(model, optimizers, ema_decay=0.993)
    by_channel = channel_weight(latents).to(device)

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        crop = crop_of(number, options.steps)
        ramp = crop is RAMP
        clean, texts = draw_crops(latents, reading.of_clip, crop, generator)
        timesteps = (
            fifo_ramps(crop.batch, crop.frames, generator) if ramp else clip_timesteps(crop.batch, generator)
        )
        noise = torch.randn(clean.shape, generator=generator)
        alpha_bar = schedule.alpha_bar(timesteps).float()
        level = alpha_bar[:, None, :, None] if ramp else alpha_bar[:, None, None, None]
        noisy = add_noise(clean, noise, alpha_bar)
        wanted, weight = velocity(clean, noise, level).to(device), min_snr_weight(level).to(device)
        vectors, states, mask = reading.read(texts, device)
        generated = generate(model["projection"], model["gpt2"], vectors, states, mask)
        share = teacher_share(number, options.steps) if teacher else 0.0
        if teacher and share > 0:
            with torch.no_grad():
                taught = teacher(noisy.to(device), timesteps.to(device), None, class_labels=vectors).sample
            wanted = wanted.lerp(taught, share)
        predicted = model["unet"](
            noisy.to(device),
            timesteps.to(device),
            encoder_hidden_states=generated,
            encoder_hidden_states_1=states,
            encoder_attention_mask_1=mask,
        ).sample
        loss = (weight * by_channel * (predicted - wanted).square()).mean() / weight.mean()
        model.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers.values():
            optimizer.step()
        return {"ramp" if ramp else "clip": loss.item()}

    with framewise(model["unet"]), framewise(teacher) if teacher else nullcontext():
        run(state, step, options, "audioldm2")
    return cast(nn.ModuleDict, state.ema.eval())


def draw_crops(
    latents: NDArray[np.float16], of_clip: Tensor, crop: Crop, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Random crops [B, 8, frames, 16] and the index of a text of each [B], 0 where the text is dropped."""
    clips = torch.randint(len(latents), (crop.batch,), generator=generator)
    starts = torch.randint(latents.shape[2] - crop.frames + 1, (crop.batch,), generator=generator)
    cut = np.stack(
        [latents[c, :, s : s + crop.frames] for c, s in zip(clips.tolist(), starts.tolist(), strict=True)]
    )
    which = torch.randint(of_clip.shape[1], (crop.batch,), generator=generator)
    texts = of_clip[clips, which].clone()
    texts[torch.rand(crop.batch, generator=generator) < TEXT_DROPOUT] = 0
    return torch.from_numpy(cut.astype(np.float32)), texts


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
