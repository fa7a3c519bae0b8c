"""A run's state on disk: written whole or not at all, and resumed by a run of the same settings alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from studio.core.errors import InvalidRequestError
from studio.core.files import replacing, sweep_parts


def save_run(file: Path, of: dict[str, Any], state: dict[str, Any]) -> None:
    """Write `state`, and beside it `of` what settings it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sweep_parts(file.parent, f"{file.stem}.partial")
    with replacing(file) as part:
        torch.save({"of": of, **state}, part)


def load_run(file: Path, of: dict[str, Any]) -> dict[str, Any] | None:
    """The state that was saved; None where none was.

    Raises:
        InvalidRequestError: it is of other settings.
    """
    if not file.is_file():
        return None
    state = torch.load(file, map_location="cpu", weights_only=True)
    theirs = state.get("of", {})
    other = [name for name in of if of[name] != theirs.get(name)]
    if other:
        raise InvalidRequestError(
            f"The run in {file.parent.name} was begun with other {', '.join(other)}: "
            "give the same, or another folder for --runs."
        )
    return state
