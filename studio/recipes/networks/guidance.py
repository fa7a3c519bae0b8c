"""Recipe 4b: guidance folded into the U-Net, which is then asked once a step and not twice.

Meng et al. 2023, "On Distillation of Guided Diffusion Models", stage 1, eq. 4: the U-Net is told the scale
beside the timestep, and learns what it says itself of the prompt and of the empty text, put together at that
scale. At scale 1 it is asked for the prompt alone, as it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn

from studio.backends.latent import FOLDED_SCALES
from studio.modules.guidance_scale import scale_embedding
from studio.modules.patches.framewise import framewise
from studio.recipes.data.mixing import LatentMixer, Mixer
from studio.recipes.networks.unet import (
    BRIDGE_SHARE,
    CLIP_BATCH,
    CLIP_FRAMES,
    RAMP_BATCH,
    RAMP_FRAMES,
    SCHEDULER_CONFIG,
    build_optimizers,
    channel_weight,
    draw_batch,
)
from studio.samplers.schedule import NoiseSchedule
from studio.training.loop import LoopOptions, TrainState, run, step_generator
from studio.training.noising import bridge_timesteps, clip_timesteps, fifo_ramps, noised
from studio.training.precision import mixed_precision

SCALE_WIDTH = 64
LEAST_SCALE, MOST_SCALE = 1.0, 8.0  # the least is the prompt alone
PLAIN_SHARE = 0.25  # of the examples: at the least scale
LEARNING_RATE = 3e-4
HELD_OUT = 64  # clips that no step sees
CHECK_EVERY = 500  # steps
CHECKED_SCALES = (1.0, 2.0, 4.0, 6.0, 8.0)


@dataclass(frozen=True)
class Shown:
    """What a U-Net is asked: noisy latents [B, 8, T, 16] at timesteps [B] or [B, T], of text [B, 128]."""

    noisy: Tensor
    timesteps: Tensor
    text: Tensor

    def rows(self, which: Tensor) -> Shown:
        """The items of these indices [n]."""
        return Shown(self.noisy[which], self.timesteps[which], self.text[which])

    def to(self, device: str) -> Shown:
        """The same on a device."""
        return Shown(*(value.to(device) for value in (self.noisy, self.timesteps, self.text)))


@dataclass(frozen=True)
class Examples:
    """Where batches come from, as the U-Net's own (`unet.train_unet`): clips, FIFO's ramps, and bridges."""

    latents: NDArray[np.float16]
    text_vectors: Tensor
    empty_vector: Tensor
    mixer: LatentMixer | None = None

    def parted(self, held_out: int) -> tuple[Examples, Examples]:
        """All clips but the last, at most a quarter of all, and those, which are mixed with none."""
        first = len(self.latents) - min(held_out, len(self.latents) // 4)
        mixer = self.mixer
        if mixer is not None:
            known = Mixer(mixer.mixer.mels[:first], mixer.mixer.families[:first])
            mixer = LatentMixer(known, mixer.encoder)
        return (
            Examples(self.latents[:first], self.text_vectors[:first], self.empty_vector, mixer),
            Examples(self.latents[first:], self.text_vectors[first:], self.empty_vector),
        )

    def draw(self, number: int, generator: torch.Generator) -> tuple[Shown, Tensor, str]:
        """A step's batch, the loss's weight, which broadcasts, and its kind."""
        ramp = number % 2 == 1
        count, frames = (RAMP_BATCH, RAMP_FRAMES) if ramp else (CLIP_BATCH, CLIP_FRAMES)
        bridge = ramp and float(torch.rand((), generator=generator)) < BRIDGE_SHARE
        draw = bridge_timesteps if bridge else fifo_ramps
        told = self.text_vectors, self.empty_vector
        clean, text = draw_batch(self.latents, *told, count, frames, generator, self.mixer)
        timesteps = draw(count, frames, generator) if ramp else clip_timesteps(count, generator)
        noisy, _, weight = noised(clean, timesteps, NoiseSchedule.from_config(SCHEDULER_CONFIG), generator)
        return Shown(noisy, timesteps, text), weight, "bridge" if bridge else "ramp" if ramp else "clip"


def with_scale(teacher: UNet2DConditionModel) -> UNet2DConditionModel:
    """A copy of the teacher that takes a scale, of which it makes nothing yet."""
    config = {name: value for name, value in teacher.config.items() if not name.startswith("_")}
    student = UNet2DConditionModel(**config | {"time_cond_proj_dim": SCALE_WIDTH})
    student.register_to_config(**{FOLDED_SCALES: [LEAST_SCALE, MOST_SCALE]})
    nn.init.zeros_(student.time_embedding.cond_proj.weight)
    student.load_state_dict(student.state_dict() | teacher.state_dict())
    return student


def draw_scales(count: int, generator: torch.Generator) -> Tensor:
    """A scale for each of so many examples [count]."""
    scales = LEAST_SCALE + (MOST_SCALE - LEAST_SCALE) * torch.rand(count, generator=generator)
    return torch.where(torch.rand(count, generator=generator) < PLAIN_SHARE, LEAST_SCALE, scales)


def predicted(unet: nn.Module, shown: Shown, scales: Tensor | None = None) -> Tensor:
    """v [B, 8, T, 16], float32; of a U-Net that takes them, at scales [B]."""
    told = None if scales is None else scale_embedding(scales, SCALE_WIDTH)
    with mixed_precision(shown.noisy.device.type):
        given = unet(shown.noisy, shown.timesteps, None, class_labels=shown.text, timestep_cond=told)
    return cast(Tensor, given.sample.float())


@torch.no_grad()
def guided_prediction(
    teacher: UNet2DConditionModel, shown: Shown, empty_vector: Tensor, scales: Tensor
) -> Tensor:
    """v [B, 8, T, 16], float32, away from the empty text by each example's scale [B]."""
    with_text = predicted(teacher, shown)
    asked = ((scales != 1) & (shown.text != empty_vector).any(dim=1)).nonzero()[:, 0]
    if len(asked) == 0:
        return with_text
    some = shown.rows(asked)
    without = predicted(teacher, Shown(some.noisy, some.timesteps, empty_vector.expand_as(some.text)))
    further = (scales[asked] - 1)[:, None, None, None] * (with_text[asked] - without)
    return with_text.index_add(0, asked, further)


