"""The file beside a take that says how it was made."""

from __future__ import annotations

import os
from pathlib import Path

from studio.core.preset import Preset


def write_sidecar(path: Path, record: Preset) -> None:
    """Replace the file at once, so that a kill leaves the old one or the new one. Raises `OSError`."""
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
