"""The file beside a take that says how it was made."""

from __future__ import annotations

import json
from pathlib import Path

from studio.core.preset import Preset
from studio.service.disk import replace_file


def write_sidecar(path: Path, record: Preset) -> None:
    """Replace the file at once. Raises `OSError`.

    What no encoding can hold, as parts of some file names, is written as JSON's own escapes.
    """
    text = json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=1)
    replace_file(path, f"{text}\n".encode(errors="backslashreplace"))
