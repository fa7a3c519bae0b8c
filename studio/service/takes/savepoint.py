"""Where an endless take stands, on disk beside it, so that a killed one can go on as if nothing had been."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.files import replace_file
from studio.pipeline.checkpoint import DAMAGED, EndlessCheckpoint

SUFFIX = ".state"
INTERVAL_S = 1.5


def write_savepoint(path: Path, checkpoint: EndlessCheckpoint) -> None:
    """Replace the file at once. Raises `OSError`."""
    import torch

    # In memory first: where the disk is full, torch's own writer hides the error behind another.
    whole = BytesIO()
    torch.save(checkpoint.to_dict(), whole)
    replace_file(path, whole.getbuffer(), sync=True)


def read_savepoint(path: Path) -> EndlessCheckpoint:
    """What `write_savepoint` wrote.

    Raises:
        InvalidRequestError: there is none, it is damaged, or a newer Longwave's.
    """
    import torch

    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InvalidRequestError(
            "This take was not saved on the way: start a new one of its settings."
        ) from error
    except Exception as error:  # torch's own errors, zipfile's, pickle's: all say the file is not whole
        raise InvalidRequestError(DAMAGED) from error
    return EndlessCheckpoint.from_dict(values)
