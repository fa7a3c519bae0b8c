"""Recipe 12c: the U-Net that says words inside a scene, from the pocket AudioLDM's.

Where a published VoiceLDM looks for its place in all the words, this one is told it: content frame j belongs
to latent frame j, and each level's cross-attention reads the frames under its own token (`content_band`). At
the finest level attention is to content alone; attention to sound stays at the coarser ones, where it costs
little.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn

from studio.dsp.mel import LOG_FLOOR
from studio.modules.content_band import content_band
from studio.modules.patches.framewise import framewise
from studio.recipes.data.mixing import PatchEncoder, add_powers, level_db, louder
from studio.recipes.networks.denoiser import build_optimizers, known_value
from studio.recipes.networks.listener import UNTOLD, Listener
from studio.recipes.networks.unet import SCHEDULER_CONFIG, TEXT_WIDTH
from studio.recipes.networks.vae import PATCH
from studio.recipes.speech.dataset import Spoken
from studio.recipes.speech.descriptions import describe_speech
from studio.samplers.schedule import NoiseSchedule
from studio.training.loop import LoopOptions, TrainState, run
from studio.training.noising import clip_timesteps, fifo_ramps, noised
from studio.training.precision import mixed_precision

BAND = 0  # latent frames on each side of a token's own that it reads
CLIP_BATCH, CLIP_FRAMES = 16, 64
RAMP_BATCH, RAMP_FRAMES = 9, 112
DROPOUT = 0.1  # of the description, and of the words
ALONE_SHARE, SCENE_SHARE = 0.45, 0.15  # speech without a scene, and a scene without speech
BELOW_DB = (0.0, 20.0)  # how far a scene lies below the voice
PAUSE_FRAMES = 24  # at most, before, between and behind sentences
VOICE_WEIGHT, FAMILY_WEIGHT = 0.05, 0.01  # of what a listener misses in what is foreseen
TOWER_LENGTH = 43.0  # of the caption tower's vectors, which AudioLDM brings to 1

Read = Callable[[Sequence[str]], Tensor]
"""Texts → the caption tower's vectors [n, 128], as long as it gives them."""


def build_unet(width: int) -> UNet2DConditionModel:
    """The pocket AudioLDM's convolutions, with attention to content of `width` at every level."""
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=8,
        out_channels=8,
        layers_per_block=1,
        block_out_channels=(32, 64, 160),
        down_block_types=("CrossAttnDownBlock2D",) * 3,
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        only_cross_attention=[True, False, False],
        mid_block_only_cross_attention=False,
        cross_attention_dim=width,
        attention_head_dim=4,
        norm_num_groups=16,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=TEXT_WIDTH,
        class_embeddings_concat=True,
    )


@torch.no_grad()
def begin_from(unet: UNet2DConditionModel, theirs: Mapping[str, Tensor]) -> None:
    """Let the U-Net begin as an AudioLDM's, to which its new attention adds nothing yet."""
    state = unet.state_dict()
    for name, value in state.items():
        # AudioLDM's second attention is to its own latents: nothing of it is of use for content.
        known = None if ".attn2." in name or ".norm2." in name else known_value(theirs, name, value)
        if known is not None:
            value.copy_(known)
        elif name.endswith("proj_out.weight") or name.endswith("proj_out.bias"):
            value.zero_()
    state["class_embedding.weight"].div_(TOWER_LENGTH)
    for name, value in state.items():
        if ".attn2.to_out.0." in name:
            value.zero_()
    unet.load_state_dict(state)


@dataclass(frozen=True)
class Sentences:
    """Sentences with their content [T, D] each, and the content of silence [D]."""

    spoken: Sequence[Spoken]
    content: Sequence[NDArray[np.float16]]
    silence: NDArray[np.float32]

    def of_voice(self, voice: int) -> list[int]:
        """Which are of this voice."""
        return [i for i, one in enumerate(self.spoken) if one.voice == voice]


