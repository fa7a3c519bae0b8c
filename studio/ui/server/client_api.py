"""The tabs' functions for `gradio_client`: one call, one file."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from studio.core.audio import format_time
from studio.core.binding import Values, bind
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.events import Failed, Finished
from studio.core.field import Parameter
from studio.core.fields import parameters_of
from studio.core.files import disk_error
from studio.core.modes import MODES, ModeSpec
from studio.core.preset import Preset, named_preset, parse_preset
from studio.core.prompt_schedule import parse_lane
from studio.core.request import GenerationRequest
from studio.core.values import exact_seed
from studio.service.jobs.job import Job
from studio.service.recordings.read import read_recording
from studio.service.studio import Studio
from studio.ui.callers import Callers, client_of
from studio.ui.forms import own_audio
from studio.ui.handing import handed
from studio.ui.server.blocks import LATE
from studio.ui.server.queued_calls import queued_take

MAX_CALLS = 4  # at once; the service makes one take at a time anyway
POLL_S = 0.1
LEFT = "Nobody waited for the call any more, so the take was ended."


def build(studio: Studio, callers: Callers) -> None:
    """Add a named function for every kind of take to the Blocks one is in. They have no place on the page."""
    for spec in MODES.values():
        _offer(spec, studio, callers)


def _offer(spec: ModeSpec, studio: Studio, callers: Callers) -> None:
    async def call(caller: gr.Request, **sent: Any) -> tuple[str, dict[str, Any]]:
        def read() -> tuple[GenerationRequest, str]:
            given = read_call(spec.name, sent)
            return bounded(request_of(spec.name, given, studio), studio), given.get("continue_from") or ""

        def submit() -> Job:
            request, sound = read()
            recording = read_recording(Path(sound), request.sample_rate) if sound else None
            return studio.submit(request, recording=recording, client=client_of())

        waited_for = attended(callers, caller)
        if studio.settings.queue is not None:
            try:
                path, figures = await queued_take(studio, read, client_of(), waited_for)
            except StudioError as error:
                raise gr.Error(str(error), print_exception=False) from error
            if path is not None:
                return await _handed(path), figures
        return await render_file(studio, submit, waited_for)

    parameters = parameters_of(spec.name)
    call.__doc__ = spec.call
    # Gradio tells callers the names, and that a file may be left out.
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("caller", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request),
            *(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=field.call and field.call.empty
                )
                for name, field in parameters.items()
            ),
        ]
    )
    inputs = {name: _component(field.call) for name, field in parameters.items() if field.call}
    file, figures = gr.File(visible=False, label="Take"), gr.JSON(visible=False, label="Figures")
    gr.Button(visible=False).click(
        call, None, [file, figures], inputs_kwargs=inputs,
        api_name=spec.name, concurrency_limit=MAX_CALLS, concurrency_id="callers",
    )  # fmt: skip


def read_call(mode: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    """What a caller gave, by the names of fields: without what a client fills in, and the lane read.

    Raises:
        InvalidRequestError: the lane can't be read.
    """
    given: dict[str, Any] = {}
    for name, field in parameters_of(mode).items():
        value: Any = sent.get(name)
        if field.call and field.call.is_given(value) and not (field.call.widget == "digits" and _any(value)):
            given[field.name] = parse_lane(value) if field.name == "lane" else value
    return {name: value for name, value in given.items() if value != ()}


def request_of(mode: str, given: Values, studio: Studio) -> GenerationRequest:
    """The request of what a caller gave, on the studio's device; it may hold a preset's name, or its JSON.

    Raises:
        InvalidRequestError: names the first field at fault.
        OutOfResourcesError: the disk is full.
    """
    settings = studio.settings
    preset = _preset(given.get("preset", ""), settings.presets)
    known = preset.model_id if preset else ""
    model = {"id": given.get("model") or known or settings.model_of(mode)}
    fixed = {
        "model": {**model, "device": settings.device, "dtype": settings.dtype},
        "duration_s": None if given.get("endless") else given.get("duration_s") or 0.0,
    }
    recorded = own_audio(given, studio) if given.get("recording") else None
    return bind(
        mode, given, studio.defaults_of, preset=preset, recorded=recorded, fitting=("draft",), fixed=fixed
    )


def _any(seed: str | float) -> bool:
    """Whether any seed will do; what is none is left for the request to judge."""
    with suppress(ValueError):
        return exact_seed(seed) is None
    return False


def _component(parameter: Parameter) -> Any:
    """What Gradio reads a parameter with: a seed as a number, or exactly as its digits."""
    if parameter.widget == "file":
        return gr.File(visible=False, label=parameter.label)
    kind = gr.Number if parameter.widget == "number" else gr.Textbox
    classes = LATE if parameter.late else None
    return kind(parameter.empty, visible=False, label=parameter.label, elem_classes=classes)


def _preset(preset: str, folder: Path) -> Preset | None:
    """The preset of this name, or in this JSON; none where none is asked for."""
    text = preset.strip("\ufeff \t\r\n")
    if not text:
        return None
    return parse_preset(text) if text.startswith("{") else named_preset(text, folder)


async def render_file(
    studio: Studio, submit: Callable[[], Job], is_waited_for: Callable[[], bool] = lambda: True
) -> tuple[str, dict[str, Any]]:
    """Make the whole of a take that nobody listens to; its path and figures.

    The take ends with its caller: when the call is cancelled, or nobody waits for it any more. Whatever is
    wrong, with what `submit` was given or later, is raised as `gr.Error` with one sentence.
    """
    try:
        job = await submitted(studio, submit)
    except StudioError as error:
        raise gr.Error(str(error), print_exception=False) from error
    try:
        while not job.ended:
            await asyncio.sleep(POLL_S)
            if not is_waited_for():
                studio.stop(job.id, LEFT)
    finally:
        if not job.ended:
            studio.stop(job.id, LEFT)
    outcome = job.outcome
    if isinstance(outcome, Finished) and outcome.path is not None:
        noticed = {"notes": list(job.notes)} if job.notes else {}
        take = f"{outcome.path.parent.name}/{outcome.path.stem}"
        figures = {**outcome.figures, "seed": str(job.request.seed), "take": take, **noticed}
        return await _handed(outcome.path), figures
    message = outcome.message if isinstance(outcome, Failed) else "The take was stopped before it had sound."
    raise gr.Error(message, print_exception=False)


async def _handed(path: Path) -> str:
    """Where Gradio finds the take. Raises `gr.Error` where it can't be had any more."""
    try:
        return await asyncio.to_thread(handed, path)
    except OSError as error:
        raise gr.Error(str(disk_error(error, path)), print_exception=False) from error


async def submitted(studio: Studio, submit: Callable[[], Job]) -> Job:
    """The job, its request read in a thread. A call that is cancelled meanwhile leaves none behind."""
    submitting = asyncio.ensure_future(asyncio.to_thread(submit))
    try:
        return await asyncio.shield(submitting)
    except asyncio.CancelledError:
        submitting.add_done_callback(
            lambda done: None if done.exception() else studio.stop(done.result().id, LEFT)
        )
        raise


def attended(callers: Callers, caller: gr.Request) -> Callable[[], bool]:
    """Whether somebody still waits for the call that is being answered."""
    names = {str(name) for name in (caller.session_hash, LocalContext.event_id.get(None)) if name}
    return partial(callers.wait_for, names, time.monotonic())


def bounded(request: GenerationRequest, studio: Studio) -> GenerationRequest:
    """A request of a caller's: nobody hears it grow and may think better of it, so its length has a limit.

    Raises:
        InvalidRequestError: it is longer.
    """
    limit_s = studio.settings.unattended_limit_s
    if request.duration_s is not None and request.duration_s > limit_s:
        longest = format_time(limit_s)
        raise InvalidRequestError(f"A call may ask for {longest} of sound at most: take fewer seconds.")
    return request
