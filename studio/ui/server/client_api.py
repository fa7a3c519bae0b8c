"""The tabs' functions for `gradio_client`: one call, one file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from studio.core.audio import format_time
from studio.core.draft import POCKET_DRAFTS
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.events import Failed, Finished
from studio.core.files import disk_error
from studio.core.preset import Preset, dual_settings, named_preset, parse_preset, sparse_settings
from studio.core.prompt_schedule import opening_prompt, parse_lane
from studio.core.request import GenerationRequest, parse_request
from studio.core.settings import Settings
from studio.core.values import exact_seed
from studio.service.jobs.job import Job
from studio.service.recordings.read import read_recording
from studio.service.studio import Studio
from studio.ui.panels import drafted
from studio.ui.server.callers import Callers, client_of
from studio.ui.server.handing import handed

MAX_CALLS = 4  # at once; the service makes one take at a time anyway
POLL_S = 0.1
LEFT = "Nobody waited for the call any more, so the take was ended."


def build(studio: Studio, callers: Callers) -> None:
    """Add the named functions to the Blocks one is in. They have no place on the page."""
    _build_infinite(studio, callers)
    _build_sparse(studio, callers)
    _build_dual(studio, callers)


def _build_infinite(studio: Studio, callers: Callers) -> None:
    async def infinite(
        caller: gr.Request,
        prompt: str,
        negative_prompt: str,
        seconds: float | None,
        seed: str | float | None,
        model: str,
        lane: str,
        preset: str,
        recording: str | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """Render an endless take's first `seconds`; gives its file and its figures, the seed among them.

        `lane` is lines of `mm:ss | prompt`; where there is no prompt, the lane's at 0:00 is it. `preset` is
        the name of one that ships, or a preset's or a sidecar's JSON: it holds where another value is empty,
        or the seed −1. A seed above 2⁵³ is exact where it is given as text, as a browser's numbers are not.
        The length is always `seconds`, a `recording` that the take goes on from counted; what was noticed
        when that was read is in the figures' `notes`.
        """

        def request() -> GenerationRequest:
            points = parse_lane(lane)
            given = {
                "prompt": prompt or opening_prompt(points),
                "negative_prompt": negative_prompt,
                "lane": points,
                "seed": _seed(seed),
            }
            settings = {"prompt": "", **_endless_settings(_preset(preset, studio.settings.presets))}
            settings |= {name: value for name, value in given.items() if value not in ("", (), None)}
            settings["duration_s"] = seconds or 0.0
            settings["model"] = _model(model, settings, studio.settings, studio.settings.model_id)
            return parse_request(**settings)

        def submit() -> Job:
            sound = read_recording(Path(recording)) if recording else None
            return studio.submit(bounded(request(), studio), recording=sound, client=client_of())

        return await render_file(studio, submit, attended(callers, caller))

    lane, recording = _text("Prompt lane"), gr.File(visible=False, label="Recording to go on from")
    _offer(infinite, "infinite", [*_usual(), _text("Model"), lane, _text("Preset"), recording])


def _build_sparse(studio: Studio, callers: Callers) -> None:
    async def sparse(
        caller: gr.Request,
        prompt: str,
        negative_prompt: str,
        seconds: float | None,
        seed: str | float | None,
        model: str = "",
        attention: str = "",
        ratio: str = "",
        steps: float | None = None,
        preset: str = "",
    ) -> tuple[str, dict[str, Any]]:
        """Render a clip of a set length in one piece; gives its file and its figures, the seed among them.

        `attention` is lite_focus (with `ratio` r, or auto), dense, or token_merging (with `ratio` the share
        to merge). `preset` is the name of one that ships, or a preset's or a sidecar's JSON: it holds where
        another value is empty, or the seed −1. The length is always `seconds`.
        """

        def request() -> GenerationRequest:
            settings = {"prompt": "", **sparse_settings(_preset(preset, studio.settings.presets), attention)}
            if ratio:
                settings["attention"] = {**settings["attention"], "ratio": ratio}
            if steps:
                settings["sampler"] = {**settings["sampler"], "steps": steps}
            given = {
                "prompt": prompt,
                "negative_prompt": negative_prompt,
                "seed": _seed(seed),
            }
            settings |= {name: value for name, value in given.items() if value not in ("", None)}
            settings["duration_s"] = seconds or 0.0
            settings["model"] = _model(model, settings, studio.settings, studio.settings.clip_model_id)
            return parse_request(**settings)

        def submit() -> Job:
            return studio.submit(bounded(request(), studio), client=client_of())

        return await render_file(studio, submit, attended(callers, caller))

    more = [_text("Model"), _text("Attention"), _text("Ratio"), gr.Number(0, visible=False, label="Steps")]
    _offer(sparse, "sparse", [*_usual(), *more, _text("Preset")])


def _build_dual(studio: Studio, callers: Callers) -> None:
    async def dual(
        caller: gr.Request,
        prompt: str,
        negative_prompt: str,
        seconds: float | None,
        seed: str | float | None,
        model: str = "",
        text_scale: float | None = None,
        acoustic_scale: float | None = None,
        strength: float | None = None,
        steps: float | None = None,
        draft: str = "",
        draft_seed: str | float | None = None,
        preset: str = "",
        recording: str | None = None,
        temperature: float | None = None,
        top_k: float | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """Render a clip by its text and an acoustic draft; gives its file and its figures, with the seed.

        `draft` is audiogen or none; a `recording` takes its place. Negative numbers are left to the preset,
        or to what is usual; `preset` is the name of one that ships, or a preset's or a sidecar's JSON. The
        length is always `seconds`.
        """

        def request() -> GenerationRequest:
            own = drafted.own_audio(recording, POCKET_DRAFTS, studio) if recording else None
            settings = {"prompt": "", **dual_settings(_preset(preset, studio.settings.presets), draft, own)}
            more = {"acoustic_scale": acoustic_scale, "strength": strength}
            drawn = {"temperature": temperature, "top_k": top_k}
            more |= {} if recording else drawn
            own_seed = {} if recording or _seed(draft_seed) is None else {"seed": draft_seed}
            if settings["draft"]["kind"] != "none":
                settings["draft"] = {**settings["draft"], **_given(more), **own_seed}
            settings["sampler"] = {**settings["sampler"], **_given({"steps": steps})}
            settings |= _given({"guidance_scale": text_scale})
            settings |= {} if _seed(seed) is None else {"seed": seed}
            texts = {"prompt": prompt, "negative_prompt": negative_prompt}
            settings |= {name: text for name, text in texts.items() if text}
            settings["duration_s"] = seconds or 0.0
            settings["model"] = _model(model, settings, studio.settings, studio.settings.dual_model_id)
            return parse_request(**settings)

        def submit() -> Job:
            return studio.submit(bounded(request(), studio), client=client_of())

        return await render_file(studio, submit, attended(callers, caller))

    numbers = [_number(label) for label in ("Text scale", "Acoustic scale", "Strength", "Steps")]
    recording = gr.File(visible=False, label="Recording that is the draft")
    more = [_text("Model"), *numbers, _text("Draft"), _digits("Draft seed"), _text("Preset"), recording]
    _offer(dual, "dual", [*_usual(), *more, _number("Temperature"), _number("Top k")])


def _given(numbers: Mapping[str, float | None]) -> dict[str, float]:
    """Those that were given: −1 is what Gradio's client fills in. NaN was, and is refused with the rest."""
    return {name: number for name, number in numbers.items() if number is not None and not number < 0}


