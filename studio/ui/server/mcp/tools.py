"""What an assistant may do with the studio, over MCP: tools that answer at once, however long a take is.

Gradio describes a tool by its function's docstring, and takes its values by hidden components, as the API's.
None waits for sound: a take is begun, asked after, and fetched by its address.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from studio.backends.catalog import MODELS, vocabulary
from studio.core.edit import Loop, parse_edit
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.palette import palette_of
from studio.core.preset import shipped_presets
from studio.service.studio import Studio
from studio.service.takes.export import FORMATS
from studio.ui.server.v1.bodies import take_body
from studio.ui.server.v1.keys import caller_of
from studio.ui.server.v1.refusals import RefusedError
from studio.ui.server.v1.sound import SHORT_S
from studio.ui.server.v1.takes import ApiTakes, Links

Tool = Callable[..., dict[str, Any]]
TOOLS = ("start_take", "take_status", "take_file", "stop_take", "list_presets", "make_loop", "what_it_knows")


class ToldError(gr.Error):
    """A mistake whose text is the sentence, where Gradio's own would be in quotation marks."""

    def __str__(self) -> str:
        return str(self.message)


def build(studio: Studio, takes: ApiTakes) -> None:
    """Add the tools to the Blocks one is in. They have no place on the page."""
    for tool in (*_making(studio, takes), *_asking(studio, takes)):
        shown = {
            one.name: _component(one)
            for one in inspect.signature(tool).parameters.values()
            if one.kind is one.KEYWORD_ONLY
        }
        gr.Button(visible=False).click(
            _told(tool), None, gr.Textbox(visible=False, label="Answer"), inputs_kwargs=shown,
            api_name=tool.__name__, queue=False,
        )  # fmt: skip


def _making(studio: Studio, takes: ApiTakes) -> list[Tool]:
    """The tools that begin a take."""

    def start_take(
        request: gr.Request,
        *,
        prompt: str,
        seconds: float = 10,
        mode: str = "infinite",
        model: str = "",
        seed: str = "-1",
        negative_prompt: str = "",
        preset: str = "",
    ) -> dict[str, Any]:
        """Begin a sound made from words, and answer at once with its id: ask take_status until it is
        finished, then take_file for its address.

        Args:
            prompt: The sound in plain words, as in "heavy rain with distant thunder"; not music or speech.
            seconds: The length. 0 makes sound without an end, to be heard at stream_url within a minute.
            mode: infinite for sound of any length; sparse for a clip in one piece; dual for a drafted one.
            model: A model's id; empty for the studio's own.
            seed: A whole number makes the same sound again; -1 draws one.
            negative_prompt: Sounds to keep out.
            preset: The name of one of list_presets; it holds where nothing else is said.
        """
        said = _given(mode=mode, prompt=prompt, negative_prompt=negative_prompt, model=model, preset=preset)
        if seconds or mode != "infinite":
            said["seconds"] = seconds or 10
        return _begun({**said, "seed": seed}, request)

    def make_loop(
        request: gr.Request,
        *,
        prompt: str,
        seconds: float = 8,
        bpm: float = 0,
        bars: float = 0,
        model: str = "",
        seed: str = "-1",
    ) -> dict[str, Any]:
        """Begin a sound that loops without a seam, for a game or a video, and answer at once with its id, as
        start_take does.

        Args:
            prompt: The sound in plain words, as in "ocean waves".
            seconds: How long it is before it comes round; with bpm and bars their length counts.
            bpm: Beats a minute, where the loop is to have whole bars; 0 for none.
            bars: How many bars of four beats; 0 for none.
            model: A model's id; empty for the studio's own.
            seed: A whole number makes the same loop again; -1 draws one.
        """
        if bpm or bars:
            asked = parse_edit("loop", bpm=bpm or None, bars=bars or None)
            seconds = asked.beat_s or seconds if isinstance(asked, Loop) else seconds
        said = _given(mode="sparse", prompt=prompt, model=model, seconds=seconds, loop=True)
        if seconds <= SHORT_S:
            said["attention"] = "dense"
        return _begun({**said, "seed": seed}, request)

    def _begun(said: dict[str, Any], request: Any) -> dict[str, Any]:
        job = takes.start(take_body(said), caller_of(request))
        return takes.status(job.id, Links.of(request, studio.settings.root_path))

    return [start_take, make_loop]


