"""The file beside a take that says how it was made."""

from __future__ import annotations

from pathlib import Path

from studio.core.files import replace_file
from studio.core.preset import Preset


def write_sidecar(path: Path, record: Preset) -> None:
    """Replace the file at once. Raises `OSError`."""
    replace_file(path, f"{record.to_json()}\n".encode())
