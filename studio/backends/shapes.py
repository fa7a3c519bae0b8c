"""U-Nets of real checkpoints' shapes with random weights: speed and memory ask for no others."""

from __future__ import annotations

from typing import Any

import torch

from studio.core.errors import InvalidRequestError


def random_unet(shape: str, device: torch.device, dtype: torch.dtype) -> Any:
    """The U-Net of this shape, in evaluation mode.

    Raises:
        InvalidRequestError: there is no such shape.
    """
    if shape != "audioldm2-full":
        raise InvalidRequestError(
            f"There is no shape '{shape}': give audioldm2-full, or none for the model's."
        )
    from diffusers import AudioLDM2UNet2DConditionModel

    # cvssp/audioldm2's config.json; attention_head_dim is what diffusers calls the number of heads.
    with torch.device(device):
        unet = AudioLDM2UNet2DConditionModel(
            sample_size=32,
            in_channels=8,
            out_channels=8,
            block_out_channels=(128, 256, 384, 640),
            layers_per_block=2,
            down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
            up_block_types=(*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
            cross_attention_dim=((None, 768, 1024),) * 4,
            attention_head_dim=8,
        )
    return unet.to(dtype).eval().requires_grad_(False)
