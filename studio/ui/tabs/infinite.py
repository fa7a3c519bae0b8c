"""The tab "Infinite": one prompt, sound for as long as one likes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import gradio as gr

from studio.backends.catalog import ModelInfo, speaks
from studio.core.binding import Values
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.fields import on_page
from studio.core.request import parse_request
from studio.core.values import FRAME_S
from studio.ui import widgets
from studio.ui.forms import Form, read_form
from studio.ui.panels import compare
from studio.ui.panels.live import heard_after_s
from studio.ui.tabs.layout import Inside, Own, lay_out
from studio.ui.tabs.take_tab import Shared, TakeHandlers, TakeTab
from studio.ui.widgets import HIDDEN
from studio.ui.words import words

TAB = "infinite"
EXAMPLES = (
    "heavy rain with distant thunder",
    "birds over a stream",
    "ocean waves on a shore",
    "crickets at night",
    "a crackling fire",
    "a warm evolving pad",
)
SAMPLER = tuple(name for name, field in on_page(TAB).items() if field.path.startswith("sampler."))


def build(shared: Shared, models: Sequence[ModelInfo]) -> TakeTab:
    """Lay the tab out and bind it to the service; call inside a `gr.Tab`. Gives what other tabs need."""
    studio = shared.studio
    handlers = Handlers(shared, TAB)
    form = Form(TAB, studio.settings, models, studio.defaults_of)

    def inside(parts: Inside) -> None:
        widgets.attention(TAB)
        if studio.settings.trusted:  # its takes are served from the folder of everybody's
            compare.build(studio, parts.form)

    laid = lay_out(
        form,
        handlers,
        studio.settings,
        Own(
            examples=EXAMPLES,
            sound=_sound,
            engine=lambda form: _engine(form, handlers),
            expert=lambda form: _expert(form, studio.settings.lead_s),
            picture=widgets.spectrogram,
            inside=inside,
            gauges={"ahead": (words.inside.ahead, words.inside.ahead_note)},
        ),
    )
    laid.finish.click(handlers.finish, laid.job_id, None, **HIDDEN)
    laid.steer.click(handlers.steer, laid.job_id, laid.steered, inputs_kwargs=form.fields, **HIDDEN)
    return laid.tab


def _sound(form: Form) -> None:
    with gr.Row(elem_classes="lw-numbers"):
        form.put("duration_s", "endless", min_width=90)
        form.put("guidance_scale", min_width=80)
    form.put("speech_scale")
    form.put("negative_prompt", lines=1, max_lines=3)
    form.put("seed")
    form.put("lane_blend_s", min_width=120)
    with gr.Accordion(words.form.as_text, open=False, elem_id=f"{TAB}-lane-part"):
        form.put("lane", lines=4, max_lines=12)
    with gr.Accordion(words.form.continue_part, open=False, elem_id=f"{TAB}-continue-part"):
        form.put("continue_from")


def _engine(form: Form, handlers: Handlers) -> None:
    form.put("model", "passes")
    form.put("pause_s")
    form.row("attention", "draft", min_width=100)
    with gr.Group(visible=form.opening["draft"] != "none") as hearing:
        form.put("acoustic_scale")
        form.put_own_audio()
    draft = form.fields["draft"]
    draft.change(lambda kind: gr.update(visible=kind != "none"), draft, hearing, **HIDDEN)
    form.put("keep_running")
    unload = gr.Button(words.form.unload, size="sm", elem_id=f"{TAB}-unload")
    unloaded = gr.Markdown("", elem_id=f"{TAB}-unloaded", elem_classes="lw-said")
    unload.click(handlers.unload, None, unloaded, **HIDDEN)


def _expert(form: Form, lead_s: float) -> None:
    form.put("strategy")
    form.row("base_steps", "skip_factor", min_width=100)
    form.row("group_size", "buffer_frames", min_width=100)
    form.row("warmup_steps", "attention_interval", min_width=100)
    said = gr.Markdown(describe_window(lead_s, form.opening), elem_id=f"{TAB}-window", elem_classes="lw-said")
    sampler = {name: form.fields[name] for name in SAMPLER}
    gr.on(
        [part.change for part in sampler.values()],
        lambda **values: describe_window(lead_s, values),
        outputs=said, inputs_kwargs=sampler, trigger_mode="always_last", **HIDDEN,
    )  # fmt: skip


def describe_window(lead_s: float, values: Values) -> str:
    """What the sampler's settings come to, in a sentence; which of them can't be, where they make none."""
    try:
        request = parse_request(
            prompt="x", sampler={"kind": "endless", **{name: values[name] for name in SAMPLER}}
        )
    except InvalidRequestError as error:
        return str(error)
    sampler = request.endless
    return words.form.window.format(
        **{
            "steps": sampler.steps,
            "window": f"{sampler.window_frames * FRAME_S:.1f}",
            "yield": f"{1000 * sampler.group_size * FRAME_S:.0f}",
            "delay": f"{heard_after_s(sampler, lead_s):.0f}",
        }
    )


class Handlers(TakeHandlers):
    """What the tab's buttons do."""

    def unload(self) -> str:
        """Let go of the loaded models; what that freed, in a sentence."""
        try:
            freed = self._studio.unload()
        except StudioError as error:
            return str(error)
        return words.form.unloaded.format(mb=f"{freed / 1e6:.0f}")

    def steer(self, job_id: str, **values: Any) -> str:
        """Change the running take to the form's prompt, timeline and words; what comes of it, told."""
        if not job_id:
            return words.takes.nothing_plays
        try:
            # Its draft stays what it is: a recording need not be read again.
            wanted = read_form(TAB, {**values, "draft": "none"}, self._studio)
            script = wanted.speech.text if speaks(wanted.model.id, self._studio.settings) else None
            self._studio.steer(job_id, wanted.prompt, wanted.lane, script)
            job = self._studio.job(job_id)
            sampler = job.request.endless
        except StudioError as error:
            return str(error)
        ahead_s = job.stream.buffered_s if job.stream is not None else 0.0
        return words.takes.change_planned.format(seconds=f"{heard_after_s(sampler, ahead_s):.0f}")

    def finish(self, job_id: str) -> None:
        """Let the take that this page started fade out, if it still runs."""
        with suppress(InvalidRequestError):
            self._studio.finish(job_id)
