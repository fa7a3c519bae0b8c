"""A model without weights, for tests, whose sound tells everything that a sampler or a service did to it.

`backends.systems.tone` makes the same sine of whatever latents it is given; this one makes none of two takes
sound alike that differ in their prompt, seed, place or anything between.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from studio.backends.base import Conditioning, Geometry
from studio.backends.capabilities import Capabilities
from studio.backends.decode import BlockDecoder, BlockPlan, decode_whole
from studio.core.audio import Bandwidth
from studio.dsp.mel import log_mel
from studio.samplers.schedule import NoiseSchedule
from studio.testing.sound import COLUMN_CONTEXT, LappedSound

SPREAD = 0.9  # deviation of its clean latents around their mean
SWING = 0.3  # of the mean along the frames; guidance makes it larger
LEAN = 0.2  # how much of what it makes of a frame it takes from the frames beside it
EMBEDDING = 16
BLOCKS = BlockPlan(first=2, block=4, past=2, future=1, fade=1)  # small: many joins in a short take
_SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "beta_schedule": "scaled_linear",
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


class FakeBackend:
    """`Backend` on the CPU, quick, the same on every machine but for rounding.

    Clean latents are Gaussian around a mean that follows the prompt and the frame's place in the take, and ε
    is the one of that distribution: unlike an oracle it keeps what it is given, so a wrong buffer, queue or
    noise stays in the sound. Each frame leans on its neighbours. `decode` is one to one, and `encode_audio`
    its inverse (`testing.sound`). The stream decoder is the studio's own, with blocks of a few frames.
    """

    def __init__(self, geometry: Geometry | None = None) -> None:
        """Take other sizes than AudioLDM's: an even number of channels, in whole a multiple of four."""
        self.id = "fake"
        self.capabilities = Capabilities(text="pooled", extends=True)
        self.geometry = geometry or Geometry()
        self.schedule = NoiseSchedule.from_config(_SCHEDULER)
        self.device = torch.device("cpu")
        self.dtype = torch.float32
        self.unet: torch.nn.Module | None = None
        self._sound = LappedSound(self.geometry)
        self._own: FakeBackend | None = None
        shape = 1, self.geometry.channels, 1, self.geometry.bands
        generator = torch.Generator().manual_seed(0)
        drawn = torch.rand(2, *shape, generator=generator, dtype=torch.float64)
        self._pace, self._phase = 0.3 + drawn[0], 2 * math.pi * drawn[1]  # radians a frame, radians
        self._heed = 3 * torch.randn(EMBEDDING, shape[1] * shape[3], generator=generator)

    def at(self, bandwidth: Bandwidth) -> FakeBackend:
        """This model at another rate, where its sound is one to one as well; "16k" is its own."""
        own = self._own or self
        if bandwidth == "16k":
            return own
        other = copy(own)
        other._own, other.geometry = own, own.geometry.at(bandwidth)
        other._sound = LappedSound(other.geometry)
        return other

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        """A unit vector of each text, pooled [B, 16]."""
        vectors = [
            torch.randn(EMBEDDING, generator=torch.Generator().manual_seed(zlib.crc32(prompt.encode())))
            for prompt in prompts
        ]
        return Conditioning(pooled=functional.normalize(torch.stack(vectors), dim=-1))

    def mean(self, pooled: Tensor, start_frame: int, frames: int) -> Tensor:
        """What clean latents are around: [B, C, frames, F], for a vector an item or a frame."""
        each = pooled if pooled.ndim == 3 else pooled[:, None]
        told = (each.float() @ self._heed).unflatten(-1, self._phase.shape[1::2]).transpose(1, 2)
        place = torch.arange(start_frame, start_frame + frames, dtype=torch.float64)[:, None]
        turned = (self._pace * place + self._phase) % (2 * math.pi)
        return SWING * torch.sin(turned.float() + told)

    def predict_noise(
        self, latents: Tensor, timesteps: Tensor, start_frame: int, conditioning: Conditioning
    ) -> Tensor:
        """ε for latents [B, C, T, F] at timesteps [B] or [B, T]."""
        each = timesteps if timesteps.ndim == 2 else timesteps[:, None]
        level = self.schedule.alpha_bar(each)[:, None, :, None].float()
        signal, noise = level.sqrt(), (1 - level).sqrt()
        noisy, mean = latents.float(), self._around(conditioning, start_frame, latents.shape[2])
        # The Gaussian's posterior mean: how far off the mean the clean latents are, as far as can be told.
        off = SPREAD**2 * signal / (SPREAD**2 * level + 1 - level) * (noisy - signal * mean)
        before, after = off[:, :, :-1], off[:, :, 1:]
        beside = torch.cat([off[:, :, :1], before], dim=2) + torch.cat([after, off[:, :, -1:]], dim=2)
        clean = mean + (1 - LEAN) * off + LEAN / 2 * beside
        return ((noisy - signal * clean) / noise).to(latents.dtype)

    def _around(self, conditioning: Conditioning, start_frame: int, frames: int) -> Tensor:
        """What clean latents are around that were told so."""
        return self.mean(conditioning.vector, start_frame, frames)

    def encode_audio(self, samples: NDArray[np.float32]) -> Tensor:
        """Samples [n] → latents [1, C, n // hop, F]: of what `decode` gave, the ones it was given."""
        return self._sound.encode(samples)

    def decode(self, latents: Tensor) -> NDArray[np.float32]:
        """Latents [1, C, T, F] → samples [T · hop_samples]."""
        return decode_whole(self._sound, latents, self.geometry.hop_samples)

    def preview(self, latents: Tensor) -> NDArray[np.float32]:
        """The log-mel [frames, bands] of what latents [1, C, T, F] sound like."""
        return log_mel(torch.from_numpy(self.at("16k").decode(latents))).numpy()

    def stream_decoder(self) -> BlockDecoder:
        """A fresh decoder, whose samples are those of `decode` but for rounding."""
        return BlockDecoder(self._sound, BLOCKS, COLUMN_CONTEXT, self.geometry.hop_samples)

    def attention_layers(self) -> Sequence[torch.nn.Module]:
        """None: there is no U-Net."""
        return ()

    def unload(self) -> None:
        """Nothing to let go of."""
