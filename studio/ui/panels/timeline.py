"""The timeline of a tab: its plan of prompts as regions to drag. The script is `assets/page/timeline.js`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from pydantic import TypeAdapter, ValidationError

from studio.core.errors import InvalidRequestError
from studio.core.prompt_schedule import format_lane, parse_lane
from studio.core.request import PromptPoint
from studio.ui.widgets import HIDDEN

_TEMPLATE = '<div class="lw-timeline"></div>'
_ATTACH = """
import(new URL('page/timeline.js', document.baseURI))
  .then(({ attach }) => attach('%s', element, props, watch, trigger));
"""
_POINTS = TypeAdapter(tuple[PromptPoint, ...])


def build(tab: str) -> gr.HTML:
    """Lay a tab's timeline out. Its value is a plan, as `plan` makes one of the form's fields.

    By a hand on the page it gets another lane, which triggers `input`, or begins otherwise, `submit`.
    """
    return gr.HTML(
        value=plan(),
        html_template=_TEMPLATE,
        js_on_load=_ATTACH % tab,
        apply_default_css=False,
        elem_id=f"{tab}-timeline",
        elem_classes="lw-card",
    )


def plan(
    prompt: str | None = "",
    lane: str | None = "",
    blend_s: float | None = None,
    duration_s: float | None = None,
    endless: bool = False,
) -> Any:
    """A form's fields as the script takes them; nothing anew while the typed lane can't be read."""
    try:
        points = parse_lane(lane or "")
    except InvalidRequestError:
        return gr.skip()
    return {
        "prompt": prompt or "",
        "points": [point.model_dump() for point in points],
        "blend_s": blend_s or 0.0,
        "length_s": None if endless or not duration_s or duration_s < 0 else duration_s,
    }


def as_lane(points: Any) -> Any:
    """The script's points as the text of the field; nothing anew for what is no lane."""
    try:
        return format_lane(_POINTS.validate_python(points))
    except ValidationError:
        return gr.skip()


def bind(timeline: gr.HTML, fields: Mapping[str, Any]) -> None:
    """Let the timeline follow a form's fields and the fields follow it, once all are laid out.

    `fields` has `prompt`, `lane`, `lane_blend_s`, `duration_s` and `endless`.
    """
    inputs = [fields[name] for name in ("prompt", "lane", "lane_blend_s", "duration_s", "endless")]
    gr.on([field.change for field in inputs], plan, inputs, timeline, trigger_mode="always_last", **HIDDEN)
    timeline.input(_lane, timeline, fields["lane"], trigger_mode="always_last", **HIDDEN)
    timeline.submit(_prompt, timeline, fields["prompt"], trigger_mode="always_last", **HIDDEN)


def _lane(value: Mapping[str, Any]) -> Any:
    return as_lane(value.get("points"))


def _prompt(value: Mapping[str, Any]) -> str:
    return str(value.get("prompt", ""))
