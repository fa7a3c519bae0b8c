"""What attends to what in a finished clip: for a point of its spectrogram, and for the model's blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import plotly.graph_objects as go

from studio.core.errors import StudioError
from studio.core.views import AttentionView, FocusShares
from studio.service.analyses import Analyses
from studio.service.studio import Studio
from studio.ui.widgets import HIDDEN
from studio.ui.words import words

texts = words.attention
NOISE = 0.5
INK = "#8a867f"  # can be read on light and on dark
HEIGHT = 250
Shown = tuple[Any, Any, Any, Any, Any]  # words, map, pattern, shares, the blocks to choose from


def build(studio: Studio, tab: str, spectrogram: gr.HTML, job_id: gr.State) -> None:
    """Lay the views out in the column one is in, and bind them to the spectrogram."""
    handlers = Handlers(Analyses(studio))
    with gr.Accordion(texts.title, open=False, elem_id=f"{tab}-attention"):
        gr.Markdown(texts.help, elem_classes="lw-said")
        with gr.Row(elem_classes="lw-seed"):
            at_s = gr.Number(1.0, label=texts.at, minimum=0, elem_id=f"{tab}-attention-at", min_width=90)
            height = gr.Slider(
                0, 1, 0.3, step=0.01, label=texts.height, elem_id=f"{tab}-attention-height",
                min_width=120,
            )  # fmt: skip
            noise = gr.Slider(
                0, 1, NOISE, step=0.05, label=texts.noise, elem_id=f"{tab}-attention-noise", min_width=120
            )
            block = gr.Dropdown(
                [(texts.last, "")], value="", label=texts.block, allow_custom_value=True,
                elem_id=f"{tab}-attention-block", min_width=90,
            )  # fmt: skip
        with gr.Row(elem_classes="lw-actions"):
            look = gr.Button(texts.look, size="sm", elem_id=f"{tab}-attention-look", min_width=60)
            stop = gr.Button(words.form.stop, size="sm", elem_id=f"{tab}-attention-stop", min_width=60)
        said = gr.Markdown("", elem_id=f"{tab}-attention-said", elem_classes="lw-said")
        plots = [
            gr.Plot(visible=False, show_label=False, elem_id=f"{tab}-attention-{name}")
            for name in ("map", "pattern", "shares")
        ]
    inputs, outputs = [job_id, block, noise, at_s, height], [said, *plots, block]
    options: dict[str, Any] = {
        "show_progress": "hidden", "concurrency_limit": 2, "concurrency_id": "studies",
        "trigger_mode": "always_last", "api_visibility": "private",
    }  # fmt: skip
    pressed = look.click(handlers.look, inputs, outputs, **options)
    # A click is for listening from there; it only says where one would look.
    spectrogram.click(handlers.point, job_id, [at_s, height], **HIDDEN)
    stop.click(None, None, None, cancels=[pressed], **HIDDEN)


class Handlers:
    """What a click on the spectrogram and the buttons do."""

    def __init__(self, studies: Analyses) -> None:
        self._studies = studies

    def point(self, job_id: str, event: gr.EventData) -> tuple[Any, Any]:
        """The place of a click, which the page gives as shares of the picture's width and height."""
        x, y = float(event._data.get("x", 0)), float(event._data.get("y", 0))
        try:
            duration_s = self._studies.duration_s(job_id)
        except StudioError:
            return gr.skip(), gr.skip()  # the look says why
        return round(x * duration_s, 2), round(min(1.0, max(0.0, y)), 2)

    def look(
        self, job_id: str, block: str | None, noise: float, at_s: float | None, height: float
    ) -> Iterator[Shown]:
        """Yields the views as they are ready, with words on what is done."""
        same = gr.skip()
        try:
            for seen in self._studies.look(job_id, block or "", noise, at_s or 0.0, height):
                if isinstance(seen, str):
                    yield f"{seen} …", same, same, same, same
                elif isinstance(seen, AttentionView):
                    picture = gr.update(value=map_figure(seen), visible=True)
                    yield "", picture, gr.update(value=pattern_figure(seen), visible=True), same, same
                    words = said(seen)
                else:
                    choices = [(texts.last, ""), *((name, name) for name in seen.blocks)]
                    shares = gr.update(value=shares_figure(seen), visible=True)
                    yield words, same, same, shares, gr.update(choices=choices)
        except StudioError as error:
            yield str(error), same, same, same, same


