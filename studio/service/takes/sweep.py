"""What processes that were killed left in the folder of takes, and that is of no use to anybody."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.files import PART_PATTERN
from studio.core.locks import grows
from studio.core.preset import load_preset
from studio.service.takes.wav import HEADER_BYTES, is_growing_wav

log = logging.getLogger(__name__)

LEFT_ALONE_S = 3600.0  # where locks tell nothing, somebody may still be at a file as young as that


def sweep(outputs: Path) -> None:
    """Remove half-written files of ours, and takes that ended before their first sound. Never raises."""
    with suppress(OSError):
        for path in (*outputs.glob(PART_PATTERN), *outputs.glob(f"*/{PART_PATTERN}")):
            if _abandoned(path):
                _remove(path)
        for path in outputs.glob("*/*.wav"):
            if path.stat().st_size == HEADER_BYTES and _abandoned(path) and is_growing_wav(path):
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
        _remove(sidecar)
    _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
        log.info("Removed %s, which a process that ended left without any sound", path)


def _abandoned(path: Path) -> bool:
    """Whether a file is nobody's any more."""
    return path.is_file() and not grows(path) and time.time() - path.stat().st_mtime > LEFT_ALONE_S
