"""What is wrong with a request, in the words of its fields: one sentence for page, command line and API.

Bounds are read off the models themselves, so that a sentence can't say another than the one that is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import annotated_types as bound
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from studio.core import schema
from studio.core.errors import InvalidRequestError
from studio.core.fields import label_of
from studio.core.modes import MODES
from studio.core.text import one_line

_SHOWN_CHARS = 60

# What no face offers: groups, parts of a lane, settings of samplers that no tab has, a preset's own.
NAMES = {
    "mode": "Tab",
    "lane.at_s": "Time of a change",
    "lane.prompt": "Prompt of a change",
    "model": "Model",
    "sampler": "Sampler",
    "sampler.clip_s": "Length of a joined clip (seconds)",
    "sampler.crossfade_s": "Crossfade (seconds)",
    "attention": "Attention",
    "attention.ratio": "LiteFocus share r",
    "draft": "Draft",
    "draft.top_p": "Top p",
    "draft.guidance_scale": "The draft's guidance",
    "draft.sha256": "The recording's fingerprint",
    "draft.file": "The recording's name",
    "speech": "Speech",
    # Of a change of scene by itself, and of a preset or a take's sidecar.
    "at_s": "Time of a change",
    "schema_version": "Schema",
    "name": "Name",
    "description": "Description",
    "settings": "Settings",
    "take": "The take's record",
    "take.loop": "The take's loop",
    "take.edit": "What the take was made of",
    # Of a kit.
    "variations": "Variations",
    "distance": "Distance",
    "tries": "Tries",
    "states": "Light and heavy",
    "light": "The light state's prompt",
    "heavy": "The heavy state's prompt",
    "shots": "One-shots",
    "lufs": "Loudness",
    "rate": "Sample rate",
    "plan": "The kit",
    # Of a scene.
    "kind": "Kind",
    "length_s": "The scene's length",
    "ceiling_dbtp": "The ceiling",
    "layers": "The layers",
    "layers.name": "Its name",
    "layers.take": "Its take",
    "layers.request": "Its request",
    "layers.gain_db": "Its gain",
    "layers.pan": "Its pan",
    "layers.mute": "Mute",
    "layers.solo": "Solo",
    "layers.offset_s": "Its offset",
    "layers.start_s": "Its beginning",
    "layers.end_s": "Its end",
    "layers.loop": "Loop",
    "layers.crossfade_s": "Its crossfade",
    "layers.fade_in_s": "Its fade-in",
    "layers.fade_out_s": "Its fade-out",
    # Of an edit.
    "start_s": "The span's beginning",
    "end_s": "The span's end",
    "strength": "Strength",
    "steps": "Steps",
    "left_s": "Seconds on the left",
    "right_s": "Seconds on the right",
    "bridge_s": "The bridge's length",
    "leave_s": "Where the first take is left",
    "enter_s": "Where the second take is entered",
    "bpm": "The tempo in BPM",
    "bars": "The number of bars",
    "share": "The share of the noise",
}
# Where no bound tells what a value has to be.
WANTED = {
    "model.device": "must be auto, cpu, mps, cuda, or cuda with a number as in cuda:0",
    "draft.sha256": "is of no recording that is kept here: choose the recording again",
}
_WRONG = "wrong"


def wrong(field: str, problem: str) -> PydanticCustomError:
    """What a validator of several fields raises of the one that is at fault."""
    # Pydantic would take braces for places to fill in.
    return PydanticCustomError(_WRONG, "{problem}", {"problem": problem, "field": field})


class FieldError(InvalidRequestError):
    """A field can't be what it is: its place in a request, its label on the page, and what is wrong."""

    def __init__(self, field: str, label: str, problem: str) -> None:
        super().__init__(f"{label} {problem}." if label else f"{problem[:1].upper()}{problem[1:]}.")
        self.field = field
        self.label = label
        self.problem = problem


def first_error(error: ValidationError, model: type[BaseModel], mode: object = "") -> FieldError:
    """The first validation error of a value of `model`, as a sentence a user can act on.

    `mode` is the tab it comes from, for what the field is called there.
    """
    detail = error.errors()[0]
    tab = mode if isinstance(mode, str) else ""
    place = _find(model, detail["loc"], tab)
    kind, _, _ = detail["type"].partition("_")
    if detail["type"] == "extra_forbidden":
        return FieldError("", "", f"'{_cut(detail['loc'][-1])}' is no setting of Longwave: take it out")
    problem = _problem(kind, detail, place)
    if detail["type"] not in {"value_error", "missing", _WRONG} and place.field != "draft.sha256":
        problem += _got(detail.get("ctx", {}).get("tag", detail.get("input")))
    field = detail.get("ctx", {}).get("field", place.field) + (".kind" if kind == "union" else "")
    return FieldError(field, place.label or _named(field, tab), problem)


def first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """The sentence of `first_error`."""
    return str(first_error(error, model))


@dataclass(frozen=True)
class _Place:
    """Where an error is: the field, what it is called, its type and constraints, and whose member it is."""

    field: str
    label: str
    annotation: Any
    metadata: tuple[Any, ...]


