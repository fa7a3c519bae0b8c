"""Recipe: the extension from 16 to 48 kHz (`studio.modules.band_extension`), by the powers of its bands.

What a network foresees of noise is its mean; the fine structure is the copied octave's, of which the levels
alone are learned, so no adversary is needed for the hiss not to be smooth. The loss compares powers at three
grains of time: a stroke must be in its place, and a texture as loud as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from studio.modules.band_extension import (
    BandExtension,
    analyse,
    band_powers,
)
from studio.recipes.data.wide import WideClips
from studio.training.loop import LoopOptions, TrainState, run

BATCH = 16
LEARNING_RATE = 2e-3
GRAINS = (1, 9, 41)  # frames of 5 ms over which powers are averaged before they are compared
STATISTICS_CLIPS = 256
RECORDED_SHARE = 0.25  # of each batch, where there are recordings


class Batch(NamedTuple):
    """Log-mels [B, m, 64], sound [B, 160·m] at 16 kHz, and powers of the bands above [B, 20, 2m + 1]."""

    mel: Tensor
    known: Tensor
    above: Tensor


def draw_batch(clips: Sequence[WideClips], count: int, generator: torch.Generator) -> Batch:
    """`count` clips, each in one of its variants: of the first set, and `RECORDED_SHARE` of a second."""
    shares = (
        [count] if len(clips) == 1 else [count - round(RECORDED_SHARE * count), round(RECORDED_SHARE * count)]
    )
    mels, known, above = [], [], []
    for which, share in zip(clips, shares, strict=True):
        chosen = torch.randint(len(which), (share,), generator=generator).tolist()
        variants = torch.randint(which.known.shape[1], (share,), generator=generator).tolist()
        for clip, variant in zip(chosen, variants, strict=True):
            mels.append(which.mels[clip, variant].astype(np.float32))
            known.append(which.known[clip, variant].astype(np.float32) / 32767.0)
            above.append(which.above[clip].astype(np.float32))
    stacked = (torch.from_numpy(np.stack(arrays)) for arrays in (mels, known, above))
    mel, sound, logs = stacked
    return Batch(mel, sound, logs.exp())


@torch.no_grad()
def set_statistics(extension: BandExtension, clips: Sequence[WideClips]) -> None:
    """Let the network standardise what it sees, and begin with the mean levels, by the clips' statistics."""
    batch = draw_batch(clips[:1], min(STATISTICS_CLIPS, 4 * len(clips[0])), torch.Generator().manual_seed(0))
    seen = extension.features(batch.mel, analyse(batch.known)).flatten(0, 1)
    extension.mean.copy_(seen.mean(dim=0))
    extension.scale.copy_(seen.std(dim=0).clamp(min=1e-3))
    extension.leave.bias.copy_(batch.above.log().mean(dim=(0, 2)))


def extension_loss(made: Tensor, real: Tensor) -> Tensor:
    """How far powers [B, bands, frames] lie apart, in nepers of power, averaged over `GRAINS`."""
    total = made.new_zeros(())
    for grain in GRAINS:
        a, b = (F.avg_pool1d(power, grain, stride=(grain + 1) // 2) for power in (made, real))
        total = total + (a.log() - b.log()).abs().mean()
    return total / len(GRAINS)


def train_extension(
    clips: Sequence[WideClips], options: LoopOptions, init: BandExtension | None = None
) -> BandExtension:
    """Train on rendered clips and, where given, on recordings; returns the averaged network."""
    torch.manual_seed(options.seed)
    extension = init or BandExtension()
    if init is None:
        set_statistics(extension, clips)
    extension.float().train()
    optimizer = torch.optim.AdamW(
        extension.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.01
    )
    state = TrainState(extension, {"adam": optimizer}, ema_decay=0.99)

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        batch = draw_batch(clips, BATCH, generator)
        spectrum = analyse(batch.known)
        loss = extension_loss(band_powers(extension.above(batch.mel, spectrum)), batch.above)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(extension.parameters(), 1.0)
        optimizer.step()
        return {"loss": loss.item()}

    run(state, step, options, "extension")
    return cast(BandExtension, state.ema.eval())
