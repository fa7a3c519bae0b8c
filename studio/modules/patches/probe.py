"""Where self-attention looks: a frame × frame map averaged over a U-Net's decoder (InfiniteAudio, Fig. 2)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

_BLOCK_ELEMENTS = 2**22  # scores held at once: 16 MB in float32


class AttentionProbe:
    """Running mean of the maps of all layers, and of all forwards, seen so far."""

    def __init__(self, frames: int, bands: int) -> None:
        self.frames = frames
        self.bands = bands
        self.layers_seen = 0
        self._sum = torch.zeros(frames, frames)
        self._queries: dict[nn.Module, Tensor] = {}

    @property
    def map(self) -> Tensor:
        """Attention [T queries, T keys], float32 on the CPU; rows sum to 1.

        Raises:
            RuntimeError: no watched layer has run yet.
        """
        if not self.layers_seen:
            raise RuntimeError("no watched attention layer has run under the probe")
        return self._sum / self.layers_seen

    def _after_query(self, layer: nn.Module, _: nn.Module, args: tuple[Any, ...], query: Tensor) -> None:
        self._queries[layer] = query.detach()

    def _after_key(self, layer: nn.Module, _: nn.Module, args: tuple[Any, ...], key: Tensor) -> None:
        query = self._queries.pop(layer)
        if key.shape[1] != query.shape[1]:
            raise ValueError("the attention probe watches self-attention, this layer's keys are other tokens")
        scale = math.isqrt(self.frames * self.bands // query.shape[1])
        if scale < 1 or query.shape[1] * scale**2 != self.frames * self.bands or self.frames % scale:
            raise ValueError(f"{query.shape[1]} tokens are no level of {self.frames} × {self.bands}")
        with torch.no_grad():
            level = _frame_map(layer, query, key.detach(), self.frames // scale).cpu()
        # A level's frame stands for `scale` frames of the window: queries alike, keys sharing its weight.
        self._sum += level.repeat_interleave(scale, 0).repeat_interleave(scale, 1) / scale
        self.layers_seen += 1


@contextmanager
def attention_probe(modules: Iterable[nn.Module], frames: int, bands: int) -> Iterator[AttentionProbe]:
    """Watch self-attention layers while the model runs; its output stays bit-identical.

    Queries and keys are taken from the layers' own projections, so any processor that calls them can be
    watched, fused kernels included. A layer's map is reduced to frames in blocks of rows: no tokens × tokens
    matrix is ever whole, and one layer's map at a time exists beside the sum.

    Args:
        modules: diffusers `Attention` modules over tokens flattened time-major.
        frames: T of the latents fed to the U-Net.
        bands: F of the latents fed to the U-Net.

    Yields:
        The probe; read its `map` after a forward. The forward raises ValueError where a module turns out to
        be cross-attention, or its tokens are no level of T × F.
    """
    probe = AttentionProbe(frames, bands)
    with ExitStack() as undo:
        for layer in modules:
            for name, hook in (("to_q", probe._after_query), ("to_k", probe._after_key)):
                projection = layer.get_submodule(name)
                undo.callback(projection.register_forward_hook(partial(hook, layer)).remove)
        yield probe


def region_averages(attention_map: Tensor, regions: Mapping[str, tuple[int, int]]) -> dict[str, float]:
    """Mean attention to one key frame of each region, over the queries of all regions together.

    Frames outside every region (the buffer) count neither as queries nor as keys.

    Args:
        attention_map: [T queries, T keys].
        regions: half-open frame ranges by name.

    Raises:
        ValueError: a region is empty or leaves the map.
    """
    size = attention_map.shape[0]
    for name, (start, end) in regions.items():
        if not 0 <= start < end <= size:
            raise ValueError(f"region '{name}' is {start} to {end} in a map of {size} frames")
    rows = torch.cat([torch.arange(*span) for span in regions.values()])
    return {name: float(attention_map[rows, start:end].mean()) for name, (start, end) in regions.items()}


def _frame_map(layer: Any, query: Tensor, key: Tensor, frames: int) -> Tensor:
    """Projections [B, N, H·D] → attention between frames [frames, frames], float32, rows summing to 1."""
    query = query.unflatten(-1, (layer.heads, -1)).transpose(1, 2)
    key = key.unflatten(-1, (layer.heads, -1)).transpose(1, 2)
    if layer.norm_q is not None:
        query = layer.norm_q(query)
    if layer.norm_k is not None:
        key = layer.norm_k(key)
    batch, heads, tokens, width = query.shape
    bands = tokens // frames
    scaled = query.float().unflatten(2, (frames, bands)) * width**-0.5
    transposed = key.float().transpose(-1, -2)
    rows = max(1, _BLOCK_ELEMENTS // (batch * heads * bands * tokens))
    blocks = []
    for block in scaled.split(rows, dim=2):
        weights = torch.softmax(block.flatten(2, 3) @ transposed, dim=-1)
        by_frame = weights.unflatten(-1, (frames, bands)).sum(-1).unflatten(2, (-1, bands))
        blocks.append(by_frame.mean(dim=(0, 1, 3)))
    return torch.cat(blocks)