@dataclass(frozen=True)
class Scenes:
    """Log-mels [clips, frames, 64] of the corpus, and their captions."""

    mels: NDArray[np.float16]
    captions: Sequence[Sequence[str]]
    labels: Sequence[Sequence[str]]  # the families heard in each

    @cached_property
    def families(self) -> list[str]:
        """All that are heard, in order."""
        return sorted({family for heard in self.labels for family in heard})

    @cached_property
    def heard(self) -> Tensor:
        """Which of `families` is heard in each clip [clips, families]."""
        return torch.tensor([[float(family in heard) for family in self.families] for heard in self.labels])


class Composed(NamedTuple):
    """Examples: latents [B, 8, frames, 16], content [B, frames, D], descriptions, and what those name.

    `voices` [B] and `families` [B, F] are `UNTOLD` where nobody, or no scene, is named.
    """

    latents: Tensor
    content: Tensor
    texts: list[str]
    voices: Tensor
    families: Tensor


@dataclass
class Composer:
    """Makes examples: who speaks, what, when, and in which scene."""

    sentences: Sentences
    scenes: Scenes
    encoder: PatchEncoder

    def __post_init__(self) -> None:
        self._by_voice = [self.sentences.of_voice(voice) for voice in (0, 1)]

    def batch(self, count: int, frames: int, rng: random.Random) -> Composed:
        """So many examples of so many latent frames."""
        voices = torch.full((count,), UNTOLD)
        families = torch.full((count, len(self.scenes.families)), float(UNTOLD))
        silent = np.full((frames * PATCH, 64), LOG_FLOOR, np.float32)
        mels, contents, texts = [], [], []
        for row in range(count):
            kind = rng.random()
            spoken = kind >= SCENE_SHARE
            with_scene = kind < 1 - ALONE_SHARE
            voice = rng.randrange(2)
            said, content = self._speech(voice, frames, rng) if spoken else (silent, None)
            scene, caption = silent, None
            if with_scene:
                scene, caption, families[row] = self._scene(frames, rng)
            if spoken:
                told = describe_speech(rng, voice, caption)
                texts.append(told.text)
                voices[row] = UNTOLD if told.voice is None else voice
            else:
                texts.append(caption or "")
            mels.append(
                self._together(said, scene, rng) if spoken and with_scene else said if spoken else scene
            )
            silence = np.broadcast_to(self.sentences.silence, (frames, len(self.sentences.silence)))
            contents.append(silence if content is None else content)
        mel = torch.from_numpy(np.stack(mels))
        stacked = torch.from_numpy(np.stack(contents).astype(np.float32))
        return Composed(self.encoder.encode(mel), stacked, texts, voices, families)

    def examples(self, count: int, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents of a batch, and the voices and families that its descriptions name."""
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        made = self.batch(count, frames, rng)
        return made.latents, made.voices, made.families

    def _speech(
        self, voice: int, frames: int, rng: random.Random
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A window of somebody's reading on: log-mel [4 · frames, 64] and content [frames, D]."""
        pool = self._by_voice[voice]
        mels, contents = [], []
        length, wanted = 0, 2 * frames
        while length < wanted:
            pause = rng.randrange(PAUSE_FRAMES)
            mels.append(np.full((pause * PATCH, 64), LOG_FLOOR, np.float32))
            contents.append(np.broadcast_to(self.sentences.silence, (pause, len(self.sentences.silence))))
            which = pool[rng.randrange(len(pool))]
            content = self.sentences.content[which]
            mels.append(self.sentences.spoken[which].mel[: len(content) * PATCH].astype(np.float32))
            contents.append(content.astype(np.float32))
            length += pause + len(content)
        start = rng.randrange(length - frames + 1)
        stop = start + frames
        return np.concatenate(mels)[start * PATCH : stop * PATCH], np.concatenate(contents)[start:stop]

    def _scene(self, frames: int, rng: random.Random) -> tuple[NDArray[np.float32], str, Tensor]:
        which = rng.randrange(len(self.scenes.mels))
        start = rng.randrange(self.scenes.mels.shape[1] - frames * PATCH + 1)
        cut = self.scenes.mels[which, start : start + frames * PATCH].astype(np.float32)
        return cut, rng.choice(self.scenes.captions[which]), self.scenes.heard[which]

    def _together(
        self, said: NDArray[np.float32], scene: NDArray[np.float32], rng: random.Random
    ) -> NDArray[np.float32]:
        """Both at once, the scene so far below the voice."""
        first, second = torch.from_numpy(said)[None], torch.from_numpy(scene)[None]
        below = rng.uniform(*BELOW_DB)
        gain = level_db(first).clamp(min=-20.0) - level_db(second).clamp(min=-40.0) - below
        return add_powers(first, louder(second, gain))[0].numpy()


def train_voiceldm(
    composer: Composer,
    read: Read,
    options: LoopOptions,
    init: Mapping[str, Tensor],
    weight: Tensor,
    listener: Listener,
    device: str = "cpu",
) -> UNet2DConditionModel:
    """Train on what `composer` makes, from an AudioLDM U-Net's state `init`; gives the averaged U-Net.

    Even steps see one timestep a clip, odd steps a ramp; `weight` [8, 1, 1] is each latent channel's. What is
    foreseen of a clean sound must sound to `listener` as its description says.
    """
    torch.manual_seed(options.seed)
    silence = torch.from_numpy(composer.sentences.silence)
    unet = build_unet(len(silence))
    begin_from(unet, init)
    unet.to(device).train()
    schedule = NoiseSchedule.from_config(SCHEDULER_CONFIG)
    optimizers = build_optimizers(nn.ModuleDict({"unet": unet}))
    state = TrainState(unet, optimizers, ema_decay=0.993)
    empty = read([""])[0]
    by_channel = weight.to(device)

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        ramp = number % 2 == 1
        count, frames = (RAMP_BATCH, RAMP_FRAMES) if ramp else (CLIP_BATCH, CLIP_FRAMES)
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        clean, content, texts, voices, families = composer.batch(count, frames, rng)
        described = read(texts).clone()
        dropped = torch.rand(count, generator=generator) < DROPOUT
        described[dropped], voices[dropped], families[dropped] = empty, UNTOLD, UNTOLD
        content[torch.rand(count, generator=generator) < DROPOUT] = silence
        timesteps = fifo_ramps(count, frames, generator) if ramp else clip_timesteps(count, generator)
        noisy, wanted, snr = (x.to(device) for x in noised(clean, timesteps, schedule, generator))
        with mixed_precision(device):
            predicted = unet(
                noisy, timesteps.to(device), content.to(device), class_labels=described.to(device)
            ).sample
        loss = (snr * by_channel * (predicted.float() - wanted).square()).mean() / snr.mean()
        level = schedule.alpha_bar(timesteps).float().to(device)
        level = level[:, None, :, None] if ramp else level[:, None, None, None]
        foreseen = foreseen_sound(noisy, predicted.float(), level)
        of_voice, of_family = listener.losses(foreseen, voices.to(device), families.to(device))
        unet.zero_grad(set_to_none=True)
        (loss + VOICE_WEIGHT * of_voice + FAMILY_WEIGHT * of_family).backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        for optimizer in optimizers.values():
            optimizer.step()
        return {
            "ramp" if ramp else "clip": 2 * loss.item(),
            "voice": of_voice.item(),
            "family": of_family.item(),
        }

    with framewise(unet), content_band(unet, BAND):
        run(state, step, options, "voiceldm")
    return cast(UNet2DConditionModel, state.ema.eval())


def foreseen_sound(noisy: Tensor, velocity: Tensor, alpha_bar: Tensor) -> Tensor:
    """Clean latents [B, 8, T, 16] as v foresees them, where a gradient counts by how much had to be foreseen.

    What is nearly clean sounds right by itself.
    """
    clean = alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt() * velocity
    share = (1 - alpha_bar).sqrt()
    return share * clean + (1 - share) * clean.detach()


def load_init(folder: Path) -> dict[str, Any]:
    """The state of an AudioLDM U-Net in `folder`."""
    return UNet2DConditionModel.from_pretrained(folder, dtype=torch.float32).state_dict()
