"""U-Nets of real checkpoints' shapes with random weights: speed and memory ask for no others."""

from __future__ import annotations

from typing import Any

import torch

from studio.core.errors import InvalidRequestError


def random_unet(shape: str, device: torch.device, dtype: torch.dtype) -> Any:
    """The U-Net of this shape, in evaluation mode and laid out as a backend's is.

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
    return unet.to(dtype=dtype, memory_format=torch.channels_last).eval().requires_grad_(False)


def tango_unet() -> Any:
    """TANGO's U-Net: Stable Diffusion 2.1's with eight channels. Torch's meta device allocates nothing."""
    from diffusers import UNet2DConditionModel

    # Also what diffusers calls attention_head_dim is here the number of heads.
    return UNet2DConditionModel(
        sample_size=(32, 2),
        in_channels=8,
        out_channels=8,
        block_out_channels=(320, 640, 1280, 1280),
        layers_per_block=2,
        down_block_types=(*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
        up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
        cross_attention_dim=1024,
        attention_head_dim=(5, 10, 20, 20),
        use_linear_projection=True,
        upcast_attention=True,
    )


VOICELDM_WIDTHS = {"s": (128, 256, 384, 640), "m": (192, 384, 576, 960)}


def voiceldm_unet(size: str) -> Any:
    """VoiceLDM's U-Net, "s" or "m": AudioLDM's with cross-attention to the content beside CLAP's vector."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=128,
        in_channels=8,
        out_channels=8,
        block_out_channels=VOICELDM_WIDTHS[size],
        layers_per_block=2,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
        up_block_types=(*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
        cross_attention_dim=768,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=512,
        class_embeddings_concat=True,
    )


def count_parameters(system: str, placement: str = "down1+up1") -> int:
    """The trainable parameters of a system's U-Net at full size, with what hears a draft.

    Raises:
        InvalidRequestError: another system, or blocks that read no text.
    """
    if system not in {"tango", "dcldm", "ldm_ag", "voiceldm-s", "voiceldm-m"}:
        raise InvalidRequestError(
            f"There is no shape of '{system}': describe tango, dcldm, ldm_ag, voiceldm-s or voiceldm-m."
        )
    from studio.modules.acoustic_branch import AcousticBranch
    from studio.modules.acoustic_context import AcousticContext

    with torch.device("meta"):
        unet = voiceldm_unet(system[-1]) if system.startswith("voiceldm") else tango_unet()
        branch = torch.nn.Module()
        if system == "dcldm":
            branch = AcousticBranch.for_unet(unet, placement)
        elif system == "ldm_ag":
            branch = AcousticContext.for_unet(unet)
    return sum(parameter.numel() for parameter in (*unet.parameters(), *branch.parameters()))
