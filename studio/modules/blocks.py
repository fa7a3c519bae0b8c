"""The transformers of a U-Net by block, named as people count them: down1, down2, …, mid, …, up2, up1.

The number is the resolution's, from the finest: down2 and up2 are the level after one downsampling
(diffusers' `down_blocks[1]` and `up_blocks[-2]`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import nn

from studio.core.errors import InvalidRequestError

PAPER_LEVEL = 2  # LiteFocus, §4.1: the second block of each side


def transformers(unet: Any) -> dict[str, list[nn.Module]]:
    """Block name → its transformers in order, for the blocks that have any; from the input to the output."""
    levels = len(unet.down_blocks)
    named = {f"down{index + 1}": block for index, block in enumerate(unet.down_blocks)}
    named["mid"] = unet.mid_block
    named |= {f"up{levels - index}": block for index, block in enumerate(unet.up_blocks)}
    found = {
        name: [module for module in block.modules() if isinstance(module, Transformer2DModel)]
        for name, block in named.items()
        if block is not None
    }
    return {name: inside for name, inside in found.items() if inside}


def choose_blocks(unet: nn.Module, wanted: Sequence[str] = ()) -> dict[str, list[nn.Module]]:
    """The transformers of the blocks wanted; where none is named, the paper's, or the finest that there are.

    Raises:
        InvalidRequestError: the U-Net has no attention in a block of that name.
    """
    there = transformers(unet)
    if not wanted:
        numbers = sorted({int(name.strip("downup")) for name in there if name != "mid"})
        if not numbers:
            raise InvalidRequestError("This model has no attention outside its middle: leave it dense.")
        level = PAPER_LEVEL if PAPER_LEVEL in numbers else numbers[0]
        wanted = [name for name in there if name in {f"down{level}", f"up{level}"}]
    missing = [name for name in wanted if name not in there]
    if missing:
        raise InvalidRequestError(
            f"This model has no attention in {', '.join(missing)}: choose from {', '.join(there)}."
        )
    return {name: there[name] for name in there if name in wanted}
