"""The ways of attending that are put beside each other, by name."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from studio.core.request import SparseMethod
from studio.models.lite_focus import lite_focus
from studio.models.token_merging import token_merging

MERGED = 0.5  # share of the tokens that "tome" merges


def attending(
    unet: nn.Module, method: SparseMethod, ratio: float, generator: torch.Generator
) -> AbstractContextManager[nn.Module]:
    """The U-Net with a method in its usual blocks; `ratio` is r of uniform and balanced."""
    if method == "dense":
        return nullcontext(unet)
    if method == "tome":
        return token_merging(unet, generator=generator, ratio=MERGED)
    return lite_focus(unet, generator=generator, ratio=ratio, sampling=method)
