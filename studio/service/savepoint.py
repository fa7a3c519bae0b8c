"""Where an endless take stands, on disk beside it, so that a killed one can go on as if nothing had been."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from studio.core.audio import format_time
from studio.core.errors import InvalidRequestError
from studio.core.request import GenerationRequest
from studio.service.disk import replace_file
from studio.service.stream import SAMPLE_RATE

SUFFIX = ".state"
INTERVAL_S = 1.5
SCHEMA_VERSION = 1  # files without one are 0.1.0's: the same, but for `made_of`
# What a state means nothing without. Prompts, lane and length may change: what is to come follows the new.
_SETTINGS = ("mode", "seed", "guidance_scale", "model", "sampler", "attention", "draft")


def made_of(request: GenerationRequest, weights: str) -> dict[str, Any]:
    """What a state depends on: it can go on with these settings and these weights alone.

    `weights` is the model's fingerprint, empty where there is none to tell.
    """
    return {"weights": weights, "settings": request.model_dump(mode="json", include=set(_SETTINGS))}


def write_savepoint(path: Path, state: Mapping[str, Any], made_of: Mapping[str, Any] | None = None) -> None:
    """Replace the file at once. Raises `OSError`."""
    import torch

    # In memory first: where the disk is full, torch's own writer hides the error behind another.
    whole = BytesIO()
    torch.save({**state, "schema": SCHEMA_VERSION, "made_of": dict(made_of or {})}, whole)
    replace_file(path, whole.getbuffer(), sync=True)


def read_savepoint(path: Path) -> dict[str, Any]:
    """What `write_savepoint` wrote.

    Raises:
        InvalidRequestError: there is none, it is damaged, or a newer Longwave's.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not isinstance(state.get("samples"), int) or state["samples"] < 0:
            raise ValueError("no savepoint")
        if not isinstance(state.setdefault("schema", 0), int):
            raise ValueError("no schema")
        if not isinstance(state.setdefault("made_of", {}), dict):
            raise ValueError("nothing that it was made of")
    except FileNotFoundError as error:
        raise InvalidRequestError(
            "This take was not saved on the way: start a new one of its settings."
        ) from error
    except Exception as error:  # torch's own errors, zipfile's, pickle's: all say the file is not whole
        raise InvalidRequestError(
            "What was saved of this take is damaged, so it can't go on where it stopped: its sound is whole, "
            "and a new take can go on from its end."
        ) from error
    if state["schema"] > SCHEMA_VERSION:
        raise refusal(state, "it was saved by a newer Longwave")
    return state


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
