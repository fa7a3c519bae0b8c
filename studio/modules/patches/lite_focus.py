"""LiteFocus (Tan et al. 2024): each token attends to its own frequency band and to a few tokens of any.

The focus set of token i is Fᵢ = Sᵢ ∪ C (eq. 4): Sᵢ are the tokens of i's frequency band (eq. 5; tokens are
flattened time-major, so i modulo the number of bands names the band), C are ⌊r·N⌋ tokens drawn at random,
the same for all (eq. 6). Fᵢ is a set: a token of both counts once. No tokens × tokens matrix is ever built.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from studio.core.errors import InvalidRequestError
from studio.modules.patches.self_attention import patched_attention, project

Sampling = Literal["uniform", "balanced"]
PAPER_RATIO = 0.1


@contextmanager
def lite_focus(
    unet: nn.Module,
    *,
    generator: torch.Generator,
    ratio: float = PAPER_RATIO,
    sampling: Sampling = "balanced",
    focus: bool = True,
    compensation: bool = True,
    blocks: Sequence[str] = (),
) -> Iterator[nn.Module]:
    """Make the self-attention of a U-Net's blocks sparse; afterwards the model is what it was.

    Attention to text stays as it is. Every call of an attention draws a C of its own, and both halves of a
    guided batch share it. Gradients flow.

    Args:
        unet: a diffusers U-Net for samples [B, C, T, F], of any size.
        generator: the request's, on the CPU.
        ratio: r, the share of all tokens in C, in (0, 1]; 1 is dense attention.
        sampling: C by chance among all tokens as in the paper, or "balanced": as many of each band, which
            needs no mask and is faster.
        focus: attend to the own band; without it, to C alone (the paper's Table 2).
        compensation: attend to C; without it, to the own band alone (the paper's Table 3).
        blocks: names of `modules.blocks`, by default the paper's.

    Raises:
        InvalidRequestError: nothing would be attended to, r is out of bounds, or the U-Net lacks a block.
    """
    if not focus and not compensation:
        raise InvalidRequestError("Without focus and compensation nothing is attended to: switch one on.")
    if not 0 < ratio <= 1:
        raise InvalidRequestError(f"The ratio r is a share of the tokens above 0 and up to 1, not {ratio:g}.")

    def attend(attn: Attention, tokens: Tensor, frames: int, bands: int, _: Any) -> Tensor:
        query, key, value = project(attn, tokens)
        chosen = draw_tokens(frames, bands, ratio if compensation else 0.0, sampling, generator)
        if focus:
            attended = focus_attention(query, key, value, bands, chosen)
        else:
            attended = chosen_attention(query, key, value, chosen)
        return attn.to_out[1](attn.to_out[0](attended.flatten(2).to(tokens)))

    with patched_attention(unet, blocks, attend):
        yield unet


def ratio_for(duration_s: float) -> float:
    """The r that `auto` takes: the paper's up to 40 s, from there on as many tokens, down to a quarter of it.

    Long clips tolerate less compensation (LiteFocus, §5). That short ones want more could not be measured:
    the pocket AudioLDM2's clips of 10 s were no better at r = 0.4 than at 0.1, and slower
    (assets/pocket/README.md).
    """
    return min(PAPER_RATIO, max(PAPER_RATIO / 4, PAPER_RATIO * 40.0 / duration_s))


def draw_tokens(
    frames: int, bands: int, ratio: float, sampling: Sampling, generator: torch.Generator
) -> Tensor:
    """C: indices [n] of tokens flattened time-major over [frames, bands], ascending.

    Uniform: n = ⌊ratio · frames · bands⌋ of all. Balanced: the same number of each band, the nearest to
    ratio · frames. At least one (a band) where the ratio isn't 0.
    """
    if ratio == 0:
        return torch.empty(0, dtype=torch.long)
    if sampling == "uniform":
        count = max(1, int(ratio * frames * bands + 1e-9))
        return torch.randperm(frames * bands, generator=generator)[:count].sort().values
    count = max(1, round(ratio * frames))
    times = torch.rand(bands, frames, generator=generator).argsort(dim=1)[:, :count]
    return (times * bands + torch.arange(bands)[:, None]).flatten().sort().values


def chosen_attention(query: Tensor, key: Tensor, value: Tensor, chosen: Tensor) -> Tensor:
    """Each query [B, N, H, D] attends to the chosen tokens [n] alone: compensation without focus."""
    chosen = chosen.to(key.device)
    keys, values = (part[:, chosen].transpose(1, 2) for part in (key, value))
    return F.scaled_dot_product_attention(query.transpose(1, 2), keys, values).transpose(1, 2)


def focus_attention(query: Tensor, key: Tensor, value: Tensor, bands: int, chosen: Tensor) -> Tensor:
    """Each query attends to the keys of its own band and to the chosen ones, none of them twice.

    Args:
        query, key, value: [B, N, H, D], tokens flattened time-major, N = frames · bands.
        bands: frequency bands.
        chosen: token indices [n], ascending, each at most once (C).

    Returns:
        [B, N, H, D].
    """
    if query.device.type == "cuda":  # there each call costs, here the copies do
        return _all_bands(query, key, value, bands, chosen.to(query.device))
    return _band_by_band(query, key, value, bands, chosen.to(query.device))


def _band_by_band(query: Tensor, key: Tensor, value: Tensor, bands: int, chosen: Tensor) -> Tensor:
    """A call for each band: never more than its own keys and values are copied, and none is masked."""
    band_of = chosen % bands
    attended = []
    for band in range(bands):
        foreign = chosen[band_of != band]
        keys, values = (
            torch.cat([part[:, band::bands], part[:, foreign]], dim=1).transpose(1, 2)
            for part in (key, value)
        )
        own = F.scaled_dot_product_attention(query[:, band::bands].transpose(1, 2), keys, values)
        attended.append(own.transpose(1, 2))
    return torch.stack(attended, dim=2).flatten(1, 2)


def _all_bands(query: Tensor, key: Tensor, value: Tensor, bands: int, chosen: Tensor) -> Tensor:
    """All bands in one call, masked where C holds more tokens of one than of another."""
    batch, tokens, heads, width = query.shape
    index, live = _focus_sets(tokens, bands, chosen)

    def by_band(values: Tensor) -> Tensor:
        return values.view(batch * bands, -1, heads, width).transpose(1, 2)

    keys, values = (by_band(part[:, index.flatten()]) for part in (key, value))
    queries = by_band(query.unflatten(1, (-1, bands)).transpose(1, 2).contiguous())
    mask = None
    if live is not None:
        mask = torch.zeros(live.shape, dtype=query.dtype, device=query.device)
        mask = mask.masked_fill(~live, -torch.inf)[:, None, None].repeat(batch, 1, 1, 1)
    attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    return attended.transpose(1, 2).reshape(batch, bands, -1, heads, width).transpose(1, 2).flatten(1, 2)


def _focus_sets(tokens: int, bands: int, chosen: Tensor) -> tuple[Tensor, Tensor | None]:
    """Fᵢ of each band's tokens [bands, m], and which of the m count [bands, m]: None where all do."""
    own = torch.arange(tokens, device=chosen.device).view(-1, bands).T
    foreign = chosen % bands != torch.arange(bands, device=chosen.device)[:, None]
    counts = foreign.sum(dim=1)
    longest = int(counts.max())
    # A stable sort brings each band's foreign tokens to the front, in their order.
    order = (~foreign).int().argsort(dim=1, stable=True)[:, :longest]
    index = torch.cat([own, chosen[order]], dim=1)
    if int(counts.min()) == longest:
        return index, None
    live = torch.arange(longest, device=chosen.device) < counts[:, None]
    return index, torch.cat([torch.ones_like(own, dtype=torch.bool), live], dim=1)
