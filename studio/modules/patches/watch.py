"""What each token attends to in a U-Net's blocks, and how much of it a focus set would keep (LiteFocus, §3).

Unlike `attention_probe`, which averages over tokens, this keeps queries and keys, so that one may ask for
any token. Tokens are flattened time-major over [frames, bands].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from studio.modules.blocks import choose_blocks
from studio.modules.patches.self_attention import patched_attention, project


@dataclass(frozen=True)
class Watched:
    """One self-attention in one forward, of the batch's last item: query and key [H, N, D] of a grid."""

    query: Tensor
    key: Tensor
    frames: int
    bands: int

    def weights(self, tokens: Tensor) -> Tensor:
        """How these tokens [n] attend to all: float32 [n, N], the mean over heads, rows summing to 1."""
        query = self.query[:, tokens].float() * self.query.shape[-1] ** -0.5
        return torch.softmax(query @ self.key.float().transpose(1, 2), dim=-1).mean(dim=0)


See = Callable[[str, Watched], None]


@contextmanager
def watched_attention(unet: nn.Module, blocks: Sequence[str], see: See) -> Iterator[nn.Module]:
    """Tell `see` of each self-attention of these blocks when it has run; what it gives stays the same.

    Raises:
        InvalidRequestError: the U-Net lacks one of the blocks.
    """
    with ExitStack() as undo:
        for name in choose_blocks(unet, blocks):
            undo.enter_context(patched_attention(unet, [name], partial(_watch, name, see)))
        yield unet


def same_band(tokens: Tensor, total: int, bands: int) -> Tensor:
    """Sᵢ: which of `total` tokens have the frequency band of each of `tokens` [n] → [n, total] (eq. 5)."""
    return (torch.arange(total) % bands) == (tokens % bands)[:, None]


def focus_share(watched: Watched, tokens: Tensor, chosen: Tensor, own_band: bool = True) -> float:
    """The share of the attention of `tokens` [n] that falls on their focus sets, given C as indices.

    Without `own_band` the focus sets are C alone.
    """
    kept = same_band(tokens, watched.key.shape[1], watched.bands) & own_band
    kept[:, chosen] = True
    weights = watched.weights(tokens.to(watched.key.device)).cpu()
    return float((weights * kept).sum(dim=-1).mean())


def _watch(
    name: str, see: See, attn: Attention, tokens: Tensor, frames: int, bands: int, before: Any
) -> Tensor:
    query, key, _ = project(attn, tokens[-1:])
    see(name, Watched(query[0].transpose(0, 1), key[0].transpose(0, 1), frames, bands))
    return before(attn, tokens)
