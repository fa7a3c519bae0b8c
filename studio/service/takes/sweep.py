"""What processes that were killed left in the folder of takes, and that is of no use to anybody."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.files import abandoned, remove_left, sweep_parts
from studio.core.preset import load_preset
from studio.service.takes.naming import LATENTS
from studio.service.takes.wav import HEADER_BYTES, is_growing_wav

OLDER_DRAFTS = f"{'[0-9a-f]' * 64}.*.partial"  # half-written drafts of version 0.1.0


def sweep(outputs: Path) -> None:
    """Remove half-written files of ours, and takes that ended before their first sound. Never raises."""
    sweep_parts(outputs)
    with suppress(OSError):
        for folder in outputs.glob("*/"):
            sweep_parts(folder, OLDER_DRAFTS)
    with suppress(OSError):
        for path in outputs.glob("*/*.wav"):
            if path.stat().st_size == HEADER_BYTES and abandoned(path) and is_growing_wav(path):
                _remove_empty_take(path)


def _remove_empty_take(path: Path) -> None:
    sidecar = path.with_suffix(".json")
    if sidecar.exists():
        try:
            about = load_preset(sidecar).take
        except InvalidRequestError:
            return
        if about is None or about.file != path.name or about.status != "running":
            return
        remove_left(sidecar)
    remove_left(path.with_suffix(LATENTS))
    remove_left(path)
