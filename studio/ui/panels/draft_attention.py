"""What a finished take attends to in its draft: latent frames against the draft's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import plotly.graph_objects as go

from studio.core.errors import StudioError
from studio.core.views import DraftAttention
from studio.service.studio import Studio
from studio.ui.panels.attention import dress
from studio.ui.words import words

texts = words.attention
STEPS = 50  # until a take says how many it had


def build(studio: Studio, tab: str, job_id: gr.State) -> None:
    """Lay the view out in the column one is in, and bind it."""

    def look(job: str, block: str | None, step: float) -> Iterator[tuple[Any, Any, Any, Any]]:
        yield texts.looking, gr.skip(), gr.skip(), gr.skip()
        try:
            seen = studio.listening(job, block or "", int(step))
        except StudioError as error:
            yield str(error), gr.skip(), gr.skip(), gr.skip()
            return
        choices = [(texts.last, ""), *((name, name) for name in seen.blocks)]
        asked = gr.update(maximum=seen.steps, value=seen.step)
        yield "", gr.update(value=figure(seen), visible=True), gr.update(choices=choices), asked

    with gr.Accordion(texts.draft_title, open=False, elem_id=f"{tab}-attention"):
        gr.Markdown(texts.draft_help, elem_classes="lw-said")
        with gr.Row(elem_classes="lw-seed"):
            step = gr.Slider(
                1, STEPS, STEPS // 2, step=1, label=texts.step, elem_id=f"{tab}-attention-step", min_width=120
            )
            block = gr.Dropdown(
                [(texts.last, "")], value="", label=texts.block, allow_custom_value=True,
                elem_id=f"{tab}-attention-block", min_width=90,
            )  # fmt: skip
            press = gr.Button(texts.look, size="sm", elem_id=f"{tab}-attention-look", min_width=60)
        said = gr.Markdown("", elem_id=f"{tab}-attention-said", elem_classes="lw-said")
        plot = gr.Plot(visible=False, show_label=False, elem_id=f"{tab}-attention-map")
        press.click(
            look, [job_id, block, step], [said, plot, block, step],
            show_progress="hidden", concurrency_limit=2, concurrency_id="studies", api_visibility="private",
        )  # fmt: skip


def figure(seen: DraftAttention) -> go.Figure:
    """Latent frames upwards, the draft's to the right: each against its own brightest, by square roots."""
    rows, columns = seen.weights.shape
    shown = np.sqrt(seen.weights / np.maximum(seen.weights.max(), 1e-12))
    heat = go.Heatmap(
        z=np.round(255 * shown).astype(np.uint8),
        x=(np.arange(columns) + 0.5) * seen.draft_s / columns,
        y=(np.arange(rows) + 0.5) * seen.duration_s / rows,
        colorscale="Inferno", showscale=False,
        hovertemplate="take at %{y:.2f} s, draft at %{x:.2f} s<extra></extra>",
    )  # fmt: skip
    plot = go.Figure(heat)
    plot.update_xaxes(title=texts.of_draft)
    plot.update_yaxes(title=texts.of_take)
    return dress(plot, texts.draft_map.format(block=seen.block, step=seen.step, steps=seen.steps), height=340)
