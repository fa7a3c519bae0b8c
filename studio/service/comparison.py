"""The same prompt and seed in every way the Infinite tab has: each strategy, and clips joined end to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from studio.core.errors import InvalidRequestError
from studio.core.request import ConcatSampler, EndlessSampler, GenerationRequest, Strategy

MAX_COMPARED_S = 120.0


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

    sampler = request.sampler
    assert isinstance(sampler, EndlessSampler)
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
