"""The scale of guidance as a U-Net is told it, where guidance is folded into one prediction.

As diffusers tells it latent consistency models (Luo et al. 2023): a sinusoidal embedding of
1000 · (scale − 1) of the width `time_cond_proj_dim`, which stands beside the timestep's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def scale_embedding(scales: Tensor, width: int) -> Tensor:
    """Embeddings [B, width] of scales [B], float32: sines, then cosines; of an odd width a zero is last."""
    half = width // 2
    falling = torch.exp(torch.arange(half, device=scales.device) * (-math.log(10000.0) / (half - 1)))
    angles = 1000.0 * (scales.float() - 1)[:, None] * falling
    return functional.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width % 2))
