"""The same prompt and seed in every way that a tab has, and how the takes differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from studio.core.attention import Attention, DenseAttention, LiteFocusAttention, TokenMergingAttention
from studio.core.errors import InvalidRequestError
from studio.core.request import GenerationRequest
from studio.core.sampling import ConcatSampler, EndlessSampler, Strategy
from studio.dsp.spectrogram import CEILING_DB, FLOOR_DB
from studio.service.takes.library import picture_of

MAX_COMPARED_S = 120.0
MAX_SCALES = 6  # of either kind
DIFFERENCE_DB = 20.0  # is white


@dataclass(frozen=True)
class Variant:
    """One of the takes to compare; `joins_s` are the seconds at which two clips meet in it."""

    name: str
    request: GenerationRequest
    joins_s: tuple[float, ...] = ()


def variants(request: GenerationRequest, duration_s: float | None) -> list[Variant]:
    """The request by each strategy, and joined from clips of as many steps as a frame of those takes.

    Raises:
        InvalidRequestError: no length, one too long to be looked at, or a lane, which clips can't follow.
    """
    if duration_s is None or not 0 < duration_s <= MAX_COMPARED_S:
        raise InvalidRequestError(f"Compare takes of up to {MAX_COMPARED_S:g} seconds.")
    if request.lane:
        raise InvalidRequestError("Joined clips can't follow a prompt lane: empty it to compare.")

    def whole(sampler: EndlessSampler | ConcatSampler) -> GenerationRequest:
        return request.model_copy(update={"duration_s": float(duration_s), "sampler": sampler})

    sampler = request.endless
    strategies = [name for name in get_args(Strategy) if name != "auto"]
    endless = [
        Variant(f"Endless, {name}", whole(sampler.model_copy(update={"strategy": name})))
        for name in strategies
    ]
    joined = ConcatSampler(steps=sampler.steps)
    apart_s = joined.clip_s - joined.crossfade_s
    count = int((duration_s - 1e-9) // apart_s)
    joins_s = tuple(apart_s * (i + 1) for i in range(count))
    return [*endless, Variant("Clips joined end to end", whole(joined), joins_s)]


def methods(request: GenerationRequest) -> list[Variant]:
    """The clip with dense attention, and sparse in both ways: as the request says where it says how."""
    ways: dict[str, Attention] = {
        "Dense": DenseAttention(),
        "LiteFocus": LiteFocusAttention(),
        "Token merging": TokenMergingAttention(),
    }
    own = request.attention
    return [
        Variant(name, request.model_copy(update={"attention": own if own.kind == way.kind else way}))
        for name, way in ways.items()
    ]


def scales(request: GenerationRequest, text: str, acoustic: str) -> list[Variant]:
    """A dual clip at every pair of text and acoustic scales, row by row of the texts.

    Each is a list of numbers, as people write them.

    Raises:
        InvalidRequestError: no numbers, too many, or a request without a draft.
    """
    if request.draft.kind == "none":
        raise InvalidRequestError("Without a draft there are no two scales to compare: choose one.")
    rows, columns = _numbers(text, "Text scales"), _numbers(acoustic, "Acoustic scales")
    return [
        Variant(
            f"says {w_text:g} · made of {w_acoustic:g}",
            request.model_copy(
                update={
                    "guidance_scale": w_text,
                    "draft": request.draft.model_copy(update={"acoustic_scale": w_acoustic}),
                }
            ),
        )
        for w_text in rows
        for w_acoustic in columns
    ]


def sweep(request: GenerationRequest, text: str) -> list[Variant]:
    """A dual clip at every scale of a list, the same for text and draft (DC-LDM, eq. 8 and Figure 2).

    Raises:
        InvalidRequestError: no numbers, or too many.
    """
    own = request.draft
    draft = own if own.kind == "none" else own.model_copy(update={"acoustic_scale": None})
    return [
        Variant(f"w = {w:g}", request.model_copy(update={"guidance_scale": w, "draft": draft}))
        for w in _numbers(text, "w")
    ]


def _numbers(text: str, what: str) -> list[float]:
    try:
        numbers = [float(word) for word in text.replace(",", " ").replace(";", " ").split()]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= MAX_SCALES or not all(0 <= number <= 100 for number in numbers):
        raise InvalidRequestError(f"{what}: write one to {MAX_SCALES} numbers from 0 to 100, as in 1 4 8.")
    return numbers


def difference(path: Path, other: Path, width: int) -> NDArray[np.uint8]:
    """Where two takes of the same length differ: columns [width, 64], 0 for alike, 255 for 20 dB or more.

    Raises:
        InvalidRequestError: one is no sound file.
    """
    one, two = (picture_of(file, width).astype(np.int16) for file in (path, other))
    levels = (CEILING_DB - FLOOR_DB) / DIFFERENCE_DB
    apart: NDArray[np.uint8] = np.minimum(levels * np.abs(one - two), 255).astype(np.uint8)
    return apart
