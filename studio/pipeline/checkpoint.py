"""Where an endless take stands, and what can go on from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studio.core.audio import SAMPLE_RATE, format_time
from studio.core.errors import InvalidRequestError
from studio.core.request import GenerationRequest

SCHEMA_VERSION = 1  # files without one are 0.1.0's: the same, but for `made_of`
# What a state means nothing without. Prompts, lane and length may change: what is to come follows the new.
_SETTINGS = ("mode", "seed", "guidance_scale", "model", "sampler", "attention", "draft")


def made_of(request: GenerationRequest, weights: str) -> dict[str, Any]:
    """What a state depends on: it can go on with these settings and these weights alone.

    `weights` is the model's fingerprint, empty where there is none to tell.
    """
    return {"weights": weights, "settings": request.model_dump(mode="json", include=set(_SETTINGS))}


def require_same(state: Mapping[str, Any], request: GenerationRequest, weights: str) -> None:
    """Raise `InvalidRequestError` where a state is of other settings, or of other weights than are here."""
    then, now = state["made_of"], made_of(request, weights)
    if not then:
        return  # 0.1.0 kept no record of it
    if then.get("weights") and weights and then["weights"] != weights:
        raise refusal(state, f"its model {request.model.id} has other weights now")
    before = then.get("settings")
    if before != now["settings"]:
        raise refusal(state, "its settings were changed since")


def refusal(state: Mapping[str, Any], why: str) -> InvalidRequestError:
    """That a take can't go on from its state, why, and what can be done with what there is of it."""
    length = format_time(state["samples"] / SAMPLE_RATE)
    return InvalidRequestError(
        f"This take can't go on where it stopped: {why}. Its {length} of sound are whole, and a new take can "
        "go on from their end."
    )