def _find(model: type[BaseModel], loc: Sequence[int | str], tab: str) -> _Place:
    """Follow a place through models, lists, and the tags by which pydantic names the members of a union."""
    annotation: Any = model
    names: list[str] = []
    tagged: list[str] = []
    nth, metadata = 0, ()
    for part in loc:
        owner = next((one for one in schema.parts(annotation) if schema.is_model(one)), None)
        members = {schema.tag(one): one for one in schema.parts(annotation) if schema.is_model(one)}
        if isinstance(part, int):
            nth = part + 1
            annotation, metadata = next(iter(schema.items(annotation)), Any), ()
        elif part in members and len(members) > 1:
            annotation = members[part]
            tagged.append(part)
        elif owner is not None and part in owner.model_fields:
            field: FieldInfo = owner.model_fields[part]
            annotation, metadata = field.annotation, tuple(field.metadata)
            names.append(part)
            tagged.append(part)
    path = ".".join(names)
    label = next((name for one in (".".join(tagged), path, *names[:1]) if (name := _named(one, tab))), "")
    if nth and names[:1] == ["lane"]:
        label = f"{label} ({nth} in the lane)"
    elif nth and names[:1] == ["layers"]:
        label = f"Layer {nth}:" + (f" {label[:1].lower()}{label[1:]}" if names[1:] else "")
    return _Place(path, label, annotation, metadata)


def _named(path: str, tab: str) -> str:
    return label_of(path, tab) or NAMES.get(path, "")


def _problem(kind: str, detail: ErrorDetails, place: _Place) -> str:
    limits = list(schema.limits(place.annotation, place.metadata))
    if detail["type"] in {"value_error", _WRONG}:
        return detail["msg"].removeprefix("Value error, ").rstrip(".")
    if detail["type"] == "missing":
        return "is missing: give one"
    if place.field == "mode":
        return _one_of(list(MODES))
    if place.field in WANTED:
        return WANTED[place.field]
    if kind == "union":
        return _one_of(
            sorted(schema.tag(one) for one in schema.parts(place.annotation) if schema.is_model(one))
        )
    parts = schema.parts(place.annotation)
    choices = [choice for one in parts for choice in schema.choices(one)]
    if choices:
        return _one_of(choices)
    if any(schema.is_model(one) for one in parts):
        return "must be a group of settings"
    if bool in parts:
        return "must be on or off"
    if int in parts or float in parts:
        return f"must be a {'whole ' if int in parts else ''}number{_range(limits)}"
    if str in parts:
        return f"must be text{_length(limits)}"
    most = next((_number(limit.max_length) for limit in limits if isinstance(limit, bound.MaxLen)), "")
    return f"must be a list of up to {most}" if most else "must be a group of settings"


def _range(limits: Sequence[Any]) -> str:
    low = next((one.ge for one in limits if isinstance(one, bound.Ge)), None)
    above = next((one.gt for one in limits if isinstance(one, bound.Gt)), None)
    high = next((one.le for one in limits if isinstance(one, bound.Le)), None)
    below = next((one.lt for one in limits if isinstance(one, bound.Lt)), None)
    if low is not None and high is not None:
        return f" from {_number(low)} to {_number(high)}"
    words = [
        f"{word} {_number(limit)}"
        for word, limit in (("from", low), ("above", above), ("at most", high), ("below", below))
        if limit is not None
    ]
    return f" {' and '.join(words)}" if words else ""


def _length(limits: Sequence[Any]) -> str:
    least = next((one.min_length for one in limits if isinstance(one, bound.MinLen)), 0)
    most = next((one.max_length for one in limits if isinstance(one, bound.MaxLen)), None)
    if most is None:
        return " that is not empty" if least else ""
    return f" of {f'{_number(least)} to' if least else 'up to'} {_number(most)} characters"


def _one_of(choices: Sequence[str]) -> str:
    *most, last = choices or ["as it was"]
    return f"must be one of {', '.join(most)} or {last}" if most else f"must be {last}"


def _number(value: Any) -> str:
    return f"{int(value):,}" if float(value).is_integer() else f"{value:g}"


def _got(value: object) -> str:
    """What was there instead, as one would say it; nothing where that is a whole structure."""
    if value is None or value == "":
        return " (it is empty)"
    if isinstance(value, float) and math.isnan(value):
        return " (it is not a number)"
    if isinstance(value, (bool, list, tuple, dict, set, bytes, BaseModel)):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    try:
        text = str(value)
    except (RecursionError, ValueError):  # a number of thousands of digits
        return ""
    if isinstance(value, int):
        text = f"{value:,}"
    return f" (it is {len(text):,} long)" if len(text) > 10 * _SHOWN_CHARS else f" (it is {_cut(text)})"


def _cut(text: object) -> str:
    line = one_line(str(text))
    return line if len(line) <= _SHOWN_CHARS else f"{line[: _SHOWN_CHARS - 1]}…"
