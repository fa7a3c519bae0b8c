"""Getting a model: what it takes, then its progress, on the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from studio.backends.catalog import ModelInfo
from studio.core.audio import format_time
from studio.core.errors import StudioError
from studio.service.downloads import Downloader, DownloadProgress
from studio.ui.widgets import HIDDEN
from studio.ui.words import words

POLL_S = 1.0
texts = words.models


def build(downloader: Downloader, models: Sequence[ModelInfo]) -> None:
    """Lay the section out where one is, for the models of the catalog that can be downloaded."""
    choices = [
        (f"{model.title} · {model.size_mb / 1000:.1f} GB", model.id) for model in models if _on_hub(model)
    ]
    with gr.Accordion(texts.title, open=False, elem_id="getting"):
        model = gr.Dropdown(choices, value=None, label=texts.model, elem_id="getting-model")
        says = gr.Markdown(texts.hint, elem_id="getting-says")
        with gr.Row():
            start = gr.Button(texts.get, interactive=False, elem_id="getting-start")
            stop = gr.Button(words.form.stop, interactive=False, elem_id="getting-stop")
        poll = gr.Timer(POLL_S, active=False)

    def chosen(model_id: str | None) -> tuple[str, dict[str, Any]]:
        if not model_id:
            return texts.hint, gr.update(interactive=False)
        try:
            wanted = downloader.plan(model_id)
        except StudioError as error:
            return str(error), gr.update(interactive=False)
        note = next(listed.note for listed in models if listed.id == model_id)
        here = texts.here.format(size=_size(wanted.here)) if wanted.here else ""
        return (
            texts.wanted.format(
                note=note, size=_size(wanted.size), here=here, free=_size(wanted.free), licence=wanted.licence
            ),
            gr.update(interactive=wanted.here < wanted.size),
        )

    def begin(model_id: str | None) -> tuple[str, Any, Any, Any]:
        try:
            downloader.start(model_id or "")
        except StudioError as error:
            return str(error), gr.update(), gr.update(), gr.update()
        return (
            texts.asking,
            gr.update(interactive=False),
            gr.update(interactive=True),
            gr.Timer(active=True),
        )

    def look() -> tuple[Any, Any, Any, Any]:
        progress = downloader.progress
        if progress is None:
            return gr.update(), gr.update(), gr.update(), gr.Timer(active=False)
        ended = progress.ended
        return (
            describe(progress),
            gr.update(interactive=ended),
            gr.update(interactive=not ended),
            gr.Timer(active=not ended),
        )

    shown = [says, start, stop, poll]
    model.change(chosen, model, [says, start], **HIDDEN)
    start.click(begin, model, shown, **HIDDEN)
    stop.click(downloader.stop, None, None, **HIDDEN)
    poll.tick(look, None, shown, **HIDDEN)


def describe(progress: DownloadProgress) -> str:
    """How a download stands, in words: bytes, speed, time left, or how it ended."""
    if progress.ended:
        return progress.said
    left = progress.left_s
    pace = (
        texts.pace.format(speed=_size(int(progress.speed)), left=format_time(left))
        if left is not None
        else ""
    )
    here, total = _size(progress.here), _size(progress.total)
    return texts.progress.format(model=progress.model_id, here=here, total=total, pace=pace)


def _on_hub(model: ModelInfo) -> bool:
    return model.source == "hub"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
