"""U-Nets of AudioLDM's and AudioLDM2's kinds, small enough for a test."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.pipelines.audioldm2.modeling_audioldm2 import AudioLDM2UNet2DConditionModel

FRAMES, BANDS = 16, 8


@pytest.fixture
def unet() -> UNet2DConditionModel:
    """AudioLDM's kind: the prompt's vector is concatenated to the time embedding, attention sees itself."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(16, 32),
        layers_per_block=1,
        sample_size=BANDS,
        in_channels=8,
        out_channels=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=(16, 32),
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=12,
        class_embeddings_concat=True,
        attention_head_dim=8,
        norm_num_groups=8,
    ).eval()


@pytest.fixture
def unet2() -> AudioLDM2UNet2DConditionModel:
    """AudioLDM2's kind: the prompt comes by cross-attention, from two towers."""
    torch.manual_seed(0)
    return AudioLDM2UNet2DConditionModel(
        block_out_channels=(16, 32),
        layers_per_block=1,
        sample_size=BANDS,
        in_channels=8,
        out_channels=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=((None, 12, 10), (None, 12, 10)),
        attention_head_dim=8,
        norm_num_groups=8,
    ).eval()
