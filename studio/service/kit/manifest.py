"""The manifest of a kit: what an engine, a script or a person has to know of its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from studio import __version__
from studio.core.kit import KitPlan
from studio.core.request import GenerationRequest
from studio.service.kit import licences, sheet
from studio.service.kit.apart import MEASURE
from studio.service.kit.parts import BITS, Part

FILE = "manifest.json"
SCHEMA_VERSION = 1


@dataclass
class Findings:
    """What came of a kit beside its files. `notes` are sentences on what is not as it was asked for."""

    gain_db: float = 0.0
    distances: list[list[float]] = field(default_factory=list)
    least: float | None = None
    loops_made: int = 0
    notes: list[str] = field(default_factory=list)


def manifest(
    request: GenerationRequest,
    plan: KitPlan,
    parts: Sequence[Part],
    found: Findings,
    created: datetime,
) -> dict[str, Any]:
    """The kit as JSON holds it."""
    first = parts[0]
    states = [part.file for part in parts if part.kind == "state"]
    apart = [part.file for part in parts if part.kind in ("bed", "variation")]
    return {
        "schema_version": SCHEMA_VERSION,
        "name": request.prompt,
        "created": created.isoformat(timespec="seconds"),
        "program": f"Longwave {__version__}",
        "model": {"id": request.model.id, "licence": licences.licence_in_words(request.model.id)},
        "licences": licences.FILE,
        "spectrograms": sheet.FILE,
        "sample_rate": first.loop.sample_rate,
        "bits": BITS,
        "channels": request.channels,
        "gain_db": round(found.gain_db, 2),
        "files": [_told(part) for part in parts],
        "crossfade": {"files": [first.file, *states], "same_length": True} if states else None,
        "variations": {
            "files": apart,
            "measure": MEASURE,
            "asked": plan.distance,
            "reached": found.least,
            "distances": found.distances,
            "loops_made": found.loops_made,
        },
        "notes": found.notes,
        "settings": request.model_dump(mode="json"),
        "plan": plan.model_dump(mode="json"),
    }


def _told(part: Part) -> dict[str, Any]:
    """A file, its places in samples: a loop's end, and an event's, are the one after the last."""
    request, measured, event = part.loop.request, part.measured, part.event
    samples = len(part.loop.read()) if event is None else event.end - event.start
    told: dict[str, Any] = {
        "file": part.file,
        "kind": part.kind,
        "label": part.label,
        "prompt": request.prompt,
        "seed": request.seed,
        "samples": samples,
        "seconds": round(samples / part.loop.sample_rate, 6),
        "loop": [0, samples] if event is None else None,
        "lufs": _tenth(measured.lufs),
        "momentary_lufs": _tenth(measured.momentary_lufs),
        "true_peak_dbtp": _tenth(measured.true_peak_dbtp),
    }
    if part.loop.seeds:
        told["layers"] = list(part.loop.seeds)
    if part.same_as:
        told["same_as"] = part.same_as
    if event is not None:
        told["cut_from"] = {"file": part.of, "start": event.start, "end": event.end}
        told["onset"] = event.onset - event.start
    return told


def _tenth(value: float | None) -> float | None:
    return None if value is None else round(value, 1) + 0.0
