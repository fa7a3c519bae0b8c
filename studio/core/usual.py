"""What holds of a request where nobody says otherwise: its mode's, then its model's, then what is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studio.core import schema
from studio.core.defaults import ModelDefaults, Scales
from studio.core.field import Field
from studio.core.modes import MODES
from studio.core.request import GenerationRequest

Said = Mapping[str, Any]  # settings of a request, or values by the names of fields
SAID = "speech.text"  # the place of the words in a request
USUAL = ModelDefaults()
_SPEAKING = ModelDefaults(guidance=Scales(speech=0.0))  # which says all that one may


def with_usual(mode: str, said: Said, own: ModelDefaults, *, spoken: bool | None = None) -> dict[str, Any]:
    """Settings of a request over those that its mode begins with, and over its model's `own`.

    Of a group that is said in part the rest holds, unless it is of another kind. `spoken` is whether words
    are said in the take; by the settings where it is None.
    """
    if spoken is None:
        speech = said.get("speech")
        spoken = bool(speech.get("text") if isinstance(speech, Mapping) else getattr(speech, "text", ""))
    kind = _kind(said.get("sampler")) or MODES[mode].sampler
    return _over(_over(MODES[mode].base, own.settings(kind, spoken=spoken)), said)


def default_of(field: Field, mode: str, own: ModelDefaults = USUAL) -> Any:
    """What holds of a request's field in a mode, and of a model, where nobody says anything."""
    group, _, name = field.place.rpartition(".")
    usual = with_usual(mode, {}, own)
    settings = usual.get(group, {}) if group else usual
    if name in settings:
        return settings[name]
    if is_kind(field):
        return usual_kind(group)
    return schema.find(GenerationRequest, field.place, field.kind or settings.get("kind", "")).default


def is_models(field: Field, mode: str) -> bool:
    """Whether what holds of a request's field in a mode is its model's to say."""
    return holds(_SPEAKING.settings(MODES[mode].sampler), field)


def model_of(mode: str, said: Said, values: Said, fixed: Said) -> str:
    """The id of the model that a request comes to ask for; empty where what is said of it makes none."""
    places = (fixed.get("model"), {"id": values.get("model")}, said.get("model"), MODES[mode].base["model"])
    ids = (place.get("id") for place in places if isinstance(place, Mapping))
    return next((str(one) for one in ids if one), "")


def holds(settings: Said, field: Field) -> bool:
    """Whether settings have a value, no kind, at a field's place."""
    group, _, name = field.place.rpartition(".")
    return not is_kind(field) and name in (settings.get(group, {}) if group else settings)


def is_kind(field: Field) -> bool:
    return field.path.endswith(".kind")


def usual_kind(group: str) -> str:
    return str(GenerationRequest.model_fields[group].default.kind)


def _over(below: Said, above: Said) -> dict[str, Any]:
    """Settings with others on top: field by field in the groups that are of one kind in both."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        if isinstance(under, Mapping) and isinstance(value, Mapping) and _kind(value) == _kind(under):
            merged[name] = {**under, **value}
        else:
            merged[name] = value
    return merged


def _kind(group: Any) -> str:
    return str(group.get("kind", "")) if isinstance(group, Mapping) else ""
