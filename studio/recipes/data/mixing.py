"""Scenes made while training: two clips of one sound each, heard at once.

The corpus renders a few thousand scenes, a handful for each pair of families. What two sounds are together is
known without rendering it, and what they mean together is the sum of what they mean
(`clap_head.scene_targets`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.core.errors import WeightsError
from studio.dsp.mel import LOG_FLOOR, MAGNITUDE_FLOOR
from studio.recipes.corpus.families import can_share_scene, scene_layer
from studio.recipes.networks.vae import PATCH, patches_of

BEHIND_DB = (1.0, 9.0)  # how far the one that belongs behind lies behind the other
FITTED = 16  # clips to read the encoder off
TOLERANCE = 0.02  # of the latents' spread


def add_powers(first: Tensor, second: Tensor) -> Tensor:
    """Log-mels [B, frames, 64] of two sounds at once: their powers add, and silence adds nothing.

    So they do on average, the phases of two sounds having nothing to do with each other.
    """
    silence = MAGNITUDE_FLOOR**2
    power = (2 * first).exp() + (2 * second).exp() - silence
    return 0.5 * power.clamp(min=silence).log()


def louder(mel: Tensor, gain_db: Tensor) -> Tensor:
    """Log-mels [B, frames, 64] with a gain [B] each; silence stays silence."""
    raised = mel + gain_db[:, None, None] * (np.log(10) / 20)
    return torch.where(mel > LOG_FLOOR + 1e-3, raised, mel).clamp(min=LOG_FLOOR)


def level_db(mel: Tensor) -> Tensor:
    """Levels [B] of log-mels [B, frames, 64] over their louder half, so that pauses don't count."""
    power = (2 * mel).exp().sum(dim=-1)
    return 10 * power.topk(power.shape[1] // 2, dim=1).values.mean(dim=1).log10()


@dataclass(frozen=True)
class Mixer:
    """Clips that may be mixed: log-mels [clips, frames, 64] and the families heard in each."""

    mels: NDArray[np.float16]
    families: Sequence[Sequence[str]]

    @cached_property
    def single(self) -> Tensor:
        """Which clips hold one sound [clips]."""
        return torch.tensor([len(heard) == 1 for heard in self.families])

    @cached_property
    def levels_db(self) -> Tensor:
        """Of whole clips [clips]."""
        parts = (self.mels[i : i + 64].astype(np.float32) for i in range(0, len(self.mels), 64))
        return torch.cat([level_db(torch.from_numpy(part)) for part in parts])

    @cached_property
    def _partners(self) -> dict[str, Tensor]:
        """The single clips that may be heard with each family."""
        alone = [(i, heard[0]) for i, heard in enumerate(self.families) if len(heard) == 1]
        names = {name for _, name in alone}
        return {
            name: torch.tensor([i for i, other in alone if can_share_scene(name, other)]) for name in names
        }

    @cached_property
    def _layers(self) -> Tensor:
        """How far back each clip's first family belongs [clips]."""
        return torch.tensor([scene_layer(heard[0]) for heard in self.families])

    def chosen(self, clips: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """The places in `clips` [B] of `share` of those that hold one sound [M]."""
        drawn = torch.rand(len(clips), generator=generator) < share
        return (drawn & self.single[clips]).nonzero()[:, 0]

    def crop(self, clips: Tensor, starts: Tensor, frames: int) -> Tensor:
        """Log-mels [B, frames, 64] of crops that begin at mel frames `starts`."""
        pairs = zip(clips.tolist(), starts.tolist(), strict=True)
        cut = [self.mels[clip, start : start + frames] for clip, start in pairs]
        return torch.from_numpy(np.stack(cut).astype(np.float32))

    def scenes(
        self, clips: Tensor, starts: Tensor, frames: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Crops of single clips with another single sound each: which those are [B], log-mels of both.

        As in the corpus: no pair of which one masks the other, and what is easily buried stands in front.
        """
        chances = torch.rand(len(clips), generator=generator).tolist()
        pools = [self._partners[self.families[clip][0]] for clip in clips.tolist()]
        others = torch.stack([pool[int(at * len(pool))] for pool, at in zip(pools, chances, strict=True)])
        latest = self.mels.shape[1] - frames
        theirs = torch.randint(latest + 1, (len(clips),), generator=generator)
        nearest, farthest = BEHIND_DB
        behind = nearest + (farthest - nearest) * torch.rand(len(clips), generator=generator)
        apart = self.levels_db[clips] - self.levels_db[others]
        in_front = self._layers[clips] <= self._layers[others]
        unconditional = torch.zeros_like(behind)
        mine = louder(self.crop(clips, starts, frames), torch.where(in_front, unconditional, -apart - behind))
        back = louder(self.crop(others, theirs, frames), torch.where(in_front, apart - behind, unconditional))
        return others, add_powers(mine, back)


@dataclass(frozen=True)
class PatchEncoder:
    """The pocket VAE's solved encoder: an affine map of 4 × 4 patches, at a millisecond a batch."""

    weight: Tensor  # [16, 8]
    bias: Tensor  # [8]

    @classmethod
    def of(cls, mels: NDArray[np.float16], vae: Any) -> PatchEncoder:
        """Read off what the VAE makes of some log-mels [clips, frames, 64].

        Raises:
            WeightsError: this VAE's encoder is no such map.
        """
        mel = torch.from_numpy(mels[:FITTED, : 64 * PATCH].astype(np.float32))
        mel = mel + 0.1 * torch.randn(mel.shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            encoded = vae.encode(mel[:, None]).latent_dist.mean * vae.config.scaling_factor
        rows = encoded.permute(0, 2, 3, 1).flatten(0, 2)
        ones = torch.ones(len(rows), 1)
        known = torch.cat([patches_of(mel).flatten(0, 2), ones], dim=1)
        solved = torch.linalg.lstsq(known, rows).solution.clone()
        if (known @ solved - rows).std() > TOLERANCE * rows.std():
            raise WeightsError("This VAE's encoder is not the recipe's: train it with `longwave train vae`.")
        return cls(solved[:-1], solved[-1])

    def encode(self, mel: Tensor) -> Tensor:
        """Log-mels [B, frames, 64] → scaled latents [B, 8, frames/4, 16]."""
        return (patches_of(mel) @ self.weight + self.bias).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class LatentMixer:
    """Mixed scenes as latents."""

    mixer: Mixer
    encoder: PatchEncoder

    def chosen(self, clips: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """As `Mixer.chosen`."""
        return self.mixer.chosen(clips, share, generator)

    def scenes(
        self, clips: Tensor, starts: Tensor, frames: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """`Mixer.scenes` counted in latent frames: the other clips [B], scaled latents [B, 8, frames, 16]."""
        others, mel = self.mixer.scenes(clips, PATCH * starts, PATCH * frames, generator)
        return others, self.encoder.encode(mel)
