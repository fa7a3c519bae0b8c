"""The places that the tabs of takes share: what is asked for, the stage, three depths of settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from studio.core.audio import format_time
from studio.core.binding import said_on_page
from studio.core.modes import MODES
from studio.core.settings import Settings
from studio.ui import widgets
from studio.ui.forms import Form
from studio.ui.panels import asking, kits, look, palette, sets, speech, timeline
from studio.ui.tabs.take_tab import TakeHandlers, TakeTab
from studio.ui.words import words

GAUGES = {
    "memory": (words.inside.memory, words.inside.memory_note),
    "rtf": (words.inside.speed, words.inside.speed_note),
}
PLANNED = ("prompt", "lane", "lane_blend_s", "duration_s", "endless")
STEP_GAUGE = {"step": (words.inside.step, words.inside.step_note)}


@dataclass(frozen=True)
class Own:
    """What a tab lays out of its own, each at the place that all tabs have for it."""

    examples: Sequence[str]  # where the model does not say what it knows
    sound: Callable[[Form], None]
    engine: Callable[[Form], None]
    expert: Callable[[Form], None]
    inside: Callable[[Inside], None]
    picture: Callable[[str], gr.HTML] = widgets.clip_spectrogram
    above: Callable[[str], Any] = lambda tab: None  # the picture
    gauges: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Inside:
    """What the views of a take's insides are bound to."""

    form: Form
    picture: gr.HTML
    job_id: gr.State


@dataclass(frozen=True)
class Laid:
    """A tab that is laid out, and the buttons that it may bind to more."""

    tab: TakeTab
    steer: gr.Button
    steered: gr.Markdown
    finish: gr.Button
    job_id: gr.State


def lay_out(form: Form, handlers: TakeHandlers, settings: Settings, own: Own) -> Laid:
    """Lay a tab out where one is, and bind what all tabs have to the service."""
    tab = form.mode
    endless = MODES[tab].sampler == "endless"
    # A kit is long work, and lies where everybody's takes do.
    with_kits = tab == kits.TAB and settings.trusted
    with gr.Column(elem_classes="lw-tab", elem_id=f"{tab}-tab"):
        with gr.Row(elem_classes="lw-ask"):
            with gr.Column(scale=5, min_width=280, elem_classes="lw-prompt"):
                example = MODES[tab].example
                form.put(
                    "prompt", lines=2, max_lines=6, placeholder=words.form.placeholder.format(example=example)
                )
                if said_on_page(tab):
                    speech.build(form)
            with gr.Column(scale=2, min_width=260, elem_classes="lw-go"):
                start, steer, again = _main_buttons(tab, endless, kits.opener() if with_kits else "")
                with gr.Row(elem_classes="lw-more"):
                    form.put("variations", show_label=False, container=False, min_width=120)
                    finish = _button(words.form.fade, f"{tab}-finish", visible=endless)
                    stop = _button(words.form.stop, f"{tab}-stop")
        set_of_it = sets.build_ask(tab)
        kit_of_it = kits.build_ask(tab, settings.presets) if with_kits else None
        with gr.Row(elem_classes="lw-said-row"):
            widgets.status(tab)
            steered = gr.Markdown("", elem_id=f"{tab}-steered", elem_classes="lw-said", visible=endless)
        with gr.Row(elem_classes="lw-scenes"):
            known = palette.build(tab, settings, form.opening["model"], own.examples)
            with gr.Column(elem_classes="lw-preset", min_width=200):
                form.choose_preset()
                widgets.reset(tab)
        with gr.Row(elem_classes="lw-columns"):
            with gr.Column(scale=7, min_width=320, elem_classes="lw-stage"):
                planned = timeline.build(tab) if endless else None
                if planned is not None:
                    planned.value = timeline.plan(*(form.opening[name] for name in PLANNED))
                own.above(tab)
                picture = own.picture(tab)
                player = widgets.player(tab)
                download = gr.Button(
                    words.form.download, interactive=False, size="sm", elem_id=f"{tab}-download", min_width=90
                )
                strip = widgets.take_strip(tab)  # last, as it grows
            job_id = gr.State("")
            with gr.Column(scale=4, min_width=320, elem_classes="lw-inspector", elem_id=f"{tab}-inspector"):
                widgets.panes(tab)
                with gr.Column(elem_id=f"{tab}-sound", elem_classes="lw-pane"):
                    own.sound(form)
                    form.rest("sound")
                with gr.Column(elem_id=f"{tab}-engine", elem_classes="lw-pane"):
                    form.put("effort")
                    own.engine(form)
                    form.rest("engine")
                    with gr.Accordion(words.form.expert, open=False, elem_id=f"{tab}-advanced"):
                        own.expert(form)
                        form.rest("expert")
                with gr.Column(elem_id=f"{tab}-inside", elem_classes="lw-pane"):
                    _gauges(tab, own.gauges)
                    look.build(handlers.looks, tab, handlers.looks.of_job, job_id, handlers.in_strip)
                    own.inside(Inside(form, picture, job_id))
    form.join()
    known.bind(form.fields["prompt"], form.fields["model"])
    if planned is not None:
        timeline.bind(planned, form.fields)
    take_tab = TakeTab(form, [player, start, download, job_id, strip], handlers)
    take_tab.bind(again, stop)
    asking.bind_ask(set_of_it, form, handlers.ask_for_set)
    if kit_of_it is not None:
        asking.bind_ask(kit_of_it, form, handlers.ask_for_kit)
    return Laid(take_tab, steer, steered, finish, job_id)


def _main_buttons(tab: str, endless: bool, more: str) -> tuple[gr.Button, gr.Button, gr.Button]:
    """One is to be seen at a time: the page's scripts know which says what a press will do."""
    with gr.Row(elem_classes="lw-main"):
        start = gr.Button(words.form.generate, variant="primary", elem_id=f"{tab}-generate", min_width=120)
        steer = gr.Button(
            words.form.change, variant="primary", elem_id=f"{tab}-steer", min_width=120, visible=endless
        )
        again = gr.Button(words.form.again, variant="primary", elem_id=f"{tab}-again", min_width=120)
    widgets.will(tab, more)
    return start, steer, again


def _button(text: str, elem_id: str, visible: bool = True) -> gr.Button:
    """One that the page's scripts enable while something runs."""
    return gr.Button(text, size="sm", interactive=False, visible=visible, elem_id=elem_id, min_width=60)


def _gauges(tab: str, own: dict[str, tuple[str, str]]) -> None:
    with gr.Row(elem_classes="lw-gauges"):
        for figure, (name, note) in {**GAUGES, **own}.items():
            widgets.gauge(tab, figure, name, note)


def length_buttons(form: Form, lengths: Sequence[float]) -> None:
    """Lengths to press."""
    with gr.Row(elem_classes="lw-lengths"):
        for length in lengths:
            gr.Button(format_time(length), size="sm", min_width=40).click(
                None, None, form.fields["duration_s"], js=f"() => {length!r}",
                show_progress="hidden", api_visibility="private",
            )  # fmt: skip