def said(look: AttentionView) -> str:
    """The number that matters, in words."""
    return texts.said.format(
        at=f"{look.frame * look.frame_s:.1f}",
        low=f"{look.edges_hz[look.band]:.0f}",
        high=f"{look.edges_hz[look.band + 1]:.0f}",
        block=look.block,
        size=f"{look.size:.0%}",
        share=f"{look.share:.0%}",
    )


def map_figure(look: AttentionView) -> go.Figure:
    """Where the token attends, as frequency × time: the brighter the more, by square roots."""
    frames, bands = look.weights.shape
    times = (np.arange(frames) + 0.5) * look.frame_s
    figure = go.Figure(
        go.Heatmap(
            z=_bytes(look.weights.T), x=times, y=list(range(bands)), colorscale="Inferno", showscale=False,
            customdata=100 * look.weights.T / look.weights.max(),
            hovertemplate="%{x:.2f} s: %{customdata:.0f} % of the most<extra></extra>",
        )
    )  # fmt: skip
    others = look.focus.copy()
    others[:, look.band] = False
    frame, band = np.nonzero(others)
    dots = {"size": 3, "color": "rgba(120,200,255,0.75)"}
    figure.add_scatter(x=times[frame], y=band, mode="markers", marker=dots, hoverinfo="skip")
    own = {"color": "rgb(120,200,255)", "width": 1.5}
    figure.add_shape(
        type="rect", x0=0, x1=frames * look.frame_s, y0=look.band - 0.5, y1=look.band + 0.5, line=own
    )
    cross = {"size": 11, "symbol": "cross-thin", "line": {"width": 2.5, "color": "white"}}
    figure.add_scatter(x=[times[look.frame]], y=[look.band], mode="markers", marker=cross, hoverinfo="skip")
    figure.update_yaxes(
        tickvals=list(range(bands)), ticktext=[_hertz(hz) for hz in _middles(look)], range=[-0.5, bands - 0.5]
    )
    figure.update_xaxes(range=[0, frames * look.frame_s], ticksuffix=" s")
    return dress(figure, texts.map_title.format(block=look.block))


def pattern_figure(look: AttentionView) -> go.Figure:
    """Token × token around the one that was asked for, each row against its own largest weight."""
    rows = look.pattern / np.maximum(look.pattern.max(axis=1, keepdims=True), 1e-12)
    numbers = list(range(look.first, look.first + len(rows)))
    figure = go.Figure(
        go.Heatmap(
            z=_bytes(rows), x=numbers, y=numbers, colorscale="Inferno", showscale=False,
            hovertemplate="token %{y} attends to %{x}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", title=texts.token)
    figure.update_xaxes(title=texts.attends.format(bands=look.weights.shape[1]))
    return dress(figure, texts.pattern_title, height=360)


def shares_figure(shares: FocusShares) -> go.Figure:
    """How much of the attention the focus sets hold, by block and noise."""
    rows = [f"{name} ({size:.0%} of tokens)" for name, size in zip(shares.blocks, shares.size, strict=True)]
    figure = go.Figure(
        go.Heatmap(
            z=np.round(100 * shares.kept), x=[f"t = {t}" for t in shares.timesteps], y=rows,
            zmin=0, zmax=100, colorscale="Inferno", showscale=False, texttemplate="%{z} %",
            hovertemplate="%{y}, %{x}: %{z} % inside<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    height = 110 + 34 * len(rows)
    return dress(figure, texts.shares_title, height=height)


def _bytes(weights: np.ndarray) -> np.ndarray:
    return np.round(255 * np.sqrt(weights / max(float(weights.max()), 1e-12))).astype(np.uint8)


def _middles(look: AttentionView) -> np.ndarray:
    edges = np.array(look.edges_hz)
    return (edges[:-1] + edges[1:]) / 2


def _hertz(hz: float) -> str:
    return f"{hz / 1000:.1f} kHz" if hz >= 1000 else f"{hz:.0f} Hz"


def dress(figure: go.Figure, title: str, height: int = HEIGHT) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 13}, "x": 0.01},
        height=height, margin={"l": 64, "r": 12, "t": 36, "b": 40}, showlegend=False,
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgb(0,0,4)",
        font={"color": INK, "size": 11, "family": "ui-sans-serif, system-ui, sans-serif"},
    )  # fmt: skip
    figure.update_xaxes(showgrid=False, zeroline=False)
    figure.update_yaxes(showgrid=False, zeroline=False)
    return figure
