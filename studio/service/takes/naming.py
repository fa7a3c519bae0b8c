"""File names that no prompt can break."""

from __future__ import annotations

import os
import re
import unicodedata
from datetime import datetime
from pathlib import Path

from studio.core.request import GenerationRequest

MAX_SLUG_BYTES = 100
LATENTS = ".latents.safetensors"
TAKE_SUFFIXES = (".json", ".state", LATENTS, ".wav", ".flac", ".mp3", ".ogg")
_ILLEGAL = frozenset('\\/:*?"<>|')
# Windows' devices, with any ending; it reads the superscript digits as digits.
_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|CLOCK\$|(COM|LPT)[0-9¹²³]) *(\..*)?", re.IGNORECASE)


def slug(text: str, max_bytes: int = MAX_SLUG_BYTES) -> str:
    """Text as a part of a file name on any system: no illegal or control character, capped in bytes."""
    normal = unicodedata.normalize("NFC", text)
    kept = "".join(ch for ch in normal if ch not in _ILLEGAL and (ch.isprintable() or ch.isspace()))
    joined = "_".join(kept.split())
    cut = joined.encode("utf-8", errors="ignore")[:max_bytes].decode("utf-8", errors="ignore")
    return portable(cut.strip("._ ") or "untitled")


def portable(name: str) -> str:
    """A file's name, or its stem, that is no device's on Windows: CON becomes CON_."""
    if not _DEVICES.fullmatch(name):
        return name
    device, dot, ending = name.partition(".")
    return f"{device.rstrip()}_{dot}{ending}"


def take_stem(request: GenerationRequest, when: datetime) -> str:
    """`2026-01-31_14-02-11__infinite__rain_on_tin__s42`."""
    return f"{when:%Y-%m-%d_%H-%M-%S}__{request.mode}__{slug(request.prompt)}__s{request.seed}"


def ending_of(path: Path) -> str:
    """What comes behind the stem of a take's file."""
    return LATENTS if path.name.endswith(LATENTS) else path.suffix


def free_stem(folder: Path, stem: str) -> str:
    """`stem`, or `stem_2` and so on where a take or a sidecar of that stem is in `folder` already."""
    number, candidate = 2, stem
    while any(os.path.lexists(folder / f"{candidate}{suffix}") for suffix in TAKE_SUFFIXES):
        candidate, number = f"{stem}_{number}", number + 1
    return candidate
