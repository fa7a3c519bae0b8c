"""SpeechT5's encoder of texts (Ao et al. 2022), as VoiceLDM reads them: up to a thousand letters."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.speecht5.configuration_speecht5 import SpeechT5Config
from transformers.models.speecht5.modeling_speecht5 import SpeechT5EncoderWithTextPrenet

MAX_TOKENS = 1000
_BASE = 10000.0


def sinusoids(length: int, width: int) -> Tensor:
    """Positions [length, width]: sines in the even columns, cosines in the odd ones, float32."""
    pace = torch.exp(torch.arange(0, width, 2, dtype=torch.float) * -(math.log(_BASE) / width))
    angles = torch.arange(length, dtype=torch.float)[:, None] * pace
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]


class SpeechEncoder(SpeechT5EncoderWithTextPrenet):
    """The encoder with its prenet, under transformers' own names, but for the table of positions.

    VoiceLDM's authors stretched that to `MAX_TOKENS`, whatever the config says, and it lies among their
    weights. It follows from its size alone, so it is computed here.
    """

    def __init__(self, config: SpeechT5Config) -> None:
        """Take SpeechT5's config, of which the text encoder's sizes are read."""
        super().__init__(config)
        self.prenet.encode_positions = _Positions(config.hidden_size, config.positional_dropout)

    def forward(self, ids: Tensor, mask: Tensor, **_: Any) -> Tensor:
        """Ids [B, K] of tokens, of which those count where mask [B, K] is 1 → their states [B, K, D]."""
        return self.wrapped_encoder(self.prenet(ids), attention_mask=mask).last_hidden_state


class _Positions(nn.Module):
    """x + α · positions."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(()))
        self.dropout = nn.Dropout(dropout)
        self.width = width

    def forward(self, embedded: Tensor) -> Tensor:
        places = sinusoids(embedded.shape[1], self.width).to(embedded)
        return self.dropout(embedded + self.alpha * places)
