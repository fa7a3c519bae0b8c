"""The tab "Sparse": a clip of a set length in one piece, its attention as sparse as one likes."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from studio.backends.catalog import ModelInfo
from studio.evaluation.tagging import AudioTagger
from studio.service.compare import methods
from studio.service.studio import Studio
from studio.ui import widgets
from studio.ui.forms import Form, read_form
from studio.ui.panels import attention, compare
from studio.ui.panels.knowledge import Knowledge
from studio.ui.panels.live import LiveViews
from studio.ui.tabs.take_tab import (
    CLIP_GAUGES,
    TakeHandlers,
    TakeTab,
    lay_out_actions,
    lay_out_gauges,
)

TAB = "sparse"
LENGTHS = (10, 20, 40, 80)
EXAMPLES = ("ocean waves, birds far away", "steady rain on a roof", "an engine idling", "a warm evolving pad")


def build(studio: Studio, views: LiveViews, models: Sequence[ModelInfo]) -> TakeTab:
    """Lay the tab out and bind it to the service; call inside a `gr.Tab`. Gives what other tabs need."""
    form = Form(TAB, studio.settings, models)
    knowledge = Knowledge(TAB, studio.settings)
    with gr.Row(elem_classes="lw-columns"):
        with gr.Column(scale=4, min_width=320, elem_classes="lw-form"):
            preset = form.choose_preset()
            _lay_out_first(form, knowledge)
            start, stop = lay_out_actions(TAB)
            widgets.status(TAB)
            _lay_out_others(form)
            form.bind_preset(preset)
            knowledge.bind(form.fields["prompt"], form.fields["model"])
        with gr.Column(scale=7, min_width=320, elem_classes="lw-stage"):
            picture = widgets.clip_spectrogram(TAB)
            player = widgets.player(TAB)
            lay_out_gauges(TAB, **CLIP_GAUGES)
            download = gr.Button("Download the take", interactive=False, elem_id=f"{TAB}-download")
            job_id = gr.State("")
            attention.build(studio, TAB, picture, job_id)
            if studio.settings.trusted:  # its takes are served from the folder of everybody's
                tagger = AudioTagger(studio.settings.assets)
                compare.build_methods(studio, form, compared(studio), tagger)
    tab = TakeTab(form, [player, start, download, job_id], TakeHandlers(studio, views, TAB))
    tab.bind(stop)
    return tab


def compared(studio: Studio) -> compare.Wanted:
    """The takes to compare, of the form's values."""
    return lambda values: methods(read_form(TAB, values, studio))


def _lay_out_first(form: Form, knowledge: Knowledge) -> None:
    prompt = form.put(
        "prompt", lines=2, max_lines=6, placeholder="Describe the sound, for example: ocean waves"
    )
    knowledge.lay_out_warning()
    widgets.example_buttons(prompt, EXAMPLES)
    widgets.example_buttons(form.put("duration_s"), LENGTHS, " s")
    form.put("attention")


def _lay_out_others(form: Form) -> None:
    form.put("negative_prompt", lines=1, max_lines=3)
    form.row("steps", "guidance_scale", classes="lw-numbers", min_width=80)
    form.put("seed", "model")
    form.rest(advanced=False)
    with gr.Accordion("What attends to what", open=False, elem_id=f"{TAB}-advanced"):
        form.row("ratio", "sampling", min_width=120)
        form.row("focus", "compensation", min_width=120)
        form.row("merged", "blocks", min_width=120)
        form.rest(advanced=True)
