"""What every record of a take is made of, be it made by a job or as a row of a set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.core.edit import EditRecord
from studio.core.errors import StudioError
from studio.core.preset import Marker, Preset, PromptChange, load_preset
from studio.core.request import GenerationRequest
from studio.core.speech import Said, Sentence, format_script
from studio.service.takes.tags import read_comment


@dataclass(frozen=True)
class EditNotes:
    """What the record of an edited take says beside its settings; `cues` None are the settings' own."""

    name: str
    edit: EditRecord
    cues: tuple[PromptChange, ...] | None = None
    said: tuple[Said, ...] = ()
    loop: tuple[int, int] | None = None
    markers: tuple[Marker, ...] = ()


def cues_of(request: GenerationRequest, duration_s: float) -> tuple[PromptChange, ...]:
    """The prompts heard in so many seconds, in their order, and from when on."""
    heard = [point for point in request.lane if 0 < point.at_s < duration_s]
    at_start = [point.prompt for point in request.lane if point.at_s == 0]
    first = PromptChange(at_s=0.0, prompt=(at_start or [request.prompt])[-1])
    later = sorted(heard, key=lambda point: point.at_s)
    return (first, *(PromptChange(at_s=point.at_s, prompt=point.prompt) for point in later))


def with_script(request: GenerationRequest, script: tuple[Sentence, ...]) -> GenerationRequest:
    """The request with the script as it was read."""
    speech = request.speech.model_copy(update={"text": format_script(script).rstrip("\n")})
    return request.model_copy(update={"speech": speech})


def told_of(path: Path) -> str:
    """What a take's sound says of itself, with the markers that its sidecar has, which are set later.

    Where the sound says nothing yet, being interrupted, it is the sidecar's.

    Raises:
        OSError: the sound can't be read.
    """
    said = read_comment(path)
    try:
        record = load_preset(path.with_suffix(".json"))
    except (StudioError, OSError):
        return said
    if not said:
        return comment_of(record)
    markers = record.take.markers if record.take else ()
    return _marked(said, markers) if markers else said


def _marked(comment: str, markers: Sequence[Marker]) -> str:
    """A take's JSON with these markers; any other comment as it is."""
    try:
        told = json.loads(comment)
        told["take"]["markers"] = [one.model_dump() for one in markers]
    except (ValueError, TypeError, KeyError):
        return comment
    return json.dumps(told)


def comment_of(record: Preset) -> str:
    """The record as one line of ASCII JSON: MP3's tags garble other characters."""
    return json.dumps(record.model_dump(mode="json"))
