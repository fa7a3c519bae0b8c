"""Scenes made while training: two clips of one sound each, heard at once.

The corpus renders a few thousand scenes for some 380 pairs of families. What two sounds are together is known
without rendering it, and what they mean together is the sum of what they mean (`clap_head.clip_meanings`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PATCH = 4  # mel frames and bands to a latent frame and band
BEHIND_DB = 8.0  # how far the second sound may lie behind the first
FLOOR = 1e-5  # of the log-mel
FITTED = 16  # clips to read the encoder off
TOLERANCE = 0.02  # of the latents' spread


def mix_mels(front: Tensor, back: Tensor, back_db: Tensor) -> Tensor:
    """Log-mels [B, frames, 64] of two sounds at once, the second at `back_db` [B]: their powers add.

    So they do on average, the phases of two sounds having nothing to do with each other.
    """
    gain = back_db[:, None, None] * (np.log(10) / 20)
    return (0.5 * torch.logaddexp(2 * front, 2 * (back + gain))).clamp(min=float(np.log(FLOOR)))


@dataclass(frozen=True)
class Mixer:
    """Log-mels [clips, frames, 64], which of them are `single` sounds [n], and how they are encoded."""

    mels: NDArray[np.float16]
    single: Tensor
    weight: Tensor  # [16, 8]
    bias: Tensor  # [8]

    @classmethod
    def of(cls, mels: NDArray[np.float16], families: list[list[str]], vae: Any) -> Mixer:
        """Read off the affine map of 4 × 4 patches that the pocket VAE's solved encoder is.

        Raises:
            ValueError: this VAE's encoder is none, so that it would have to be run.
        """
        single = torch.tensor([i for i, heard in enumerate(families) if len(heard) == 1])
        mel = torch.from_numpy(mels[:FITTED, : 64 * PATCH].astype(np.float32))
        mel = mel + 0.1 * torch.randn(mel.shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            encoded = vae.encode(mel[:, None]).latent_dist.mean * vae.config.scaling_factor
        rows = encoded.permute(0, 2, 3, 1).flatten(0, 2)
        ones = torch.ones(len(rows), 1)
        known = torch.cat([_patches(mel).flatten(0, 2), ones], dim=1)
        solved = torch.linalg.lstsq(known, rows).solution.clone()
        if (known @ solved - rows).std() > TOLERANCE * rows.std():
            raise ValueError("The VAE's encoder is no affine map of patches: scenes can't be mixed for it.")
        return cls(mels, single, solved[:-1], solved[-1])

    def encode(self, mel: Tensor) -> Tensor:
        """Log-mels [B, frames, 64] → scaled latents [B, 8, frames/4, 16]."""
        return (_patches(mel) @ self.weight + self.bias).permute(0, 3, 1, 2)

    def crop(self, clips: Tensor, starts: Tensor, frames: int) -> Tensor:
        """Log-mels [B, 4·frames, 64] of crops that begin at latent frames `starts`."""
        pairs = zip(clips.tolist(), starts.tolist(), strict=True)
        cut = [self.mels[clip, PATCH * start : PATCH * (start + frames)] for clip, start in pairs]
        return torch.from_numpy(np.stack(cut).astype(np.float32))

    def behind(
        self, clips: Tensor, starts: Tensor, frames: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Another single sound behind each crop: which clips those are [B], and the latents of both."""
        count = len(clips)
        others = self.single[torch.randint(len(self.single), (count,), generator=generator)]
        latest = self.mels.shape[1] // PATCH - frames
        theirs = torch.randint(latest + 1, (count,), generator=generator)
        level = -BEHIND_DB * torch.rand(count, generator=generator)
        mixed = mix_mels(self.crop(clips, starts, frames), self.crop(others, theirs, frames), level)
        return others, self.encode(mixed)


def _patches(mel: Tensor) -> Tensor:
    """Log-mels [B, frames, 64] → [B, frames/4, 16, 16], each patch frame by frame."""
    return mel.unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH).flatten(3)
