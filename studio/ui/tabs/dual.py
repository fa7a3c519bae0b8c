"""The tab "Dual": a rough draft, AudioGen's or a recording, refined by a diffusion that reads the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from studio.backends.catalog import DRAFTER, ModelInfo
from studio.backends.registry import REGISTRY
from studio.core.binding import Values
from studio.core.fields import MAX_SCALE
from studio.service.compare import Variant, scales, sweep
from studio.service.studio import Studio
from studio.ui import widgets
from studio.ui.forms import Form, read_form
from studio.ui.panels import compare, draft_attention
from studio.ui.panels.knowledge import Knowledge
from studio.ui.panels.live import LiveViews
from studio.ui.tabs.take_tab import (
    CLIP_GAUGES,
    TakeHandlers,
    TakeTab,
    lay_out_actions,
    lay_out_gauges,
)
from studio.ui.widgets import HIDDEN

TAB = "dual"
EXAMPLES = ("birds over a stream", "footsteps on gravel", "a dog barking, rain", "slow lo-fi drums")
SYSTEMS = (DRAFTER, *(system.name for system in REGISTRY.systems if TAB in system.modes))
SCALES = ("text_scale", "acoustic_scale")
_REROLL = "() => String(Math.floor(Math.random() * 2 ** 31))"


def build(studio: Studio, views: LiveViews, models: Sequence[ModelInfo]) -> TakeTab:
    """Lay the tab out and bind it to the service; call inside a `gr.Tab`. Gives what other tabs need."""
    form = Form(TAB, studio.settings, [model for model in models if model.system in SYSTEMS])
    knowledge = Knowledge(TAB, studio.settings)
    with gr.Row(elem_classes="lw-columns"):
        with gr.Column(scale=4, min_width=320, elem_classes="lw-form"):
            preset = form.choose_preset()
            _lay_out_first(form, knowledge)
            start, stop = lay_out_actions(TAB)
            widgets.status(TAB)
            _lay_out_draft(form)
            _lay_out_others(form)
            form.bind_preset(preset)
            knowledge.bind(form.fields["prompt"], form.fields["model"])
        with gr.Column(scale=7, min_width=320, elem_classes="lw-stage"):
            widgets.draft_player(TAB)
            widgets.clip_spectrogram(TAB)
            player = widgets.player(TAB)
            lay_out_gauges(TAB, **CLIP_GAUGES)
            download = gr.Button("Download the take", interactive=False, elem_id=f"{TAB}-download")
            job_id = gr.State("")
            draft_attention.build(studio, TAB, job_id)
            if studio.settings.trusted:  # its takes are served from the folder of everybody's
                compare.build_grid(studio, form, lambda values: _grid(values, studio))
                compare.build_sweep(studio, form, lambda values: _sweep(values, studio))
    tab = TakeTab(form, [player, start, download, job_id], TakeHandlers(studio, views, TAB))
    tab.bind(stop)
    return tab


def _grid(values: Values, studio: Studio) -> list[Variant]:
    """The takes of a grid: at the scales that are given as texts, the rest of the form's values."""
    return scales(read_form(TAB, values, studio), values["text_scales"], values["acoustic_scales"])


def _sweep(values: Values, studio: Studio) -> list[Variant]:
    """The takes of a sweep over the scales that are given as a text."""
    return sweep(read_form(TAB, values, studio), values["scales"])


def _lay_out_first(form: Form, knowledge: Knowledge) -> None:
    prompt = form.put(
        "prompt", lines=2, max_lines=6, placeholder="Describe the sound, for example: birds over a stream"
    )
    knowledge.lay_out_warning()
    widgets.example_buttons(prompt, EXAMPLES)
    form.put("duration_s")
    with gr.Row(elem_classes="lw-balance"):
        pad = widgets.pad(TAB, MAX_SCALE, (form.opening["text_scale"], form.opening["acoustic_scale"]))
        with gr.Column(min_width=160):
            form.put(*SCALES)
    sliders = [form.fields[name] for name in SCALES]
    pad.click(_point, None, sliders, **HIDDEN)
    for slider in sliders:
        slider.change(None, sliders, pad, js="(x, y) => [{ x, y }]", **HIDDEN)


def _point(event: gr.EventData) -> tuple[float, float]:
    """Where the pad was pressed, as scales."""
    x, y = (min(1.0, max(0.0, float(event._data.get(name, 0)))) for name in ("x", "y"))
    return round(MAX_SCALE * x, 1), round(MAX_SCALE * y, 1)


def _lay_out_draft(form: Form) -> None:
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    form.put("draft")
    with gr.Accordion("The draft", open=False, elem_id=f"{TAB}-draft-settings"):
        with gr.Row(elem_classes="lw-seed"):
            seed = form.put("draft_seed")
            gr.Button("Re-roll", size="sm", elem_id=f"{TAB}-draft-reroll", min_width=60).click(
                None, None, seed, js=_REROLL, **hidden
            )
        form.row("temperature", "top_k", classes="lw-numbers", min_width=80)
        form.put("strength", "draft_model")
    form.put_own_audio()


def _lay_out_others(form: Form) -> None:
    form.put("negative_prompt", lines=1, max_lines=3)
    form.put("steps", min_width=80)
    form.put("seed", "model")
    form.rest(advanced=False)
    with gr.Accordion("More", open=False, elem_id=f"{TAB}-advanced"):
        form.rest(advanced=True)
