"""What sparse attention saves on this machine: one kernel and one forward of the U-Net, method by method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from statistics import median
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from studio.backends.device import choose_device, choose_dtype
from studio.backends.shapes import random_unet
from studio.core.attention import MERGED, WITH_RATIO, SparseMethod, by_method
from studio.core.errors import InvalidRequestError
from studio.core.request import ModelChoice
from studio.core.values import FRAME_S
from studio.evaluation.benchmarks.endless import Stopwatch
from studio.evaluation.benchmarks.shares import time_modules
from studio.modules.blocks import choose_blocks
from studio.modules.patches.lite_focus import chosen_attention, draw_tokens, focus_attention, ratio_for
from studio.modules.patches.methods import attending
from studio.modules.patches.token_merging import draw_keepers, match_tokens
from studio.pipeline.model_cache import ModelCache
from studio.pipeline.peak_memory import rise_mb

METHODS: tuple[SparseMethod, ...] = get_args(SparseMethod)
LATENT_CHANNELS, BANDS = 8, 16
TEXT_STATES = (8, 24)  # as many as GPT-2 makes, and T5 of a prompt of usual length


def load_unet(choice: ModelChoice, shape: str | None, backends: ModelCache) -> tuple[Any, dict[str, Any]]:
    """The U-Net to measure, a checkpoint's or one of a shape with random weights, and what to call it."""
    if shape is None:
        backend = backends.get(choice)
        unet, name = backend.unet, backend.id
        if unet is None:
            raise InvalidRequestError("This model has no attention to make sparse: choose another --model.")
    else:
        device = choose_device(choice.device)
        unet, name = random_unet(shape, device, choose_dtype(choice.dtype, device)), shape
    about = {"device": str(unet.device), "dtype": str(unet.dtype).removeprefix("torch.")}
    return unet, {"model": name, **about, "threads": torch.get_num_threads()}


