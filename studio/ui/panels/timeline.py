"""The timeline of a tab: its plan of prompts as regions to drag. The script is `assets/page/timeline.js`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from studio.core.errors import InvalidRequestError
from studio.core.prompt_schedule import parse_lane

_TEMPLATE = '<div class="lw-timeline"></div>'
_ATTACH = """
import(new URL('page/timeline.js', document.baseURI))
  .then(({ attach }) => attach('%s', element, props, watch, trigger));
"""
_FOLLOW = "(...fields) => [window.longwavePlan?.(...fields) ?? null]"  # as `plan` does
# As `format_lane` writes it.
_LANE = """(value) => {
  const time = (at_s) => {
    const thousandths = Math.round(1000 * at_s);
    const seconds = String(Math.floor(thousandths / 1000) % 60).padStart(2, '0');
    const rest = String(thousandths % 1000).padStart(3, '0').replace(/0+$/, '');
    return `${Math.floor(thousandths / 60000)}:${seconds}${rest && `.${rest}`}`;
  };
  return [(value.points ?? []).map(({ at_s, prompt }) => `${time(at_s)} | ${prompt}\\n`).join('')];
}"""


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


def bind(timeline: gr.HTML, fields: Mapping[str, Any]) -> None:
    """Let the timeline follow a form's fields and the fields follow it, once all are laid out.

    `fields` has `prompt`, `lane`, `lane_blend_s`, `duration_s` and `endless`.
    """
    inputs = [fields[name] for name in ("prompt", "lane", "lane_blend_s", "duration_s", "endless")]
    # In the browser alone: of several changes in a row none may be lost or overtaken on its way.
    alone: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on([field.change for field in inputs], None, inputs, timeline, js=_FOLLOW, **alone)
    timeline.input(None, timeline, fields["lane"], js=_LANE, **alone)
    timeline.submit(None, timeline, fields["prompt"], js="(value) => [value.prompt ?? '']", **alone)
