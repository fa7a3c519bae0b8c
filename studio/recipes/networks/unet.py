"""Recipe 4: the U-Net (AudioLDM's conditioning), half of its batches on ramps and bridges.

docs/papers.md, "The FIFO queue", says why; a bridge is what an edit asks for: sound between two pasts.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from studio.modules.patches.framewise import framewise
from studio.recipes.data.clips import latent_crops
from studio.recipes.data.mixing import LatentMixer
from studio.recipes.networks.muon import Muon
from studio.recipes.networks.vae import WHITENING
from studio.samplers.schedule import NoiseSchedule
from studio.training.loop import LoopOptions, TrainState, run
from studio.training.noising import bridge_timesteps, clip_timesteps, fifo_ramps, noised
from studio.training.precision import mixed_precision

TEXT_WIDTH = 128
CLIP_BATCH, CLIP_FRAMES = 16, 64
RAMP_BATCH, RAMP_FRAMES = 9, 112
BRIDGE_SHARE = 0.4  # of the batches on ramps: clean frames on either side instead
TEXT_DROPOUT = 0.1
MIX_SHARE = 0.4  # of single sounds: another is heard with them
TEXT_NOISE = 0.25  # of the vector's length: phrasings never trained on land beside those that were
LEARNING_RATE = 1e-3
OUTER_LAYERS = ("conv_in", "conv_out", "time_embedding", "class_embedding")

SCHEDULER_CONFIG = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}


def build_unet() -> UNet2DConditionModel:
    """The pocket architecture: AudioLDM's blocks at three levels, attention at the lowest only."""
    widths = (32, 64, 160)
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=8,
        out_channels=8,
        layers_per_block=1,
        block_out_channels=widths,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=list(widths),
        attention_head_dim=4,
        norm_num_groups=16,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=TEXT_WIDTH,
        class_embeddings_concat=True,
    )


def build_optimizers(unet: UNet2DConditionModel) -> dict[str, torch.optim.Optimizer]:
    """Muon for the matrices and kernels within, AdamW for vectors, embeddings, first and last layer."""
    matrices = {n: p for n, p in unet.named_parameters() if p.ndim > 1 and not n.startswith(OUTER_LAYERS)}
    others = [p for name, p in unet.named_parameters() if name not in matrices]
    return {
        "muon": Muon(matrices.values(), lr=LEARNING_RATE),
        "adam": torch.optim.AdamW(others, lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.01),
    }


def channel_weight(latents: NDArray[np.float16]) -> Tensor:
    """Weights [8, 1, 1] of the loss, mean 1: what is heard counts more than what is whitened up.

    The VAE's whitening leaves a channel the std sᵉ of its component's s, with e = 1 − 2·WHITENING; √s is the
    weight here, between the equal say of whitened channels and that of decoded log-mels.
    """
    stds = torch.from_numpy(latents[:: max(1, len(latents) // 200)].astype(np.float32)).std(dim=(0, 2, 3))
    weight = stds ** (0.5 / (1 - 2 * WHITENING))
    return (weight / weight.mean())[:, None, None]


def train_unet(
    latents: NDArray[np.float16],
    text_vectors: Tensor,
    empty_vector: Tensor,
    options: LoopOptions,
    init: Path | None = None,
    device: str = "cpu",
    mixer: LatentMixer | None = None,
) -> UNet2DConditionModel:
    """Train on scaled latents [clips, 8, frames, 16] and caption vectors [clips, captions, 128].

    Even steps see one timestep a clip, odd steps a ramp. `empty_vector` [128] stands in where the text is
    dropped; `mixer` makes scenes of some of the single ones. Returns the averaged model.
    """
    torch.manual_seed(options.seed)
    unet = UNet2DConditionModel.from_pretrained(init, dtype=torch.float32) if init else build_unet()
    unet.to(device).train()
    schedule = NoiseSchedule.from_config(SCHEDULER_CONFIG)
    optimizers = build_optimizers(unet)
    state = TrainState(unet, optimizers, ema_decay=0.993)
    by_channel = channel_weight(latents).to(device)

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        ramp = number % 2 == 1
        count, frames = (RAMP_BATCH, RAMP_FRAMES) if ramp else (CLIP_BATCH, CLIP_FRAMES)
        bridge = ramp and float(torch.rand((), generator=generator)) < BRIDGE_SHARE
        draw = bridge_timesteps if bridge else fifo_ramps
        clean, text = draw_batch(latents, text_vectors, empty_vector, count, frames, generator, mixer)
        timesteps = draw(count, frames, generator) if ramp else clip_timesteps(count, generator)
        noisy, wanted, weight = (x.to(device) for x in noised(clean, timesteps, schedule, generator))
        with mixed_precision(device):
            predicted = unet(noisy, timesteps.to(device), None, class_labels=text.to(device)).sample
        error = by_channel * (predicted.float() - wanted).square()
        loss = (weight * error).mean() / weight.mean()
        unet.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        for optimizer in optimizers.values():
            optimizer.step()
        return {"bridge" if bridge else "ramp" if ramp else "clip": 2 * loss.item()}

    with framewise(unet):
        run(state, step, options, "unet")
    return cast(UNet2DConditionModel, state.ema.eval())


def draw_batch(
    latents: NDArray[np.float16],
    text_vectors: Tensor,
    empty_vector: Tensor,
    count: int,
    frames: int,
    generator: torch.Generator,
    mixer: LatentMixer | None = None,
) -> tuple[Tensor, Tensor]:
    """Random crops [count, 8, frames, 16] with one caption's unit vector each [count, 128].

    The vectors are shaken a little, by up to `TEXT_NOISE`, and some are dropped for the empty one.
    """
    clean, clips, starts = latent_crops(latents, generator, count, frames)
    which = torch.randint(text_vectors.shape[1], (count,), generator=generator)
    text = text_vectors[clips, which]
    if mixer is not None:
        mixed = mixer.chosen(clips, MIX_SHARE, generator)
        if len(mixed):
            others, both = mixer.scenes(clips[mixed], starts[mixed], frames, generator)
            clean[mixed] = both
            text[mixed] = F.normalize(text[mixed] + text_vectors[others, which[mixed]], dim=-1)
    amount = TEXT_NOISE * torch.rand(count, 1, generator=generator)
    shaken = text + amount * F.normalize(torch.randn(text.shape, generator=generator), dim=-1)
    text = F.normalize(shaken, dim=-1)
    text[torch.rand(count, generator=generator) < TEXT_DROPOUT] = empty_vector
    return clean, text
