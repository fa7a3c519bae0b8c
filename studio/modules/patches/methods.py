"""The ways of attending that are put beside each other, by name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from studio.core.attention import SparseMethod
from studio.modules.patches.lite_focus import lite_focus
from studio.modules.patches.token_merging import token_merging

MERGED = 0.5  # share of the tokens that "tome" merges


def attending(
    unet: nn.Module,
    method: SparseMethod,
    ratio: float,
    generator: torch.Generator,
    blocks: Sequence[str] = (),
) -> AbstractContextManager[nn.Module]:
    """The U-Net with a method in these blocks, or its usual ones; `ratio` is r of uniform and balanced.

    Raises:
        InvalidRequestError: the U-Net has no such block.
    """
    if method == "dense":
        return nullcontext(unet)
    if method == "tome":
        return token_merging(unet, generator=generator, ratio=MERGED, blocks=blocks)
    return lite_focus(unet, generator=generator, ratio=ratio, sampling=method, blocks=blocks)
