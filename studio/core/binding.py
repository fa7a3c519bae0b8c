"""Values by the names of fields ↔ a request, by the table of fields: for form, command line and API alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from studio.core import schema
from studio.core.defaults import EFFORTS, DefaultsOf, ModelDefaults
from studio.core.draft import RecordedDraft
from studio.core.field import SCHEMA, Field
from studio.core.fields import fields_of, on_page
from studio.core.modes import MODES
from studio.core.preset import Preset
from studio.core.prompt_schedule import format_lane, opening_prompt, parse_lane
from studio.core.request import GenerationRequest, parse_request
from studio.core.usual import (
    SAID,
    USUAL,
    default_of,
    holds,
    is_kind,
    model_of,
    usual_kind,
    with_usual,
)

Values = Mapping[str, Any]  # by the names of fields
HEARD = ("model", "acoustic_scale", "strength")  # what every kind of draft has
GROUPS = ("sampler", "attention", "draft")


def bind(
    mode: str,
    values: Values,
    defaults_of: DefaultsOf,
    *,
    preset: Preset | None = None,
    recorded: RecordedDraft | None = None,
    fitting: Collection[str] = (),
    fixed: Values | None = None,
) -> GenerationRequest:
    """The request of a mode's values, of those that are given, over a preset's settings.

    Args:
        mode: names the rows of the table, and the settings where there is no preset.
        values: as a request holds them; those of fields without a path are no part of it.
        defaults_of: what holds of the model where neither values nor preset say otherwise.
        preset: what holds where no value says otherwise.
        recorded: takes the draft's place, and is heard as that would have been.
        fitting: the groups of which is left out what the kind that was chosen has not; of another it is told.
        fixed: settings that hold whatever is said; of a group those that it has.

    Raises:
        InvalidRequestError: names the first field at fault, or the preset is for other takes.
    """
    said = {} if preset is None else preset.settings
    if preset is not None:
        preset.require_for(mode)
    own = defaults_of(model_of(mode, said, values, fixed or {}))
    kinds = {group: {"kind": usual_kind(group)} for group in GROUPS}
    given = {field: values[field.name] for field in fields_of(mode) if field.path and field.name in values}
    spoken = next((bool(value) for field, value in given.items() if field.place == SAID), None)
    usual = with_usual(mode, said, own, spoken=spoken)
    settings: dict[str, Any] = {"prompt": "", **kinds, **usual}
    if (lane := values.get("lane")) and not values.get("prompt"):
        settings["prompt"] = opening_prompt(lane) or settings["prompt"]
        given = {field: value for field, value in given.items() if field.path != "prompt" or value}
    chosen = {_group(field): value for field, value in given.items() if is_kind(field)}
    for group in {**chosen, **({"draft": "recorded"} if recorded else {})}:
        heard = recorded if group == "draft" else None
        settings[group] = _instead(settings[group], chosen.get(group), heard)
    for field, value in given.items():
        if not is_kind(field) and not (_group(field) in fitting and not _fits(field, settings)):
            _put(settings, field.place, value)
    if values.get("endless"):
        settings["duration_s"] = None
    for name, value in (fixed or {}).items():
        both = isinstance(value, Mapping) and isinstance(settings.get(name), Mapping)
        settings[name] = {**settings[name], **value} if both else value
    return parse_request(**settings)


def read_page(mode: str, values: Values) -> dict[str, Any]:
    """A form's values as a request holds them: its texts read, and what was left empty as what it means.

    Gradio gives None for a text never touched.

    Raises:
        InvalidRequestError: a text can't be read.
    """
    return {
        name: _read(field, mode, values[name]) if field.path else values[name]
        for name, field in on_page(mode).items()
        if name in values
    }


def fill(mode: str, preset: Preset, own: ModelDefaults | None = USUAL) -> dict[str, Any]:
    """The values of a form that open a preset: what it leaves out are the defaults, those of the model its
    `own`; prompt and model stay. Without `own` there are no values of what is left to the form's model.

    What stays is not among them, as nothing is of which no request tells: a take's own recording stays with
    the take, so that the form asks for it again.

    Raises:
        InvalidRequestError: its settings make no request.
    """
    settings, known = preset.settings, own or USUAL
    opened = opening(mode, known)
    request = parse_request(**{"prompt": opened["prompt"], **with_usual(mode, settings, known)})
    filled = {
        name: _shown(field, request, opened[name])
        for name, field in on_page(mode).items()
        if field.page and field.path and not (field.page.stays and not _says(settings, field))
    }
    filled["seed"] = str(settings.get("seed", opened["seed"]))
    told = {"endless": request.duration_s is None, "effort": effort_of(mode, filled, known)}
    filled |= {name: value for name, value in told.items() if name in opened}
    return filled if own is not None else _without_the_models(mode, settings, filled)


def effort_of(mode: str, values: Values, own: ModelDefaults = USUAL) -> str:
    """Which of a model's choices of quality a form's values are; "own" where they are none of them."""
    for name, wanted in efforts_of(mode, own).items():
        if all(values.get(field) == value for field, value in wanted.items()):
            return name
    return "own"


def efforts_of(mode: str, own: ModelDefaults) -> dict[str, dict[str, Any]]:
    """A model's choices of quality, each with the fields of a mode's form that it sets."""
    names = {field.place: name for name, field in on_page(mode).items()}
    apart = len({own.effort(effort).passes for effort in EFFORTS}) > 1
    chosen = {}
    for effort, wanted in own.efforts(MODES[mode].sampler).items():
        places: dict[str, Any] = {f"sampler.{name}": value for name, value in wanted.items()}
        if apart:  # else the passes are no part of the choice
            places["model.passes"] = own.effort(effort).passes
        chosen[effort] = {names[place]: value for place, value in places.items() if place in names}
    return chosen


def opening(mode: str, own: ModelDefaults = USUAL, /, **changes: Any) -> dict[str, Any]:
    """What a mode's form holds when the page opens on a model of these defaults, but for `changes`."""
    spec = MODES[mode]
    usual = with_usual(mode, {}, own)
    request = parse_request(**{**usual, "prompt": spec.example, "duration_s": spec.page_s})
    values = {
        name: field.page.start
        if field.page and field.page.start is not SCHEMA
        else _shown(field, request, _encoded(field, default_of(field, mode, own)))
        for name, field in on_page(mode).items()
    }
    assert changes.keys() <= values.keys(), f"no fields of the form: {changes.keys() - values.keys()}"
    return values | changes


