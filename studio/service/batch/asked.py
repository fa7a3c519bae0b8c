"""The request that one row's values make: by the table of fields, as on the command line and on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, TypeVar, TypeVarTuple

from studio.core.binding import bind
from studio.core.defaults import DefaultsOf
from studio.core.draft import MADE_DRAFTS, POCKET_DRAFTS, RecordedDraft
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.field import Field
from studio.core.messages import FieldError
from studio.core.modes import MODES
from studio.core.preset import Preset
from studio.core.prompt_schedule import parse_lane
from studio.core.request import GenerationRequest
from studio.core.text import one_line
from studio.core.values import exact_seed
from studio.service.batch.columns import OWN, fields_by_column, kind_of
from studio.service.batch.rows import Fingerprint

Recorded: TypeAlias = Callable[[str, str], RecordedDraft]
MAX_NAME_CHARS = 200  # of a preset, which a take's record is
USUAL_MODE = "infinite"


@dataclass(frozen=True)
class Reading:
    """What a manifest is read by.

    `defaults_of` says what a model's takes begin with; `fingerprint` tells its weights, and raises
    `StudioError` where there is no such model; `preset` finds one by what the manifest calls it; `recorded`
    keeps a file as a draft that the named AudioGen's codec reads. Where strangers hand in manifests
    neither opens files.
    """

    defaults_of: DefaultsOf
    fingerprint: Fingerprint
    preset: Callable[[str], Preset]
    recorded: Recorded

    def remembering(self) -> Reading:
        """The same, each thing looked up once."""
        return Reading(
            _once(self.defaults_of), _once(self.fingerprint), _once(self.preset), _once(self.recorded)
        )


_Asked = TypeVarTuple("_Asked")
_Found = TypeVar("_Found")


def _once(look_up: Callable[[*_Asked], _Found]) -> Callable[[*_Asked], _Found]:
    """The function, asked once for the same; what it can't find it is not asked for again either."""

    @cache
    def found(*args: *_Asked) -> _Found | StudioError:
        try:
            return look_up(*args)
        except StudioError as error:
            return error

    def once(*args: *_Asked) -> _Found:
        outcome = found(*args)
        if isinstance(outcome, StudioError):
            raise type(outcome)(*outcome.args)
        return outcome

    return once


def no_files(file: str, model: str) -> RecordedDraft:
    """The `recorded` of a reading that opens no files."""
    raise InvalidRequestError("draft must be audiogen or none: no recording is read here.")


@dataclass(frozen=True)
class Asked:
    """What a row asks for. Where it is not `seeded`, the seed is any and none was chosen."""

    request: GenerationRequest
    seeded: bool
    name: str


def read_asked(values: Mapping[str, Any], reading: Reading) -> Asked:
    """The request of values by the names of columns, without braces.

    Raises:
        InvalidRequestError: names the column at fault.
        StudioError: the preset can't be found, or the recording that is a draft can't be kept.
    """
    preset = reading.preset(_text(values, "preset")) if "preset" in values else None
    mode = _mode(values, preset)
    fields = fields_by_column(mode)
    given = {name: value for name, value in values.items() if name not in OWN}
    if foreign := next((name for name in given if name not in fields), ""):
        raise InvalidRequestError(f"{foreign} is not for {mode} takes: leave it empty, or change the mode.")
    said: dict[str, Any] = {}
    for name, value in given.items():
        if fields[name].name in said:
            raise InvalidRequestError(f"{name} is there twice, under another name: leave one of them empty.")
        said[fields[name].name] = _read(name, mode, value)
    seeded = _is_seeded(said, preset)
    if not seeded:
        said["seed"] = 0
    recorded = _recorded(said, reading.recorded)
    try:
        request = bind(mode, said, reading.defaults_of, preset=preset, recorded=recorded)
    except FieldError as error:
        raise InvalidRequestError(_by_column(error, fields, given)) from error
    if request.duration_s is None:
        raise InvalidRequestError("seconds is missing: the preset has no end, and a row needs one.")
    return Asked(request, seeded, _name(values))


def _mode(values: Mapping[str, Any], preset: Preset | None) -> str:
    mode = _text(values, "mode").lower() if "mode" in values else preset.mode if preset else USUAL_MODE
    if mode not in MODES:
        *most, last = MODES
        raise InvalidRequestError(f"mode must be one of {', '.join(most)} or {last} (it is {mode[:40]}).")
    return mode


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name} must be text.")
    return one_line(value)


def _name(values: Mapping[str, Any]) -> str:
    name = _text(values, "name")
    if len(name) > MAX_NAME_CHARS:
        raise InvalidRequestError(f"name must be of up to {MAX_NAME_CHARS} characters (it is {len(name):,}).")
    return name


def _read(name: str, mode: str, value: Any) -> Any:
    """A value as a request takes it."""
    kind = kind_of(name, mode)
    if name == "lane":
        return parse_lane(value if isinstance(value, str) else str(value))
    if isinstance(value, bool) and kind is not bool:
        raise InvalidRequestError(f"{name} must not be true or false.")
    if kind is tuple and isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    return value


def _is_seeded(said: Mapping[str, Any], preset: Preset | None) -> bool:
    """Whether a seed is chosen; the preset's is, where the row leaves it open."""
    try:
        if exact_seed(said.get("seed")) is not None:
            return True
    except ValueError:
        return True  # it is wrong, which is told when the request is made
    return preset is not None and exact_seed(preset.settings.get("seed")) is not None


def _recorded(said: Mapping[str, Any], keep: Recorded) -> RecordedDraft | None:
    draft = said.get("draft")
    if not isinstance(draft, str) or draft in MADE_DRAFTS:
        return None
    return keep(draft, str(said.get("draft_model") or POCKET_DRAFTS))


def _by_column(error: FieldError, fields: Mapping[str, Field], given: Mapping[str, Any]) -> str:
    """The sentence, with the column's name in the label's place: the one that was used, where one was."""
    for name, field in sorted(fields.items(), key=lambda one: one[0] not in given):
        if error.field == field.place or error.field.startswith(f"{field.place}."):
            return f"{name} {error.problem}."
    return str(error)
