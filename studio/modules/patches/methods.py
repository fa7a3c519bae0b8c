"""A kind of attention, put into a U-Net."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from studio.core.attention import Attention, DenseAttention, LiteFocusAttention
from studio.modules.patches.lite_focus import lite_focus, ratio_for
from studio.modules.patches.token_merging import token_merging


def attending(
    unet: nn.Module, wanted: Attention, generator: torch.Generator, seconds: float
) -> AbstractContextManager[nn.Module]:
    """The U-Net with this attention, for latents of so many seconds of sound, by which "auto" goes.

    Raises:
        InvalidRequestError: the U-Net has no such block.
    """
    if isinstance(wanted, DenseAttention):
        return nullcontext(unet)
    if isinstance(wanted, LiteFocusAttention):
        return lite_focus(
            unet,
            generator=generator,
            ratio=ratio_for(seconds) if wanted.ratio == "auto" else wanted.ratio,
            sampling=wanted.sampling,
            focus=wanted.focus,
            compensation=wanted.compensation,
            blocks=wanted.blocks,
        )
    return token_merging(
        unet, generator=generator, ratio=wanted.ratio, blocks=wanted.blocks, matching=wanted.matching
    )
