"""A page with a palette and a timeline alone, on a form of a few fields: no sound is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from studio.core.settings import Settings, data_dir
from studio.ui.panels import palette, timeline
from studio.ui.server.theme import studio_theme
from studio.ui.words import as_script

PAGE = data_dir("assets") / "page"
EXAMPLES = ("slow lo-fi drums", "a warm evolving pad")
MODELS = ("pocket/audioldm", "tone")


async def page_file(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "words.js":
        return Response(as_script(), media_type="text/javascript")
    return FileResponse(PAGE / name)


def build_pieces(tab: str = "piece") -> gr.Blocks:
    """The fields that a tab has, the palette below its prompt, and its timeline."""
    with gr.Blocks(title="Pieces") as blocks:
        fields: dict[str, Any] = {"prompt": gr.Textbox(label="Prompt", elem_id=f"{tab}-prompt")}
        words = palette.build(tab, Settings(), MODELS[0], EXAMPLES)
        line = timeline.build(tab)
        gr.HTML('<canvas height="160"></canvas>', elem_id=f"{tab}-picture")
        with gr.Row():
            fields["duration_s"] = gr.Number(60, label="Length (seconds)", elem_id=f"{tab}-duration")
            fields["endless"] = gr.Checkbox(True, label="Endless", elem_id=f"{tab}-endless")
            fields["lane_blend_s"] = gr.Number(2, label="Seconds a change takes", elem_id=f"{tab}-blend")
            model = gr.Dropdown(list(MODELS), value=MODELS[0], label="Model", elem_id=f"{tab}-model")
        fields["lane"] = gr.Textbox(label="Lane", lines=4, elem_id=f"{tab}-lane")
        words.bind(fields["prompt"], model)
        timeline.bind(line, fields)
    return blocks


@contextmanager
def served_pieces(port: int) -> Iterator[str]:
    """The address of such a page."""
    blocks = build_pieces()
    _, url, _ = blocks.launch(
        server_name="127.0.0.1",
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        footer_links=[],
        theme=studio_theme(),
        css_paths=[PAGE / name for name in ("style.css", "timeline.css", "palette.css")],
        app_kwargs={"routes": [Route("/page/{name}", page_file)]},
    )
    try:
        yield url
    finally:
        blocks.close(verbose=False)
