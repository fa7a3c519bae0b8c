"""The pocket CLAP (transformers' `ClapModel`): its architecture, and how its towers are asked."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ClapConfig, ClapModel

PROJECTION = 128
CROP_FRAMES = 256  # what the audio tower sees at once: 2.56 s


def build_clap(vocab_size: int) -> ClapModel:
    """The pocket architecture: a three-layer caption tower and a four-stage Swin over 256 mel frames."""
    return ClapModel(
        ClapConfig(
            projection_dim=PROJECTION,
            text_config={
                "vocab_size": vocab_size,
                "hidden_size": 192,
                "num_hidden_layers": 3,
                "num_attention_heads": 6,
                "intermediate_size": 512,
                "max_position_embeddings": 82,
                "projection_dim": PROJECTION,
                "hidden_dropout_prob": 0.0,
                "attention_probs_dropout_prob": 0.0,
            },
            audio_config={
                "spec_size": 128,
                "num_mel_bins": 64,
                "patch_size": 4,
                "patch_stride": [4, 4],
                "window_size": 4,
                "patch_embeds_hidden_size": 32,
                "hidden_size": 256,
                "depths": [1, 1, 2, 1],
                "num_attention_heads": [2, 4, 8, 16],
                "projection_dim": PROJECTION,
                "mlp_ratio": 2.0,
                "hidden_dropout_prob": 0.0,
            },
        )
    )


def audio_vectors(pair: nn.ModuleDict, mel: Tensor) -> Tensor:
    """Log-mels [B, 256, 64] → unit vectors [B, 128]."""
    pooled = pair["audio"](input_features=mel[:, None]).pooler_output
    return F.normalize(pair["projection"](pooled), dim=-1)


def text_vectors(tower: nn.ModuleDict, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Tokens [B, L] → unit vectors [B, 128]."""
    pooled = tower["text"](input_ids=input_ids, attention_mask=attention_mask).pooler_output
    return F.normalize(tower["projection"](pooled), dim=-1)
