"""The function `kit` for `gradio_client`: loops that belong together, in one ZIP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.core.errors import StudioError
from studio.core.files import disk_error
from studio.core.kit import KitPlan, named_kit_preset, parse_kit
from studio.core.request import GenerationRequest
from studio.service.kit.kits import Standing
from studio.service.studio import Studio
from studio.ui.callers import Callers
from studio.ui.handing import handed
from studio.ui.server.client_api import MAX_CALLS, POLL_S, attended, read_call, request_of

STOPPED = "The kit was stopped before it was whole."


def build(studio: Studio, callers: Callers) -> None:
    """Add the function to the Blocks one is in. It has no place on the page."""

    async def kit(
        caller: gr.Request,
        *,
        prompt: str = "",
        negative_prompt: str = "",
        seconds: float = 10,
        seed: str = "-1",
        model: str = "",
        preset: str = "",
        variations: float = -1,
        light: str = "",
        heavy: str = "",
        shots: float = -1,
        attention: str = "",
    ) -> tuple[str, dict[str, Any]]:
        """Make a kit: a loop of `seconds`, variations of it, a light and a heavy state, and one-shots; gives
        its ZIP and its manifest.

        `preset` is the name of a kit's that ships: it holds where another value is empty, or −1. `light` and
        `heavy` are prompts of the states; empty ones follow from the prompt.
        """
        sent = {
            "prompt": prompt, "negative_prompt": negative_prompt, "seconds": seconds, "seed": seed,
            "model": model, "attention": attention,
        }  # fmt: skip
        planned = {"variations": variations, "light": light, "heavy": heavy, "shots": shots}

        def begin() -> str:
            request, plan = _asked(studio, sent, planned, preset)
            return studio.kits.begin(request, plan)

        waited_for = attended(callers, caller)
        try:
            made = await _made(studio, begin, waited_for)
            if made.path is None:
                raise gr.Error(made.said or STOPPED, print_exception=False)
            return await asyncio.to_thread(handed, made.path), studio.kits.manifest(made.id)
        except StudioError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except OSError as error:
            raise gr.Error(str(disk_error(error, studio.settings.outputs)), print_exception=False) from error

    kit.__annotations__["caller"] = gr.Request  # which is how Gradio knows it
    labels = {
        "prompt": "Prompt", "negative_prompt": "Negative prompt", "seconds": "Seconds", "seed": "Seed",
        "model": "Model", "preset": "Preset", "variations": "Variations", "light": "Light", "heavy": "Heavy",
        "shots": "One-shots", "attention": "Attention",
    }  # fmt: skip
    numbers = {"seconds": 10, "variations": -1, "shots": -1}
    given = {
        name: gr.Number(numbers[name], visible=False, label=label)
        if name in numbers
        else gr.Textbox("-1" if name == "seed" else "", visible=False, label=label)
        for name, label in labels.items()
    }
    file, manifest = gr.File(visible=False, label="Kit"), gr.JSON(visible=False, label="Manifest")
    gr.Button(visible=False).click(
        kit, None, [file, manifest], inputs_kwargs=given,
        api_name="kit", concurrency_limit=MAX_CALLS, concurrency_id="callers",
    )  # fmt: skip


def _asked(
    studio: Studio, sent: dict[str, Any], planned: dict[str, Any], preset: str
) -> tuple[GenerationRequest, KitPlan]:
    """What a caller asks for. Raises `InvalidRequestError`."""
    own = {name: value for name, value in planned.items() if value not in ("", -1)}
    if preset.strip():
        chosen = named_kit_preset(preset.strip(), studio.settings.presets)
        own = {**chosen.plan, **own}
        sent = {**sent, "preset": chosen.request.to_json()}
        if not sent["prompt"]:
            sent.pop("prompt")
    return request_of("sparse", read_call("sparse", sent), studio), parse_kit(**own)


async def _made(studio: Studio, begin: Callable[[], str], is_waited_for: Callable[[], bool]) -> Standing:
    """The kit once it has ended, which it does when nobody waits for it any more. Raises `StudioError`."""
    kit_id = await asyncio.to_thread(begin)
    try:
        while (standing := studio.kits.look(kit_id)).phase in ("waiting", "making"):
            await asyncio.sleep(POLL_S)
            if not is_waited_for():
                studio.kits.stop(kit_id)
    finally:
        studio.kits.stop(kit_id)
    return standing