def _asking(studio: Studio, takes: ApiTakes) -> list[Tool]:
    """The tools that ask after a take, or after what there is."""

    def take_status(request: gr.Request, *, take_id: str) -> dict[str, Any]:
        """Tell how a take stands: its status (queued, running, finished, stopped, failed), how many seconds
        are made, and where it is to be had. Ask again some seconds later while it is queued or running.

        Args:
            take_id: The id that start_take or make_loop gave.
        """
        return takes.status(take_id, Links.of(request, studio.settings.root_path))

    def take_file(request: gr.Request, *, take_id: str, format: str = "flac") -> dict[str, Any]:
        """Give the address of a finished take's sound file, to be fetched over HTTP.

        Args:
            take_id: The id that start_take or make_loop gave.
            format: wav, flac, mp3, ogg or opus. Loops are exact as wav and flac.
        """
        if f".{format}" not in FORMATS:
            raise InvalidRequestError(f"Choose one of {', '.join(name[1:] for name in FORMATS)}.")
        path = takes.sound(take_id)
        url = Links.of(request, studio.settings.root_path).take(take_id, "file")
        return {"url": f"{url}?format={format}", "name": f"{path.stem}.{format}"}

    def stop_take(request: gr.Request, *, take_id: str, fade: bool = False) -> dict[str, Any]:
        """End a take that is being made; what is made of it is kept.

        Args:
            take_id: The id that start_take or make_loop gave.
            fade: Let a sound without an end fade out within seconds.
        """
        takes.stop(take_id, fade=fade)
        return takes.status(take_id, Links.of(request, studio.settings.root_path))

    def list_presets() -> dict[str, Any]:
        """List the settings that ship by their names, each with what it is for and its mode."""
        shipped = shipped_presets(studio.settings.presets)
        return {
            name: {"mode": preset.mode, "about": preset.description or preset.name}
            for name, preset in shipped.items()
        }

    def what_it_knows(*, model: str = "") -> dict[str, Any]:
        """Tell which sounds a model has learned and which words suit each: prompts made of others give the
        nearest of these. Ask before the first take.

        Args:
            model: A model's id; empty for the studio's own.
        """
        return known_to(model or studio.settings.model_id, studio)

    return [take_status, take_file, stop_take, list_presets, what_it_knows]


def known_to(model: str, studio: Studio) -> dict[str, Any]:
    """The sounds that a model has learned, with the words that suit them. Raises `InvalidRequestError`."""
    settings = studio.settings
    listed = {one.id for one in MODELS} | {settings.model_id}
    if not settings.private and model not in listed:
        raise InvalidRequestError("This studio is on a network and tells of the models of its list alone.")
    known = vocabulary(model, settings)
    if known is None:
        return {"model": model, "about": "It does not tell what it has learned: describe any sound."}
    return {
        "model": model,
        "about": "Sounds in plain words, alone or two at a time; no songs.",
        "sounds": {
            sound.said: [word.text for choice in sound.choices for word in choice]
            for group in palette_of(known)
            for sound in group.sounds
        },
    }


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value != ""}


def _component(parameter: inspect.Parameter) -> Any:
    """What Gradio takes an argument by. One without a value is told to be needed."""
    label = parameter.name.replace("_", " ").capitalize()
    value = None if parameter.default is parameter.empty else parameter.default
    kind = gr.Checkbox if isinstance(value, bool) else gr.Number if isinstance(value, int) else gr.Textbox
    return kind(value, visible=False, label=label)


def _told(tool: Tool) -> Callable[..., str]:
    """The tool with its answer as JSON, and its mistakes as sentences."""

    @wraps(tool)
    def told(*values: Any, **named: Any) -> str:
        try:
            return json.dumps(tool(*values, **named), ensure_ascii=False)
        except (StudioError, RefusedError) as error:
            raise ToldError(str(error), print_exception=False) from error

    return told
