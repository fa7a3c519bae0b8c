"""Where an endless take stands, on disk beside it, so that a killed one can go on as if nothing had been."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from studio.core.errors import InvalidRequestError
from studio.core.files import replace_file
from studio.pipeline.checkpoint import SCHEMA_VERSION, refusal

SUFFIX = ".state"
INTERVAL_S = 1.5


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
