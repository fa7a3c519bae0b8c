"""Token merging for diffusion (Bolya & Hoffman 2023), the baseline of the LiteFocus paper.

Before an attention, the tokens that are most like another are merged into it (bipartite soft matching, Bolya
et al. 2023); afterwards each gets its keeper's result back. One token of each 2 × 2 cell, drawn at random, is
a keeper; of the others, the `ratio` of all tokens that resemble a keeper most are merged.

Matched by "attention", that holds for each self-attention, by what it reads. Matched by "block", it is as in
the authors' own code, tomesd, at its defaults: tokens are matched once a transformer block, by what comes
into it before the norm; the block's first attention alone is merged, though a second may attend to the same
tokens (AudioLDM); and a cell that the grid's edge cuts keeps no token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from studio.core.attention import MERGED
from studio.core.errors import InvalidRequestError
from studio.modules.blocks import choose_blocks
from studio.modules.patches.self_attention import patched_attention

Matched = Literal["attention", "block"]
CELL = 2
_BLOCK_ELEMENTS = 2**22  # similarities held at once: 16 MB in float32


@contextmanager
def token_merging(
    unet: nn.Module,
    *,
    generator: torch.Generator,
    ratio: float = MERGED,
    blocks: Sequence[str] = (),
    matching: Matched = "attention",
) -> Iterator[nn.Module]:
    """Merge tokens in the self-attentions of a U-Net's blocks; afterwards the model is what it was.

    Args:
        unet: a diffusers U-Net for samples [B, C, T, F].
        generator: the request's, on the CPU.
        ratio: share of the tokens to merge, in (0, 1); more than three quarters there are not to be merged.
        blocks: names of `modules.blocks`, by default the paper's.
        matching: what tokens are matched by, and how often.

    Raises:
        InvalidRequestError: the ratio is out of bounds, or the U-Net lacks a block.
    """
    if not 0 < ratio < 1:
        raise InvalidRequestError(f"The ratio of tokens to merge lies between 0 and 1, not at {ratio:g}.")

    entered: dict[nn.Module, Tensor] = {}  # by a block's first attention, what came into the block

    def attend(attn: Attention, tokens: Tensor, frames: int, bands: int, dense: Any) -> Tensor:
        alike = tokens if matching == "attention" else entered.pop(attn, None)
        if alike is None:
            return dense(attn, tokens)
        keepers = draw_keepers(frames, bands, generator, cut=matching == "attention")
        matched = match_tokens(alike, keepers, ratio)
        return matched.unmerge(dense(attn, matched.merge(tokens)))

    with ExitStack() as undo:
        if matching == "block":
            transformers = (one for inside in choose_blocks(unet, blocks).values() for one in inside)
            for block in (part for one in transformers for part in one.modules()):
                if isinstance(block, BasicTransformerBlock):
                    keep = partial(_keep, entered, block.attn1)
                    undo.callback(block.register_forward_pre_hook(keep, with_kwargs=True).remove)
        undo.enter_context(patched_attention(unet, blocks, attend))
        yield unet


def _keep(
    entered: dict[nn.Module, Tensor],
    attention: nn.Module,
    _: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    entered[attention] = args[0] if args else kwargs["hidden_states"]


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


def draw_keepers(frames: int, bands: int, generator: torch.Generator, *, cut: bool = True) -> Tensor:
    """Which tokens, flattened time-major, others are merged into: one of each 2 × 2 cell, as bool [N].

    Cells that the edge cuts have one too if `cut`.
    """
    time, band = torch.arange(frames) // CELL, torch.arange(bands) // CELL
    cell = (time[:, None] * (int(band.max()) + 1) + band).flatten()
    shuffled = torch.randperm(frames * bands, generator=generator)
    order = shuffled[cell[shuffled].argsort(stable=True)]
    first = torch.ones(len(order), dtype=torch.bool)
    first[1:] = cell[order][1:] != cell[order][:-1]
    keepers = torch.zeros(len(order), dtype=torch.bool).scatter(0, order, first)
    if not cut:
        whole = (time < frames // CELL)[:, None] & (band < bands // CELL)
        keepers &= whole.flatten()
    return keepers


@torch.no_grad()
def match_tokens(tokens: Tensor, keepers: Tensor, ratio: float) -> Matching:
    """Match tokens [B, N, W] by the cosine of their values, in each item for itself."""
    batch, count, _ = tokens.shape
    if not keepers.any():
        return Matching(torch.arange(count, device=tokens.device).expand(batch, -1), count)
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
