"""Recipe 12a: letters to content frames, before any diffusion sees them.

The encoder and the durator are told how long each letter is said, and learn from the voices what is heard at
each frame: which phone, and the latents themselves, by heads that are thrown away (as FastSpeech's decoder
learns). Content frames carry the sounds of speech then, and the U-Net has only to look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SpeechT5Config

from studio.modules.durator import Durator
from studio.modules.speech_encoder import SpeechEncoder
from studio.recipes.data.mixing import PatchEncoder
from studio.recipes.speech.dataset import VOICES, Batch, SpeechSet, Spoken, collate
from studio.recipes.speech.tokenizer import PAD, TOKENS
from studio.training.loop import LoopOptions, TrainState, run
from studio.training.precision import mixed_precision

WIDTH, LAYERS, HEADS, INNER, DROPOUT = 160, 4, 4, 640, 0.1
LATENT_VALUES = 128  # 8 channels of 16 bands
BATCH = 24
LEARNING_RATE = 1e-3
DURATION_WEIGHT, PHONE_WEIGHT = 0.3, 0.3
# Learnt in logarithms, durations come out short on average: 0.89 of the woman's, all of the man's.
UNHURRIED = 1.07


def speech_config() -> SpeechT5Config:
    """SpeechT5's config, small."""
    return SpeechT5Config(
        vocab_size=len(TOKENS), hidden_size=WIDTH, encoder_layers=LAYERS, encoder_attention_heads=HEADS,
        encoder_ffn_dim=INNER, encoder_layerdrop=0.0, positional_dropout=DROPOUT, hidden_dropout=DROPOUT,
        attention_dropout=DROPOUT, activation_dropout=DROPOUT, max_text_positions=1000, pad_token_id=PAD,
    )  # fmt: skip


class Content(nn.Module):
    """What reads a text, and lays it out along the latents' frames."""

    def __init__(self) -> None:
        super().__init__()
        self.text_encoder = SpeechEncoder(speech_config())
        self.durator = Durator(WIDTH, DROPOUT)
        begin_aligned(self.durator)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Content frames [B, T, D] by the batch's own durations, and logarithms of those predicted [B, K]."""
        states = self.text_encoder(batch.ids, batch.mask)
        counts = batch.mask.to(states.dtype)
        logs = self.durator.dp(states.detach().transpose(1, 2), counts[:, None])[:, 0]
        return self.durator(states, batch.mask, batch.durations)[0], logs


@torch.no_grad()
def stretch(durator: Durator, factor: float) -> None:
    """Let every letter of a trained durator last so many times as long."""
    bias = durator.dp.proj.bias
    assert bias is not None
    bias.add_(math.log(factor))


@torch.no_grad()
def begin_aligned(durator: Durator) -> None:
    """Let each frame begin by looking at the token whose time it is in; the maps learn from there.

    Their perceptron is given S, how long ago the token began, and E, how soon it ends; both are positive
    within it. Two of its units see how far outside a frame is, and every map begins as the less the farther.
    """
    layers = durator.learnable_upsampler.swish_w.layer
    first, second, last = (cast(nn.Linear, layers[i]) for i in (0, 2, 4))
    first.weight[0], first.weight[1] = 0.0, 0.0
    first.weight[0, 0] = first.weight[1, 1] = -2.0
    first.bias[:2] = 0.0
    second.weight[0] = 0.0
    second.weight[0, :2] = 1.0
    second.bias[0] = 0.0
    last.weight[:, 0] = -2.0


class Heads(nn.Module):
    """Thrown away after training: phones of the frames, and their latents in the voice that is asked for."""

    def __init__(self, phones: int, voices: int, width: int = 256) -> None:
        super().__init__()
        self.phones = nn.Linear(WIDTH, phones)
        self.voices = nn.Embedding(voices, width)
        self.first = nn.Conv1d(WIDTH, width, 5, padding=2)
        self.second = nn.Conv1d(width, width, 5, padding=2)
        self.last = nn.Conv1d(width, LATENT_VALUES, 1)

    def latents(self, frames: Tensor, voices: Tensor) -> Tensor:
        """Content [B, T, D] → latents [B, 8, T, 16]."""
        hidden = F.gelu(self.first(frames.transpose(1, 2)) + self.voices(voices)[:, :, None])
        hidden = hidden + F.gelu(self.second(hidden) + self.voices(voices)[:, :, None])
        return self.last(hidden).unflatten(1, (8, 16)).transpose(2, 3)


