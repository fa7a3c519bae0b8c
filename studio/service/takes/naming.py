"""File names that no prompt can break."""

from __future__ import annotations

import os
import re
import string
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from studio.core.palette import category_of
from studio.core.preset import Preset
from studio.core.request import GenerationRequest
from studio.core.text import one_line
from studio.service.takes.export_range import ExportRangeError

MAX_SLUG_BYTES = 100
LATENTS = ".latents.safetensors"
MAX_PATTERN_BYTES = 180  # of an export's stem, before what tells it from others of its name
_MAX_FIELD_BYTES = 80
_FIELDS = ("date", "time", "prompt", "seed", "variation", "category", "mode", "model")
TAKE_SUFFIXES = (".json", ".state", LATENTS, ".wav", ".flac", ".mp3", ".ogg", ".opus")
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


def pattern_stem(pattern: str, record: Preset | None, stem: str, more: Mapping[str, str]) -> str:
    """The stem of an export's file by a pattern such as `{date}_{prompt}_{seed}`.

    Args:
        record: of the take; what it would say is empty where there is none.
        stem: the take's own, `{name}`.
        more: further fields by their names.

    Raises:
        ExportRangeError: a field that there is not, or braces that don't match.
    """
    known = {**_values(record), "name": stem, **more}
    made, silent = "", False
    try:
        for literal, field, form, conversion in string.Formatter().parse(pattern):
            made += literal.lstrip("_- ") if silent else literal  # what stood between it and the field before
            if field is None:
                continue
            if field not in known or form or conversion:
                listed = ", ".join(f"{{{name}}}" for name in known)
                shown = one_line(field)[:40]
                raise ExportRangeError("name", f"No name has a field {{{shown}}}: choose from {listed}.")
            silent = not known[field]
            made += "" if silent else slug(known[field], _MAX_FIELD_BYTES)
    except ValueError as error:
        raise ExportRangeError(
            "name", "A brace in the name has no other: write fields as {prompt}."
        ) from error
    return slug(made, MAX_PATTERN_BYTES)


def _values(record: Preset | None) -> dict[str, str]:
    """What a record says of its take, by the fields of a pattern."""
    take = record.take if record is not None else None
    if record is None or take is None:
        return dict.fromkeys(_FIELDS, "")
    date, _, time = take.created.partition("T")
    prompt = str(record.settings.get("prompt") or record.name)
    return {
        "date": date,
        "time": time[:8].replace(":", "-"),
        "prompt": prompt,
        "seed": str(record.settings.get("seed", "")),
        "variation": str(take.group.position if take.group else 1),
        "category": category_of(prompt),
        "mode": record.mode,
        "model": record.model_id.rpartition("/")[2],
    }


def free_path(path: Path) -> Path:
    """`path`, or with a number before its suffix where something is there already."""
    number, candidate = 2, path
    while os.path.lexists(candidate):
        candidate, number = path.with_name(f"{path.stem}_{number}{path.suffix}"), number + 1
    return candidate


def free_stem(folder: Path, stem: str) -> str:
    """`stem`, or `stem_2` and so on where a take or a sidecar of that stem is in `folder` already."""
    number, candidate = 2, stem
    while any(os.path.lexists(folder / f"{candidate}{suffix}") for suffix in TAKE_SUFFIXES):
        candidate, number = f"{stem}_{number}", number + 1
    return candidate
