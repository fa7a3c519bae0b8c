"""Recipe 12c, beside the U-Net: a small network that hears in latents who speaks, and what lies behind.

What the U-Net foresees is held against what its description asked for by this ear. The U-Net's own loss sees
to what most of a latent is like: whose voice it is, and a sound far below it, are little of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from studio.training.loop import LoopOptions, TrainState, run

UNTOLD = -1  # for a voice or families that a description doesn't name
WIDTH = 64
LEARNING_RATE = 2e-3
BATCH, FRAMES = 16, 64
MOST_NOISE = 0.7  # of the latents' spread: what is foreseen is never clean


class Listener(nn.Module):
    """Latents [B, 8, T, 16] → logits of the two voices [B, 2] and of the families [B, F]."""

    def __init__(self, families: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(8, WIDTH // 2, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(WIDTH // 2, WIDTH, 3, stride=2, padding=1),
            nn.GroupNorm(8, WIDTH),
            nn.GELU(),
            nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1),
            nn.GroupNorm(8, WIDTH),
            nn.GELU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.GELU(),
        )
        self.voice = nn.Linear(4 * WIDTH, 2)
        self.family = nn.Linear(4 * WIDTH, families)

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        heard = self.layers(latents).mean(dim=2).flatten(1)
        return self.voice(heard), self.family(heard)

    def losses(self, latents: Tensor, voices: Tensor, families: Tensor) -> tuple[Tensor, Tensor]:
        """How little latents [B, 8, T, 16] sound of the voices [B] and families [B, F] that are asked for.

        What is `UNTOLD` does not count; 0 where all of it is.
        """
        voice, family = self(latents)
        told, seen = voices != UNTOLD, families[:, 0] != UNTOLD
        of_voice = F.cross_entropy(voice, voices.clamp(min=0), reduction="none")
        of_family = F.binary_cross_entropy_with_logits(family, families.clamp(min=0), reduction="none")
        return _mean_where(of_voice, told), _mean_where(of_family.sum(dim=1), seen)


def _mean_where(losses: Tensor, counts: Tensor) -> Tensor:
    return (losses * counts).sum() / counts.sum().clamp(min=1)


def noisy(latents: Tensor, generator: torch.Generator) -> Tensor:
    """Latents [B, 8, T, 16] with up to `MOST_NOISE` of noise each."""
    amount = MOST_NOISE * torch.rand(len(latents), 1, 1, 1, generator=generator)
    return latents + amount * torch.randn(latents.shape, generator=generator)


Draw = Callable[[int, int, torch.Generator], tuple[Tensor, Tensor, Tensor]]
"""How many, of how many frames: latents [B, 8, T, 16], whose voices [B], which families [B, F]."""


def train_listener(draw: Draw, families: int, options: LoopOptions) -> Listener:
    """Train on what `draw` gives; the result is frozen."""
    torch.manual_seed(options.seed)
    listener = Listener(families)
    optimizer = torch.optim.AdamW(listener.parameters(), lr=LEARNING_RATE)
    state = TrainState(listener, {"adam": optimizer}, ema_decay=0.9)

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        latents, voices, heard = draw(BATCH, FRAMES, generator)
        of_voice, of_family = listener.losses(noisy(latents, generator), voices, heard)
        optimizer.zero_grad(set_to_none=True)
        (of_voice + of_family).backward()
        optimizer.step()
        return {"voice": of_voice.item(), "family": of_family.item()}

    run(state, step, options, "listener")
    return cast(Listener, state.ema.eval().requires_grad_(False))
