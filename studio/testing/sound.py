"""Latents ↔ samples, one to one: a wrong latent is heard, and where it is."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.backends.base import Geometry
from studio.backends.decode import MEL_PER_LATENT

LEVEL = 0.2  # of unit latents' sound, whose samples' deviation is about half of it
LEAN = 0.5  # how much of its neighbours a frame takes in
COLUMN_CONTEXT = 1  # columns on either side that a column's samples depend on


class LappedSound:
    """The two networks of a `BlockDecoder`, as a small model has them but exact, and their inverse.

    Instead of a VAE, a lifting step: half of a frame's channels take in the other half of the frames beside
    it, which can be undone to the last digit. Instead of a vocoder, an orthonormal lapped transform (MDCT:
    Princen and Bradley 1986), whose columns reach half a column into each other. So blocks are exact with a
    frame of context for the one and a column for the other, and wrong without.
    """

    def __init__(self, geometry: Geometry) -> None:
        """Take the latents' sizes: an even number of channels, and no more numbers a frame than samples."""
        self._shape = geometry.channels, geometry.bands
        self.hop_samples = geometry.hop_samples
        self._hop = geometry.hop_samples // MEL_PER_LATENT  # samples of a column
        self._size = geometry.channels * geometry.bands // MEL_PER_LATENT  # numbers of a column
        assert geometry.channels % 2 == 0, "half of the channels take in the other half"
        assert self._size * MEL_PER_LATENT == geometry.channels * geometry.bands, "a frame is whole columns"
        assert self._size <= self._hop, "no more numbers than samples"
        place = torch.arange(2 * self._hop, dtype=torch.float64) + 0.5
        number = torch.arange(self._size, dtype=torch.float64)[:, None] + 0.5
        waves = torch.cos(math.pi / self._hop * (place + self._hop / 2) * number)
        self._waves = (math.sqrt(2 / self._hop) * waves).float()  # [size, 2·hop]
        self._window = torch.sin(math.pi / (2 * self._hop) * place).float()

    def decode_mel(self, latents: Tensor) -> Tensor:
        """Latents [1, C, t, F] → columns [1, 4·t, C·F / 4]."""
        frames = _lift(latents, LEAN)[0].transpose(0, 1)  # [t, C, F]
        return frames.reshape(1, -1, self._size)

    def vocode(self, mel: Tensor) -> Tensor:
        """Columns [1, m, C·F / 4] → samples [1, m · hop / 4]."""
        parts = mel[0] @ self._waves * self._windows(mel.shape[1])
        whole = torch.zeros(mel.shape[1] + 1, self._hop)
        whole[:-1] += parts[:, : self._hop]
        whole[1:] += parts[:, self._hop :]
        return LEVEL * whole.flatten()[self._hop // 2 : -(self._hop - self._hop // 2)][None]

    def encode(self, samples: NDArray[np.float32]) -> Tensor:
        """Samples [n] → the latents [1, C, n // hop, F] that sound most like them: exactly so, if any do."""
        frames = len(samples) // self.hop_samples
        if not frames:
            return torch.zeros(1, self._shape[0], 0, self._shape[1])
        heard = torch.from_numpy(np.ascontiguousarray(samples[: frames * self.hop_samples], np.float32))
        padded = torch.nn.functional.pad(heard, (self._hop // 2, self._hop - self._hop // 2))
        parts = padded.unfold(0, 2 * self._hop, self._hop) * self._windows(MEL_PER_LATENT * frames)
        columns = parts @ self._waves.T / LEVEL
        lifted = columns.reshape(frames, *self._shape).transpose(0, 1)[None]
        return _lift(lifted, -LEAN).contiguous()

    def _windows(self, columns: int) -> Tensor:
        """How loud each column is along its samples [m, 2·hop]; the ends have no neighbour to blend with."""
        windows = self._window.repeat(columns, 1)
        edge = (torch.arange(self._hop) >= self._hop // 2).float()
        windows[:1, : self._hop] = edge
        windows[-1:, self._hop :] = edge.flip(0)
        return windows


def _lift(latents: Tensor, share: float) -> Tensor:
    """The second half of the channels with a share of the first half's of the frames before and after."""
    giving, taking = latents.chunk(2, dim=1)
    beside = torch.zeros_like(giving)
    beside[:, :, 1:] += giving[:, :, :-1]
    beside[:, :, :-1] += giving[:, :, 1:]
    return torch.cat([giving, taking + share * beside], dim=1)
