"""A model that speaks without weights: every sentence is heard, and where it lies."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from studio.backends.base import Conditioning, Tokens
from studio.backends.capabilities import Capabilities
from studio.testing import FakeBackend

WIDTH = 4
FRAMES_A_LETTER = 2


class FakeSpeaker(FakeBackend):
    """Each letter shifts what it predicts: with a band at its own frames, else at all of them alike."""

    def __init__(self, content_band: int | None = 8) -> None:
        super().__init__()
        self.capabilities = Capabilities(text="pooled", speaks=True)
        self.content_band = content_band
        self.forwards: list[int] = []  # items of each

    @property
    def silence(self) -> Tensor:
        return torch.full((WIDTH,), 0.5)

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        pooled = super().encode_text(prompts).pooled
        silent = self.silence.expand(len(prompts), 1, -1)
        return Conditioning(pooled=pooled, text=(Tokens(silent),))

    def speech_frames(self, text: str) -> Tensor:
        letters = [
            torch.randn(WIDTH, generator=torch.Generator().manual_seed(zlib.crc32(letter.encode())))
            for letter in text
        ]
        return torch.stack(letters).repeat_interleave(FRAMES_A_LETTER, dim=0)

    def encode_speech(self, texts: Sequence[str]) -> Tokens:
        said = [self.speech_frames(text) if text else self.silence[None] for text in texts]
        longest = max(map(len, said))
        padded = [torch.cat([one, self.silence.expand(longest - len(one), -1)]) for one in said]
        return Tokens(torch.stack(padded))

    def predict_noise(
        self, latents: Tensor, timesteps: Tensor, start_frame: int, conditioning: Conditioning
    ) -> Tensor:
        self.forwards.append(len(latents))
        content = conditioning.text[0].states.expand(len(latents), -1, -1) - self.silence
        frames = latents.shape[2]
        if self.content_band is None:
            content = content.mean(dim=1, keepdim=True)
        assert content.shape[1] in (1, frames), "of a frame each, or the same at all"
        shift = functional.pad(content, (0, self.geometry.bands - WIDTH))[:, None]
        return super().predict_noise(latents, timesteps, start_frame, conditioning) + 0.1 * shift.to(latents)