def opening_of_model(mode: str, own: ModelDefaults, *, spoken: bool = False) -> dict[str, Any]:
    """What of a mode's form is its model's to say, as it opens on a model of these defaults, or with words
    `spoken` in the take.
    """
    told = own.settings(MODES[mode].sampler, spoken=spoken)
    scales = own if not spoken or own.spoken is None else own.model_copy(update={"guidance": own.spoken})
    return {
        name: value
        for name, value in opening(mode, scales).items()
        if holds(told, field := on_page(mode)[name]) or (field.page and field.page.codec == "guidance")
    }


def said_on_page(mode: str) -> str:
    """The field of a mode's form that holds the words to be said; empty where it has none."""
    return next((name for name, field in on_page(mode).items() if field.place == SAID), "")


def type_of(field: Field, mode: str) -> type:
    """What a value of a request's field is on its way in: str, bool, int, float, or a tuple of texts."""
    group = field.place.rpartition(".")[0]
    kind = field.kind or MODES[mode].base.get(group, {}).get("kind", "")
    parts = schema.parts(schema.find(GenerationRequest, field.place, kind).annotation)
    if any(schema.choices(part) or part is str for part in parts):
        return str
    return next((one for one in (bool, int, float) if one in parts), tuple)


def _without_the_models(mode: str, said: Values, values: Values) -> dict[str, Any]:
    """A form's values but for those that are its model's to say, where the settings don't say them."""
    fields = on_page(mode)
    left = {name for name in opening_of_model(mode, USUAL) if not _says(said, fields[name])}
    if "guidance_scale" in said:  # which is the draft's too, where that has none of its own
        left -= {name for name in left if (page := fields[name].page) and page.codec == "guidance"}
    return {name: value for name, value in values.items() if name not in left | {"effort"}}


def _group(field: Field) -> str:
    return field.place.rpartition(".")[0]


def _instead(own: Values, kind: str | None, recorded: RecordedDraft | None) -> dict[str, Any]:
    """A group of this kind where its `own` is of another, whose values mean nothing to it; all drafts are
    heard alike, a recording among them.
    """
    heard = {name: own[name] for name in HEARD if name in own}
    if recorded is not None:
        return {**recorded.model_dump(), **heard}
    if not kind or kind == own.get("kind"):
        return dict(own)
    return {"kind": kind, **({} if kind == "none" else heard)}


def _fits(field: Field, settings: Values) -> bool:
    """Whether the kind of the field's group has such a field."""
    kind = settings.get(_group(field), {}).get("kind", "")
    known = schema.members(GenerationRequest, _group(field)).get(kind)
    return field.kind in ("", kind) and known is not None and field.place.split(".")[1] in known.model_fields


def _put(settings: dict[str, Any], place: str, value: Any) -> None:
    group, _, name = place.rpartition(".")
    if group:
        settings[group] = {**settings.get(group, {}), name: value}
    else:
        settings[name] = value


def _says(settings: Values, field: Field) -> bool:
    """Whether settings mention the field, or the model, which is one by its id."""
    group, _, name = field.place.rpartition(".")
    return group in settings and (name in settings[group] or group == "model") if group else name in settings


def _read(field: Field, mode: str, value: Any) -> Any:
    page = field.page
    assert page is not None
    if page.codec == "lane":
        return parse_lane(value or "")
    if page.codec == "words":
        return tuple((value or "").replace(",", " ").split())
    if page.codec == "own_scale":
        return None if value == page.start else value
    if value is None and page.empty is not None:
        return page.empty
    return "" if value is None and type_of(field, mode) is str else value


def _shown(field: Field, request: GenerationRequest, otherwise: Any) -> Any:
    """A request's value as the form shows it; `otherwise` where it has none that the form can show."""
    group, _, name = field.place.rpartition(".")
    owner: Any = getattr(request, group) if group else request
    fits = name in type(owner).model_fields and field.kind in ("", getattr(owner, "kind", ""))
    value = getattr(owner, name) if fits else None
    page = field.page
    assert page is not None
    if value is None and page.codec in ("guidance", "both_scales"):
        return request.guidance_scale
    if value is None or (page.choices and value not in dict(page.choices).values()):
        return otherwise
    return _encoded(field, value)


def _encoded(field: Field, value: Any) -> Any:
    codec = field.page.codec if field.page else ""
    if codec == "lane":
        return format_lane(value)
    if codec == "words":
        return " ".join(value)
    return str(value) if codec == "text" else value
