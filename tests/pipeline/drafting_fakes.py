"""A drafter without weights: tokens that tell their prompt and seed, and sound that tells the tokens."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from studio.backends.acoustic.base import AcousticDraft, Sampling

AS_TRAINED = Sampling()
RATE, HOP, CODEBOOKS, CODES = 16000, 320, 4, 256


class FakeDrafter:
    """Keeps what it was asked."""

    def __init__(self, model_id: str = "fake", unconditional: NDArray[np.int16] | None = None) -> None:
        self.id = model_id
        self.unconditional = unconditional
        self.sample_rate, self.frame_rate, self.segment_s = RATE, RATE / HOP, 10.0
        self.asked: list[tuple[str, float, int, Sampling]] = []

    def draft(
        self,
        prompt: str,
        duration_s: float,
        *,
        seed: int,
        sampling: Sampling = AS_TRAINED,
        past: NDArray[np.int16] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> AcousticDraft:
        self.asked.append((prompt, duration_s, seed, sampling))
        length = round(duration_s * self.frame_rate)
        rng = np.random.default_rng([zlib.crc32(prompt.encode()), seed])
        tokens = rng.integers(0, CODES, (CODEBOOKS, length)).astype(np.int16)
        if past is not None:
            tokens[:, : past.shape[1]] = past
        for made in range(1, length + 1):
            if on_progress is not None:
                on_progress(made, length)
        return self.decode(tokens)

    def draft_many(
        self, prompts: Sequence[str], duration_s: float, *, seed: int, sampling: Sampling = AS_TRAINED
    ) -> NDArray[np.int16]:
        return np.stack(
            [self.draft(text, duration_s, seed=seed, sampling=sampling).tokens for text in prompts]
        )

    def decode(self, tokens: NDArray[np.int16]) -> AcousticDraft:
        latents = self.latents(tokens[None])
        return AcousticDraft(tokens, latents, np.repeat(latents[0].mean(1).numpy(), HOP))

    def latents(self, tokens: NDArray[np.int16]) -> torch.Tensor:
        values = torch.from_numpy(tokens.astype(np.float32) / CODES - 0.5)
        return values.transpose(1, 2).repeat(1, 1, 128 // CODEBOOKS)

    def encode(self, samples: NDArray[np.float32]) -> AcousticDraft:
        level = np.abs(samples[: len(samples) // HOP * HOP].reshape(-1, HOP)).mean(axis=1)
        tokens = np.clip(level * CODES, 0, CODES - 1).astype(np.int16)
        return self.decode(np.repeat(tokens[None], CODEBOOKS, axis=0))