def bench_sparse(
    unet: Any,
    durations_s: Sequence[float],
    *,
    repeats: int = 3,
    batch: int = 1,
    ratio: float | None = None,
    blocks: Sequence[str] = (),
    show: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Medians of `repeats`, the methods taking turns so that a machine's moods fall on all of them alike.

    The kernel is one self-attention of the sparse blocks from projected tokens to attended ones, drawing and
    gathering included; token merging's likeness too. `peak_mb` is what one forward holds beyond what is held
    at rest.

    Args:
        unet: a diffusers U-Net for latents [B, 8, T, 16].
        durations_s: lengths of sound, from short to long.
        batch: 1, or 2 as under guidance.
        ratio: r of the methods that have one; by each length's rule where none is given.
        blocks: which attend otherwise than densely (`modules.blocks`); by default the paper's.
        show: told what is measured.
    """
    rows = []
    for duration_s in sorted(durations_s):
        r = ratio_for(duration_s) if ratio is None else ratio
        patched = partial(_patched, unet, ratio=r, blocks=blocks)
        frames = frames_for(unet, duration_s)
        kernels = {m: _kernel(unet, blocks, m, frames, batch, r) for m in METHODS}
        forward = _forward(unet, frames, batch)
        show(f"{duration_s:g} s: one attention")
        kernel_ms = _medians(unet, kernels, repeats, lambda _: nullcontext())
        show(f"{duration_s:g} s: the whole U-Net")
        forward_ms = _medians(unet, dict.fromkeys(METHODS, forward), repeats, patched)
        for method in METHODS:
            show(f"{duration_s:g} s: memory of {method}")
            with patched(method), torch.inference_mode():
                peak_mb = rise_mb(str(unet.device), forward)
            rows.append(
                {
                    "seconds": duration_s,
                    "method": method,
                    "ratio": r if method in WITH_RATIO else None,
                    "kernel_ms": round(kernel_ms[method], 2),
                    "forward_ms": round(forward_ms[method], 1),
                    "peak_mb": round(peak_mb, 1),
                    "kernel_speedup": round(kernel_ms["dense"] / kernel_ms[method], 3),
                    "forward_speedup": round(forward_ms["dense"] / forward_ms[method], 3),
                }
            )
    return rows


def bench_shares(
    unet: Any,
    durations_s: Sequence[float],
    *,
    repeats: int = 3,
    batch: int = 1,
    show: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """The share of each kind of module in a dense forward, at each length (LiteFocus, Fig. 1b).

    `forward_ms` is a forward that nobody looks into, `overhead` how much longer one takes that is looked
    into. Arguments are `bench_sparse`'s.
    """
    rows = []
    for duration_s in sorted(durations_s):
        show(f"{duration_s:g} s: where the time goes")
        call = _forward(unet, frames_for(unet, duration_s), batch)
        times = time_modules(unet, call, repeats=repeats)
        shares = {kind: round(share, 4) for kind, share in times.shares.items()}
        timed = {"forward_ms": round(times.forward_ms, 1), "overhead": round(times.overhead, 4)}
        rows.append({"seconds": duration_s, **shares, **timed})
    return rows


def frames_for(unet: Any, duration_s: float) -> int:
    """Latent frames that hold so many seconds, as the U-Net takes them."""
    multiple = 2 ** (len(unet.config.block_out_channels) - 1)
    return max(1, round(duration_s / FRAME_S / multiple)) * multiple


def _patched(
    unet: nn.Module, method: SparseMethod, *, ratio: float, blocks: Sequence[str]
) -> AbstractContextManager[nn.Module]:
    wanted = by_method(method, ratio, tuple(blocks))
    return attending(unet, wanted, torch.Generator().manual_seed(0), seconds=0.0)


def _kernel(
    unet: Any, blocks: Sequence[str], method: str, frames: int, batch: int, ratio: float
) -> Callable[[], Tensor]:
    """The first sparse block's attention, over random tokens of its size, from projections on."""
    name, transformers = next(iter(choose_blocks(unet, blocks).items()))
    attention: Any = transformers[0].get_submodule("transformer_blocks.0.attn1")
    level = len(unet.down_blocks) - 1 if name == "mid" else int(name[-1]) - 1  # how often it was halved
    frames, bands = frames >> level, BANDS >> level
    heads, generator = attention.heads, torch.Generator().manual_seed(0)
    shape = (3, batch, frames * bands, heads, attention.to_q.out_features // heads)
    query, key, value = torch.randn(shape, generator=generator).to(unet.device, unet.dtype)

    def dense(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2)

    def focused() -> Tensor:
        r = ratio if method in WITH_RATIO else 0.0
        sampling: Any = "balanced" if method == "balanced" else "uniform"
        chosen = draw_tokens(frames, bands, r, sampling, generator)
        if method == "compensation":
            return chosen_attention(query, key, value, chosen)
        return focus_attention(query, key, value, bands, chosen)

    def merged() -> Tensor:
        keepers = draw_keepers(frames, bands, generator, cut=method == "tome")
        matching = match_tokens(key.flatten(2), keepers, MERGED)
        fewer = [matching.merge(p.flatten(2)).unflatten(-1, (heads, -1)) for p in (query, key, value)]
        return matching.unmerge(dense(*fewer).flatten(2))

    if method.startswith("tome"):
        return merged
    return focused if method != "dense" else lambda: dense(query, key, value)


def _forward(unet: Any, frames: int, batch: int) -> Callable[[], Tensor]:
    """One call of the U-Net on noise, with as much text as its kind reads."""
    sample = noise_for(unet, batch, LATENT_CHANNELS, frames, BANDS)
    text, timesteps = text_for(unet, batch), torch.full((batch,), 500, device=unet.device)
    return lambda: unet(sample, timesteps, **text, return_dict=False)[0]


def noise_for(unet: Any, *shape: int) -> Tensor:
    """Gaussian noise of this shape, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(unet.device, unet.dtype)


def text_for(unet: Any, batch: int) -> dict[str, Any]:
    """Arguments of a U-Net's call that say as much text as its kind reads."""
    widths = unet.config.cross_attention_dim
    if unet.config.class_embed_type is not None:
        labels = noise_for(unet, batch, unet.config.projection_class_embeddings_input_dim)
        return {"encoder_hidden_states": None, "class_labels": labels}
    if isinstance(widths, int):
        return {"encoder_hidden_states": noise_for(unet, batch, TEXT_STATES[1], widths)}
    first, second = (width for width in widths[-1] if width)
    return {
        "encoder_hidden_states": noise_for(unet, batch, TEXT_STATES[0], first),
        "encoder_hidden_states_1": noise_for(unet, batch, TEXT_STATES[1], second),
    }


@torch.inference_mode()
def _medians(
    unet: Any,
    calls: dict[SparseMethod, Callable[[], Tensor]],
    repeats: int,
    around: Callable[[SparseMethod], AbstractContextManager[Any]],
) -> dict[SparseMethod, float]:
    """Milliseconds of each call, once unmeasured and then `repeats` times in turn."""
    taken: dict[SparseMethod, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            with around(name):
                took_ms = _timed_ms(unet.device, call)
            if turn:
                taken[name].append(took_ms)
    return {name: median(values) for name, values in taken.items()}


def _timed_ms(device: torch.device, call: Callable[[], Tensor]) -> float:
    watch = Stopwatch(device)
    with watch:
        call()
    return watch.mean_ms
