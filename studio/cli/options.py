"""The words of a take on the command line, made from the table of fields, and the request they make."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.core.audio import SAMPLE_RATE
from studio.core.binding import Values, bind, type_of
from studio.core.defaults import DefaultsOf, usual_defaults
from studio.core.draft import MADE_DRAFTS, POCKET_DRAFTS, RecordedDraft
from studio.core.errors import InvalidRequestError
from studio.core.field import Field
from studio.core.fields import options_of
from studio.core.messages import FieldError
from studio.core.preset import Preset
from studio.core.prompt_schedule import read_lane
from studio.core.request import GenerationRequest, ModelChoice
from studio.core.speech import read_script
from studio.core.usual import default_of, is_models
from studio.pipeline.recording import Recording
from studio.service.recordings.read import read_recording

if TYPE_CHECKING:
    from studio.service.studio import Studio

Command = Callable[..., None]


def with_fields(mode: str, order: Sequence[str] = (), **defaults: Any) -> Callable[[Command], Command]:
    """Give a command the options of a mode; it receives those that were given as `given`, by fields' names.

    Args:
        mode: names the rows of the table.
        order: the options, and parameters of the command's own, as the help lists them; its other parameters
            follow. All of the mode's where empty.
        defaults: what options are where they are not given, instead of left to preset and schema.
    """
    fields = {field.option_name: field for field in options_of(mode).values()}

    def decorate(command: Command) -> Command:
        own = dict(inspect.signature(command, eval_str=True).parameters)
        context, _ = own.pop("context"), own.pop("given")
        names = order or list(fields)
        options = {name: _parameter(fields[name], mode, defaults) for name in names if name not in own}
        ordered = [options.get(name) or own[name] for name in names]
        ordered += [one for name, one in own.items() if name not in order]
        parameters = [context, *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in ordered)]

        @wraps(command)
        def run(context: typer.Context, **words: Any) -> None:
            given = {fields[name].name: words.pop(name) for name in options}
            command(
                context, given={name: value for name, value in given.items() if _is_given(value)}, **words
            )

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


def _is_given(value: Any) -> bool:
    return value is not None and value not in ([], ())


def _parameter(field: Field, mode: str, defaults: Mapping[str, Any]) -> inspect.Parameter:
    """A field as a parameter from which typer makes its option; None where it was not given."""
    option = field.option
    assert option is not None
    kind: Any = option.kind or type_of(field, mode)
    kind = list[str] if kind is tuple else kind
    about: dict[str, Any] = {"help": option.help}
    if field.path and option.shown is not None:
        usual = option.shown.format(default_of(field, mode))
        about["show_default"] = f"{usual}, or the model's own" if is_models(field, mode) else usual
    words = tuple(filter(None, (option.spelled or (option.also and field.spelled), option.also)))
    annotation: Any = Annotated[
        kind if option.default is not None else kind | None, typer.Option(*words, **about)
    ]
    default = defaults.get(field.option_name, option.default)
    return inspect.Parameter(
        field.option_name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def request_of(
    mode: str,
    given: Values,
    defaults_of: DefaultsOf,
    *,
    preset: Preset | None = None,
    recorded: RecordedDraft | None = None,
) -> GenerationRequest:
    """The request of a command's options over a preset's settings.

    Args:
        mode: names the rows of the table.
        given: by the names of fields.
        defaults_of: what holds of the model where nobody says otherwise.
        preset: what holds where no option says otherwise.
        recorded: takes the draft's place.

    Raises:
        InvalidRequestError: names the option at fault.
    """
    values = dict(given)
    if "lane" in values:
        values["lane"] = read_lane(values["lane"])
    if "say" in values and "script" in values:
        raise InvalidRequestError("Give --say or --script, not both.")
    if not values.get("say", "x").strip():
        raise InvalidRequestError("--say is empty: give what is to be said, or leave it out.")
    if "script" in values:
        values["say"] = read_script(values.pop("script"))
    if values.get("endless") and "duration_s" in values:
        raise InvalidRequestError("Give --seconds or --endless, not both.")
    try:
        return bind(mode, values, defaults_of, preset=preset, recorded=recorded)
    except FieldError as error:
        raise InvalidRequestError(_in_options(error, mode)) from error


def choice_of(mode: str, given: Values) -> ModelChoice:
    """The model of a command that makes no take. Raises `InvalidRequestError`, as `request_of`."""
    return request_of(mode, {"prompt": "-", **given}, usual_defaults).model


def own_draft(given: Values, studio: Studio) -> RecordedDraft | None:
    """The recording that a `--draft` names, put by for its model; None of one that is made, or of none.

    Raises:
        InvalidRequestError: it can't be read.
        OutOfResourcesError: the disk is full.
    """
    draft = given.get("draft")
    if not draft or draft in MADE_DRAFTS:
        return None
    return studio.store_recording(recording_of(Path(draft)), given.get("draft_model") or POCKET_DRAFTS)


def recording_of(path: Path, sample_rate: int = SAMPLE_RATE) -> Recording:
    """The recording in a file; what its reader noticed goes to stderr. Raises `InvalidRequestError`."""
    recording = read_recording(path, sample_rate)
    for note in recording.notes:
        typer.echo(f"{path.name}: {note}", err=True)
    return recording


def _in_options(error: FieldError, mode: str) -> str:
    """The sentence; of a value out of bounds with the option in the label's place, where one sets it."""
    for field in options_of(mode).values() if error.problem.startswith("must ") else ():
        if field.path and (error.field == field.place or error.field.startswith(f"{field.place}.")):
            return f"{field.spelled}: {error.problem}."
    return str(error)
