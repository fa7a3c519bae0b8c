"""The convolutional block that PANNs, and networks after it, are built of (Kong et al. 2020, table 1)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvBlock(nn.Module):
    """Two 3 × 3 convolutions, each normalised and rectified, then a pool: [B, C, T, F] → [B, D, T/p, F/p]."""

    def __init__(self, channels: int, width: int, pool: int, kind: Literal["max", "avg"]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.bn2 = nn.BatchNorm2d(width)
        self.pool = pool
        self.pooling = functional.max_pool2d if kind == "max" else functional.avg_pool2d

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return x if self.pool == 1 else self.pooling(x, self.pool)


def power_frames(samples: Tensor, window: Tensor, hop: int, fft: int | None = None) -> Tensor:
    """Samples [..., n] → the squared magnitudes [..., frames, bins] of windows that lie wholly within."""
    frames = samples.unfold(-1, len(window), hop) * window
    return torch.fft.rfft(frames, n=fft).abs().square()