def _seed(seed: str | float | None) -> str | float | None:
    """The seed that was given, for the request to judge; None for any."""
    with suppress(ValueError):
        return exact_seed(seed)
    return seed


def _digits(label: str) -> gr.Textbox:
    """Where a seed is given: as a number, or exactly as its digits."""
    return gr.Textbox("-1", visible=False, label=label)


def _number(label: str) -> gr.Number:
    return gr.Number(-1, visible=False, label=label)


def _usual() -> list[Any]:
    """What every tab's function takes first."""
    seconds = gr.Number(10, visible=False, label="Seconds")
    return [_text("Prompt"), _text("Negative prompt"), seconds, _digits("Seed")]


def _text(label: str) -> gr.Textbox:
    return gr.Textbox("", visible=False, label=label)


def _offer(function: Callable[..., Any], name: str, inputs: list[Any]) -> None:
    file, figures = gr.File(visible=False, label="Take"), gr.JSON(visible=False, label="Figures")
    gr.Button(visible=False).click(
        function, inputs, [file, figures],
        api_name=name, concurrency_limit=MAX_CALLS, concurrency_id="callers",
    )  # fmt: skip


def _preset(preset: str, folder: Path) -> Preset | None:
    """The preset of this name, or in this JSON; none where none is asked for."""
    text = preset.strip("\ufeff \t\r\n")
    if not text:
        return None
    return parse_preset(text) if text.startswith("{") else named_preset(text, folder)


def _endless_settings(preset: Preset | None) -> dict[str, Any]:
    """The settings of a preset for endless takes."""
    if preset is None:
        return {}
    preset.require_for("infinite")
    return preset.settings


def _model(model: str, settings: Mapping[str, Any], defaults: Settings, usual: str) -> dict[str, Any]:
    """Which checkpoint: as asked, else the preset's, else the usual; always on the studio's device."""
    chosen = settings.get("model")
    known = chosen.get("id") if isinstance(chosen, dict) else None
    return {"id": model or known or usual, "device": defaults.device, "dtype": defaults.dtype}


async def render_file(
    studio: Studio, submit: Callable[[], Job], is_waited_for: Callable[[], bool] = lambda: True
) -> tuple[str, dict[str, Any]]:
    """Make the whole of a take that nobody listens to; its path and figures.

    The take ends with its caller: when the call is cancelled, or nobody waits for it any more. Whatever is
    wrong, with what `submit` was given or later, is raised as `gr.Error` with one sentence.
    """
    try:
        job = await _submitted(studio, submit)
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
        figures = {**outcome.figures, "seed": str(job.request.seed), **noticed}
        return await _handed(outcome.path), figures
    message = outcome.message if isinstance(outcome, Failed) else "The take was stopped before it had sound."
    raise gr.Error(message, print_exception=False)


async def _handed(path: Path) -> str:
    """Where Gradio finds the take. Raises `gr.Error` where it can't be had any more."""
    try:
        return await asyncio.to_thread(handed, path)
    except OSError as error:
        raise gr.Error(str(disk_error(error, path)), print_exception=False) from error


async def _submitted(studio: Studio, submit: Callable[[], Job]) -> Job:
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
