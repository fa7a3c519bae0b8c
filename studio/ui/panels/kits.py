"""Kits, as the page asks for them beside the form of clips, and tells of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from studio.core.binding import Values
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.kit import MAX_VARIATIONS, KitPlan, KitPreset, kit_presets, named_kit_preset, parse_kit
from studio.service.kit.kits import Standing
from studio.service.studio import Studio
from studio.service.takes.naming import portable
from studio.ui.forms import read_form
from studio.ui.panels.making import NO_STORE, OWN_HEADER
from studio.ui.words import words

TEXT = words.kits
TAB = "sparse"  # whose form asks for clips of text alone
_FORM = ("prompt", "duration_s", "stereo")  # what a preset fills in,
_PANEL = ("variations", "light", "heavy")  # here and there
_ATTACH = """
import(new URL('page/make_kit.js', document.baseURI))
  .then(page => page.attach('%s', element, props, watch, trigger, %s));
"""
_ASK = """
<div class="lw-set-ask lw-kit-ask" role="group" aria-label="{make}" hidden>
  <label>{preset} <select class="lw-kit-preset"><option value="">{preset_none}</option>{presets}</select>
  </label>
  <label>{variations} <input type="number" min="0" max="{most}" value="{usual}" step="1"></label>
  <label>{light} <input type="text" class="lw-kit-light" placeholder="{from_prompt}" maxlength="2000"></label>
  <label>{heavy} <input type="text" class="lw-kit-heavy" placeholder="{from_prompt}" maxlength="2000"></label>
  <p role="status"></p>
  <progress max="1" value="0" aria-label="{make}" hidden></progress>
  <button type="button" class="lw-set-begin">{begin}</button>
  <button type="button" class="lw-kit-stop lw-quiet" hidden>{stop}</button>
  <a class="lw-kit-zip" hidden download>{zip}</a>
  <button type="button" class="lw-set-close lw-quiet">{close}</button>
</div>
"""


def opener() -> str:
    """The way to it, beside the main button."""
    return f'<button type="button" class="lw-set-open lw-kit-open" aria-expanded="false">{TEXT.open}</button>'


def build_ask(tab: str, presets: Path) -> gr.HTML:
    """Lay out where a tab's form asks for a kit; bound once all fields are there."""
    known = kit_presets(presets)
    options = "".join(
        f'<option value="{escape(stem)}">{escape(preset.name)}</option>' for stem, preset in known.items()
    )
    html = _ASK.format(
        **vars(words.kits), stop=words.form.stop, preset=words.form.preset, presets=options,
        most=MAX_VARIATIONS, usual=KitPlan().variations,
    )  # fmt: skip
    filled = json.dumps({stem: _fills(preset) for stem, preset in known.items()})
    return gr.HTML(
        html_template=html, js_on_load=_ATTACH % (tab, filled), apply_default_css=False, elem_id=f"{tab}-kit"
    )


def _fills(preset: KitPreset) -> dict[str, Any]:
    """What a preset fills in: fields of the form, and of the panel."""
    return {
        "form": {key: preset.settings[key] for key in _FORM if key in preset.settings},
        "plan": {key: preset.plan[key] for key in _PANEL if key in preset.plan},
    }


def asked(studio: Studio, mode: str, event: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """What the form is told: the id of the kit that is begun, or why there is none."""
    number = {"asked": event.get("asked", 0)}
    try:
        request = read_form(mode, values, studio)
        return {**number, "id": studio.kits.begin(request, _plan(studio, event))}
    except StudioError as error:
        return {**number, "wrong": str(error)}


def _plan(studio: Studio, event: Mapping[str, Any]) -> KitPlan:
    """What the panel says, over its preset. Raises `InvalidRequestError`."""
    name = str(event.get("preset") or "")
    planned = dict(named_kit_preset(name, studio.settings.presets).plan) if name else {}
    return parse_kit(**{**planned, **{key: event[key] for key in _PANEL if key in event}})


def told(one: Standing) -> dict[str, Any]:
    """How a kit stands, for the page."""
    said = one.said
    if one.phase == "waiting":
        said = TEXT.waits
    elif one.phase == "making":
        said = TEXT.making.format(said=said or TEXT.loading, share=f"{one.share:.0%}")
    elif one.phase == "done":
        said = " ".join([TEXT.done.format(name=one.name), *one.notes])
    return {"id": one.id, "phase": one.phase, "share": one.share, "said": said}


def kit_routes(studio: Studio) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`: how a kit stands, its ZIP, its end."""

    async def look(request: Request) -> Response:
        try:
            return JSONResponse(told(studio.kits.look(request.path_params["id"])), headers=NO_STORE)
        except InvalidRequestError as error:
            return JSONResponse({"message": str(error)}, 404, headers=NO_STORE)

    async def stop(request: Request) -> Response:
        if OWN_HEADER not in request.headers:
            return PlainTextResponse(words.sets.foreign, 403)
        try:
            await run_in_threadpool(studio.kits.stop, request.path_params["id"])
        except InvalidRequestError as error:
            return PlainTextResponse(str(error), 404)
        return PlainTextResponse("")

    async def fetch(request: Request) -> Response:
        try:
            path = studio.kits.look(request.path_params["id"]).path
        except InvalidRequestError as error:
            return PlainTextResponse(str(error), 404)
        if path is None or not path.is_file():
            return PlainTextResponse(TEXT.gone, 404)
        return FileResponse(path, filename=portable(path.name), media_type="application/zip")

    return [
        Route("/kits/{id}", look),
        Route("/kits/{id}/zip", fetch),
        Route("/kits/{id}/stop", stop, methods=["POST"]),
    ]
