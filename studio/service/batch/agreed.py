"""The size of a set's units, which all who make it have to agree on: the first of them writes it down.

Two machines that would choose for themselves had other units of the same rows, and claimed past each other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.files import disk_error, part_beside
from studio.core.text import read_text
from studio.service.batch.units import MAX_BATCH

FILE = ".batch.json"
_MAX_BYTES = 1000


def agreed_batch(folder: Path, wanted: int | None, best: Callable[[], int]) -> int:
    """How many alike rows a unit of the set in this folder has: as was agreed, else `wanted`, else `best`.

    Raises:
        InvalidRequestError: another size was agreed on, what was written down can't be read, or the folder
            can't be written.
        OutOfResourcesError: the disk is full.
    """
    path = folder / FILE
    if not path.exists():
        _write_once(path, wanted or best())
    agreed = _read(path)
    if wanted is not None and wanted != agreed:
        raise InvalidRequestError(
            f"The rows in {folder} are made {agreed} at a time: leave --batch out, or take another folder."
        )
    return agreed


def _write_once(path: Path, batch: int) -> None:
    """Put the size in its place whole, unless somebody was quicker."""
    partial = part_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(partial, "xb") as file:
                file.write(json.dumps({"batch": batch}).encode())
                file.flush()
                os.fsync(file.fileno())
            _name_once(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(error, path) from error


def _name_once(partial: Path, path: Path) -> None:
    try:
        os.link(partial, path)
    except FileExistsError:
        return
    except OSError:  # a disk without hard links: two who come at the same moment read who was last
        os.replace(partial, path)


def _read(path: Path) -> int:
    try:
        said = json.loads(read_text(path, _MAX_BYTES))
        batch = said["batch"] if isinstance(said, dict) else None
        if isinstance(batch, int) and not isinstance(batch, bool) and 1 <= batch <= MAX_BATCH:
            return batch
    except (OSError, ValueError, KeyError):
        pass
    raise InvalidRequestError(f"{path} can't be read: remove it, and say --batch as it was.")