def duration_loss(logs: Tensor, batch: Batch) -> Tensor:
    """Squared error of log durations, over the tokens."""
    wanted = batch.durations.clamp(min=1.0, max=33.0).log()
    return ((logs.float() - wanted).square() * batch.mask).sum() / batch.mask.sum()


def others_phones(speech: SpeechSet) -> Tensor:
    """Which phones are never a voice's own, bool [voices, phones].

    They are left out when its phones are told: each voice writes its own, so content frames would be paid for
    saying who speaks, by the lengths that are its alone, and the U-Net would read that there, not in the
    description.
    """
    others = torch.ones(len(VOICES), speech.phones, dtype=torch.bool)
    for one in speech.spoken:
        others[one.voice, torch.from_numpy(one.phones)] = False
    return others


def latents_of(spoken: Sequence[Spoken], encoder: PatchEncoder) -> Tensor:
    """Scaled latents [B, 8, T, 16] of sentences, 0 behind their ends."""
    padded = torch.zeros(len(spoken), 8, max(one.frames for one in spoken), 16)
    for row, one in enumerate(spoken):
        mel = torch.from_numpy(one.mel.astype(np.float32))[None]
        padded[row, :, : one.frames] = encoder.encode(mel)[0]
    return padded


def train_content(
    speech: SpeechSet, encoder: PatchEncoder, weight: Tensor, options: LoopOptions, device: str = "cpu"
) -> tuple[Content, Heads]:
    """Train on aligned sentences; `weight` [8, 1, 1] is each latent channel's. Returns averaged networks."""
    torch.manual_seed(options.seed)
    model = (
        nn.ModuleDict({"content": Content(), "heads": Heads(speech.phones, len(VOICES))}).to(device).train()
    )
    content, heads = cast(Content, model["content"]), cast(Heads, model["heads"])
    adam = torch.optim.AdamW(model.parameters(), LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    state = TrainState(model, {"adam": adam}, ema_decay=0.995)
    by_voice = [speech.of_voice(voice) for voice in range(len(VOICES))]
    others = others_phones(speech).to(device)

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))  # dropout's
        chosen = [speech.spoken[i] for i in draw_sentences(by_voice, BATCH, generator)]
        batch, wanted = collate(chosen), latents_of(chosen, encoder).to(device)
        with mixed_precision(device):
            frames, logs = content(batch)
            predicted, phones = heads.latents(frames, batch.voices), heads.phones(frames)
        inside = (batch.phones >= 0)[:, None, :, None]
        error = weight.to(device) * (predicted.float() - wanted).abs() * inside
        latent = error.sum() / (inside.sum() * LATENT_VALUES)
        logits = phones.float().masked_fill(others[batch.voices][:, None], -math.inf)
        phone = F.cross_entropy(logits.flatten(0, 1), batch.phones.flatten(), ignore_index=-1)
        duration = duration_loss(logs, batch)
        loss = latent + PHONE_WEIGHT * phone + DURATION_WEIGHT * duration
        adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        return {"latent": latent.item(), "phone": phone.item(), "duration": duration.item()}

    run(state, step, options, "content")
    ema = cast(nn.ModuleDict, state.ema.eval())
    return cast(Content, ema["content"]), cast(Heads, ema["heads"])


def draw_sentences(by_voice: Sequence[Sequence[int]], count: int, generator: torch.Generator) -> list[int]:
    """Sentences by number, as many of each voice."""
    chances = torch.rand(count, generator=generator).tolist()
    filled = [pool for pool in by_voice if pool]
    pools = [filled[i % len(filled)] for i in range(count)]
    return [pool[int(chance * len(pool))] for pool, chance in zip(pools, chances, strict=True)]
