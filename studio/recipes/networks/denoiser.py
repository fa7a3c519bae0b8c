"""How the U-Nets that attend to text are trained: AudioLDM2's and TANGO's differ in what they read alone.

They begin from the pocket AudioLDM's convolutions and are told at first what it predicts: without the noise
of single examples they soon learn to ask their own conditioning for what the old one gave.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn

from studio.modules.patches.framewise import framewise
from studio.recipes.data.clips import latent_crops
from studio.recipes.networks.muon import Muon
from studio.recipes.networks.unet import (
    LEARNING_RATE,
    OUTER_LAYERS,
    SCHEDULER_CONFIG,
    TEXT_DROPOUT,
    channel_weight,
)
from studio.samplers.schedule import NoiseSchedule
from studio.training.loop import LoopOptions, TrainState, run
from studio.training.noising import clip_timesteps, fifo_ramps, noised
from studio.training.precision import mixed_precision

RAMP_EVERY = 4  # the rest of the steps see one timestep a clip
TAUGHT_UNTIL = 0.6  # of the steps: until then less and less of the target is the AudioLDM's prediction

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(noisy latents [B, 8, T, 16], timesteps [B] or [B, T], texts [B] as `Reading` counts them) → v."""


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
    def read(self, texts: Tensor, device: str) -> tuple[Tensor, Tensor]:
        """Texts [B] → T5's states [B, L, 128] and their mask [B, L]."""
        longest = int(self.mask[texts].sum(1).max())
        ids, mask = self.ids[texts, :longest].to(device), self.mask[texts, :longest].to(device)
        return self.t5(input_ids=ids, attention_mask=mask).last_hidden_state, mask


def known_value(theirs: Mapping[str, Tensor], name: str, wanted: Tensor) -> Tensor | None:
    """What an AudioLDM U-Net's parameter of that name gives one of `wanted`'s shape; nothing where it can't.

    Its time embedding stands before its text's in one vector: of what reads that vector, the first half.
    """
    value = theirs.get(name)
    if value is not None and "time_emb_proj.weight" in name and value.shape != wanted.shape:
        value = value[:, : wanted.shape[1]]
    return value if value is not None and value.shape == wanted.shape else None


def load_teacher(folder: Path, device: str) -> UNet2DConditionModel:
    """An AudioLDM U-Net, frozen."""
    return UNet2DConditionModel.from_pretrained(folder, dtype=torch.float32).to(device).eval()


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


def train_denoiser(
    model: nn.ModuleDict,
    predict: Predict,
    latents: NDArray[np.float16],
    reading: Reading,
    options: LoopOptions,
    label: str,
    *,
    teacher: Any = None,
    device: str = "cpu",
) -> nn.ModuleDict:
    """Train `model`, its `unet` and what else is learned, on scaled latents [clips, 8, frames, 16].

    Args:
        predict: the model's v-prediction, through `model`'s own modules.
        teacher: an AudioLDM U-Net that is frozen.

    Returns:
        The averaged model.
    """
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
        noisy, wanted, weight = (x.to(device) for x in noised(clean, timesteps, schedule, generator))
        timesteps = timesteps.to(device)
        share = teacher_share(number, options.steps) if teacher else 0.0
        if share:
            with torch.no_grad(), mixed_precision(device):
                vectors = reading.vectors[texts].to(device)
                told = teacher(noisy, timesteps, None, class_labels=vectors).sample
            wanted = wanted.lerp(told.float(), share)
        with mixed_precision(device):
            predicted = predict(noisy, timesteps, texts)
        loss = (weight * by_channel * (predicted.float() - wanted).square()).mean()
        loss = loss / weight.mean()
        model.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers.values():
            optimizer.step()
        return {"ramp" if ramp else "clip": loss.item()}

    with framewise(model["unet"]), framewise(teacher) if teacher else nullcontext():
        run(state, step, options, label)
    return cast(nn.ModuleDict, state.ema.eval())


def draw_crops(
    latents: NDArray[np.float16], of_clip: Tensor, crop: Crop, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Random crops [B, 8, frames, 16] and the index of a text of each [B], 0 where the text is dropped."""
    clean, clips, _ = latent_crops(latents, generator, crop.batch, crop.frames)
    which = torch.randint(of_clip.shape[1], (crop.batch,), generator=generator)
    texts = of_clip[clips, which].clone()
    texts[torch.rand(crop.batch, generator=generator) < TEXT_DROPOUT] = 0
    return clean, texts
