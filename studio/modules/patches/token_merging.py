"""Token merging for diffusion (Bolya & Hoffman 2023), the baseline of the LiteFocus paper.

Before an attention, the tokens that are most like another are merged into it (bipartite soft matching, Bolya
et al. 2023); afterwards each gets its keeper's result back. One token of each 2 × 2 cell, drawn at random, is
a keeper; of the others, the `ratio` of all tokens that resemble a keeper most are merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from studio.core.errors import InvalidRequestError
from studio.modules.patches.self_attention import patched_attention

CELL = 2
_BLOCK_ELEMENTS = 2**22  # similarities held at once: 16 MB in float32


@contextmanager
def token_merging(
    unet: nn.Module, *, generator: torch.Generator, ratio: float = 0.5, blocks: Sequence[str] = ()
) -> Iterator[nn.Module]:
    """Merge tokens in the self-attentions of a U-Net's blocks; afterwards the model is what it was.

    Likeness is looked at anew before each attention, on what that attention reads.

    Args:
        unet: a diffusers U-Net for samples [B, C, T, F].
        generator: the request's, on the CPU.
        ratio: share of the tokens to merge, in (0, 1); more than three quarters there are not to be merged.
        blocks: names of `modules.blocks`, by default the paper's.

    Raises:
        InvalidRequestError: the ratio is out of bounds, or the U-Net lacks a block.
    """
    if not 0 < ratio < 1:
        raise InvalidRequestError(f"The ratio of tokens to merge lies between 0 and 1, not at {ratio:g}.")

    def attend(attn: Attention, tokens: Tensor, frames: int, bands: int, dense: Any) -> Tensor:
        matching = match_tokens(tokens, draw_keepers(frames, bands, generator), ratio)
        return matching.unmerge(dense(attn, matching.merge(tokens)))

    with patched_attention(unet, blocks, attend):
        yield unet


@dataclass(frozen=True)
class Matching:
    """Who is merged into whom. `slot` [B, N] is each token's place among the [B, M] merged ones."""

    slot: Tensor
    count: int

    def merge(self, tokens: Tensor) -> Tensor:
        """Tokens [B, N, W] → means of those merged [B, M, W]."""
        out = tokens.new_zeros(tokens.shape[0], self.count, tokens.shape[2])
        index = self.slot[..., None].expand_as(tokens)
        return out.scatter_reduce(1, index, tokens, "mean", include_self=False)

    def unmerge(self, merged: Tensor) -> Tensor:
        """Merged [B, M, W] → [B, N, W]: every token gets what became of it."""
        return merged.gather(1, self.slot[..., None].expand(-1, -1, merged.shape[2]))


def draw_keepers(frames: int, bands: int, generator: torch.Generator) -> Tensor:
    """Which tokens, flattened time-major, others are merged into: one of each 2 × 2 cell, as bool [N]."""
    time, band = torch.arange(frames) // CELL, torch.arange(bands) // CELL
    cell = (time[:, None] * (int(band.max()) + 1) + band).flatten()
    shuffled = torch.randperm(frames * bands, generator=generator)
    order = shuffled[cell[shuffled].argsort(stable=True)]
    first = torch.ones(len(order), dtype=torch.bool)
    first[1:] = cell[order][1:] != cell[order][:-1]
    return torch.zeros(len(order), dtype=torch.bool).scatter(0, order, first)


@torch.no_grad()
def match_tokens(tokens: Tensor, keepers: Tensor, ratio: float) -> Matching:
    """Match tokens [B, N, W] by the cosine of their values, in each item for itself."""
    batch, count, _ = tokens.shape
    directions = F.normalize(tokens.float(), dim=-1)
    kept, others = keepers.nonzero()[:, 0].to(tokens.device), (~keepers).nonzero()[:, 0].to(tokens.device)
    merged = min(int(ratio * count), len(others))
    likeness, nearest = _nearest(directions[:, others], directions[:, kept])
    ranked = likeness.argsort(dim=1, descending=True, stable=True)
    alone = torch.ones(batch, len(others), dtype=torch.bool, device=tokens.device)
    alone.scatter_(1, ranked[:, :merged], False)
    # Keepers come first, then those that stay alone, in their order.
    place = len(kept) + alone.cumsum(1) - 1
    slot = torch.empty(batch, count, dtype=torch.long, device=tokens.device)
    slot[:, kept] = torch.arange(len(kept), device=tokens.device)
    slot[:, others] = torch.where(alone, place, nearest)
    return Matching(slot, count - merged)


def _nearest(sources: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """For directions [B, S, W] the cosine to, and index of, the nearest of the [B, D, W]: both [B, S]."""
    rows = max(1, _BLOCK_ELEMENTS // (targets.shape[0] * targets.shape[1]))
    parts = [(block @ targets.transpose(1, 2)).max(dim=2) for block in sources.split(rows, dim=1)]
    if not parts:
        empty = torch.empty(sources.shape[:2], device=sources.device)
        return empty, empty.long()
    return torch.cat([part.values for part in parts], 1), torch.cat([part.indices for part in parts], 1)
