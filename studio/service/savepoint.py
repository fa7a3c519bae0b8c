"""Where an endless take stands, on disk beside it, so that a killed one can go on as if nothing had been."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from studio.core.errors import InvalidRequestError
from studio.service.disk import replace_file

SUFFIX = ".state"
INTERVAL_S = 1.5


def write_savepoint(path: Path, state: Mapping[str, Any]) -> None:
    """Replace the file at once. Raises `OSError`."""
    import torch

    # In memory first: where the disk is full, torch's own writer hides the error behind another.
    whole = BytesIO()
    torch.save(dict(state), whole)
    replace_file(path, whole.getbuffer(), sync=True)


def read_savepoint(path: Path) -> dict[str, Any]:
    """What `write_savepoint` wrote.

    Raises:
        InvalidRequestError: there is none, or it is damaged.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not isinstance(state.get("samples"), int):
            raise ValueError("no savepoint")
    except FileNotFoundError as error:
        raise InvalidRequestError(
            "This take was not saved on the way: start a new one of its settings."
        ) from error
    except Exception as error:  # torch's own errors, zipfile's, pickle's: all say the file is not whole
        raise InvalidRequestError(
            "What was saved of this take is damaged: start a new one of its settings."
        ) from error
    return state
