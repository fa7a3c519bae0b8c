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
from studio.ui.tabs.layout import STEP_GAUGE, Inside, Own, lay_out
from studio.ui.tabs.take_tab import Shared, TakeHandlers, TakeTab
from studio.ui.words import words

TAB = "dual"
EXAMPLES = ("birds over a stream", "footsteps on gravel", "a dog barking, rain", "slow lo-fi drums")
SYSTEMS = (DRAFTER, *(system.name for system in REGISTRY.systems if TAB in system.modes))
SCALES = ("text_scale", "acoustic_scale")
_REROLL = "() => String(Math.floor(Math.random() * 2 ** 31))"


def build(shared: Shared, models: Sequence[ModelInfo]) -> TakeTab:
    """Lay the tab out and bind it to the service; call inside a `gr.Tab`. Gives what other tabs need."""
    studio = shared.studio

    def inside(parts: Inside) -> None:
        draft_attention.build(studio, TAB, parts.job_id)
        if studio.settings.trusted:  # its takes are served from the folder of everybody's
            compare.build_grid(studio, parts.form, lambda values: _grid(values, studio))
            compare.build_sweep(studio, parts.form, lambda values: _sweep(values, studio))

    own = Own(
        EXAMPLES, _sound, _engine, lambda form: None, inside,
        above=widgets.draft_player, gauges=STEP_GAUGE,
    )  # fmt: skip
    offered = [model for model in models if model.system in SYSTEMS]
    form = Form(TAB, studio.settings, offered, studio.defaults_of)
    return lay_out(form, TakeHandlers(shared, TAB), studio.settings, own).tab


def _grid(values: Values, studio: Studio) -> list[Variant]:
    """The takes of a grid: at the scales that are given as texts, the rest of the form's values."""
    return scales(read_form(TAB, values, studio), values["text_scales"], values["acoustic_scales"])


def _sweep(values: Values, studio: Studio) -> list[Variant]:
    """The takes of a sweep over the scales that are given as a text."""
    return sweep(read_form(TAB, values, studio), values["scales"])


def _sound(form: Form) -> None:
    form.put("duration_s")
    form.put("draft")
    form.put_own_audio()
    with gr.Row(elem_classes="lw-balance"):
        pad = widgets.pad(TAB, MAX_SCALE, (form.opening["text_scale"], form.opening["acoustic_scale"]))
        with gr.Column(min_width=160):
            form.put(*SCALES)
    sliders = [form.fields[name] for name in SCALES]
    # In the browser alone: of a drag's many points the last must count.
    alone: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    pad.input(None, pad, sliders, js="({ x, y }) => [x, y]", **alone)
    for slider in sliders:
        slider.change(None, sliders, pad, js="(x, y) => [{ x, y }]", **alone)
    form.put("negative_prompt", lines=1, max_lines=3)
    form.put("seed")


def _engine(form: Form) -> None:
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    form.put("steps", min_width=80)
    form.put("model")
    with gr.Accordion(words.form.draft_part, open=False, elem_id=f"{TAB}-draft-settings"):
        with gr.Row(elem_classes="lw-seed"):
            seed = form.put("draft_seed")
            gr.Button(words.form.reroll, size="sm", elem_id=f"{TAB}-draft-reroll", min_width=60).click(
                None, None, seed, js=_REROLL, **hidden
            )
        form.row("temperature", "top_k", classes="lw-numbers", min_width=80)
        form.put("strength", "draft_model")