class HeldOut:
    """Batches that no step sees, and what the teacher says of them at some scales."""

    def __init__(self, teacher: UNet2DConditionModel, examples: Examples, seed: int) -> None:
        drawn = [examples.draw(number, step_generator(seed, -1 - number))[0] for number in range(4)]
        device = str(teacher.device)
        self._shown = [shown.to(device) for shown in drawn]
        empty = examples.empty_vector.to(device)
        self._told = {
            scale: [guided_prediction(teacher, shown, empty, scale_of(scale, shown)) for shown in self._shown]
            for scale in CHECKED_SCALES
        }

    @torch.no_grad()
    def errors(self, student: nn.Module) -> dict[str, float]:
        """By scale: how far the student is from the guided teacher, as a share of what guidance moves; at
        scale 1, where it moves nothing, as a share of the prediction itself.
        """
        errors = {}
        for scale, told in self._told.items():
            given = [predicted(student, shown, scale_of(scale, shown)) for shown in self._shown]
            rest = [torch.zeros_like(v) for v in told] if scale == 1 else self._told[1.0]
            missed = sum(float((a - b).square().sum()) for a, b in zip(given, told, strict=True))
            moved = sum(float((a - b).square().sum()) for a, b in zip(told, rest, strict=True))
            errors[f"held out {scale:g}"] = (missed / max(moved, 1e-12)) ** 0.5
        return errors


def scale_of(scale: float, shown: Shown) -> Tensor:
    """The same scale for each item [B]."""
    return torch.full((len(shown.noisy),), scale, device=shown.noisy.device)


def fold_guidance(
    teacher: UNet2DConditionModel,
    seen: Examples,
    unseen: Examples,
    options: LoopOptions,
    device: str = "cpu",
) -> UNet2DConditionModel:
    """Train a copy of the teacher to say at once what it says under guidance; returns the averaged one.

    Every `CHECK_EVERY` steps the log has what `HeldOut.errors` finds in the averaged one, on `unseen`.
    """
    torch.manual_seed(options.seed)
    student = with_scale(teacher).to(device).train()
    teacher = teacher.to(device).eval().requires_grad_(False)
    state = TrainState(student, _slower(build_optimizers(student)), ema_decay=0.995)
    by_channel, empty = channel_weight(seen.latents).to(device), seen.empty_vector.to(device)

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        drawn, weight, kind = seen.draw(number, generator)
        shown, weight = drawn.to(device), weight.to(device)
        scales = draw_scales(len(shown.noisy), generator).to(device)
        told = guided_prediction(teacher, shown, empty, scales)
        error = by_channel * (predicted(student, shown, scales) - told).square()
        # What is guided further lies further away, and would count for more.
        loss = (weight * error / scales[:, None, None, None]).mean() / weight.mean()
        student.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        for optimizer in state.optimizers.values():
            optimizer.step()
        return {kind: loss.item()} | (held_out.errors(state.ema) if number % CHECK_EVERY == 0 else {})

    with _framewise(teacher, student, state.ema):
        held_out = HeldOut(teacher, unseen, options.seed)
        run(state, step, options, "guidance")
    return cast(UNet2DConditionModel, state.ema.eval())


def _slower(optimizers: dict[str, torch.optim.Optimizer]) -> dict[str, torch.optim.Optimizer]:
    """The U-Net's own optimizers, for one that knows most already."""
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE
    return optimizers


@contextmanager
def _framewise(*unets: nn.Module) -> Iterator[None]:
    with ExitStack() as patched:
        for unet in unets:
            patched.enter_context(framewise(unet))
        yield
