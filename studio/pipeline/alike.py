"""Which clips may be denoised side by side: looked up without the libraries that do it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from studio.core.errors import InvalidRequestError
from studio.core.request import GenerationRequest
from studio.core.sampling import ClipSampler

# What each clip of a batch may have for itself.
_OWN = {"mode", "prompt", "negative_prompt", "seed", "draft", "speech"}
_SHARED = sorted(set(GenerationRequest.model_fields) - _OWN)
IN_ONE_PIECE = "Only clips in one piece are made side by side: choose the clip sampler."
UNLIKE = (
    "Clips are made side by side where all but their prompts, seeds, drafts and words are alike: {} differs."
)


def likeness(request: GenerationRequest) -> Hashable | None:
    """What is one and the same for all clips that `require_alike` lets together; None where it is no clip."""
    if not isinstance(request.sampler, ClipSampler):
        return None
    return tuple(getattr(request, name) for name in _SHARED), _steering(request)


def require_alike(requests: Sequence[GenerationRequest]) -> None:
    """Raise `InvalidRequestError` where requests can't be denoised in one batch: names what differs."""
    if not all(isinstance(request.sampler, ClipSampler) for request in requests):
        raise InvalidRequestError(IN_ONE_PIECE)
    first = requests[0]
    for request in requests[1:]:
        for name in _SHARED:
            if getattr(request, name) != getattr(first, name):
                raise InvalidRequestError(UNLIKE.format(name))
        if _steering(request) != _steering(first):
            raise InvalidRequestError(UNLIKE.format("how the draft or the words steer"))


def _steering(request: GenerationRequest) -> tuple[Any, ...]:
    draft = request.draft.kind == "none", request.acoustic_scale, request.skipped_steps
    return *draft, bool(request.speech.text), request.speech.scale
