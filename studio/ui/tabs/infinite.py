"""The tab "Infinite": one prompt, sound for as long as one likes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import gradio as gr

from studio.backends.catalog import ModelInfo
from studio.core.binding import Values
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.fields import on_page
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.core.values import FRAME_S
from studio.service.studio import Studio
from studio.ui import widgets
from studio.ui.forms import Form, read_form
from studio.ui.panels import compare
from studio.ui.panels.knowledge import Knowledge
from studio.ui.panels.live import LiveViews
from studio.ui.panels.palette import describe_knowledge
from studio.ui.tabs.take_tab import Following, TakeHandlers, TakeTab, lay_out_actions, lay_out_gauges
from studio.ui.widgets import HIDDEN

TAB = "infinite"
EXAMPLES = (
    "heavy rain with distant thunder",
    "birds over a stream",
    "ocean waves on a shore",
    "crickets at night",
    "a helicopter passing",
    "a crackling fire",
    "slow lo-fi drums",
    "a warm evolving pad",
)
SAMPLER = tuple(name for name, field in on_page(TAB).items() if field.path.startswith("sampler."))


def build(studio: Studio, views: LiveViews, models: Sequence[ModelInfo]) -> TakeTab:
    """Lay the tab out and bind it to the service; call inside a `gr.Tab`. Gives what other tabs need."""
    handlers = Handlers(studio, views, TAB)
    form = Form(TAB, studio.settings, models)
    knowledge = Knowledge(TAB, studio.settings)
    with gr.Row(elem_classes="lw-columns"):
        with gr.Column(scale=4, min_width=320, elem_classes="lw-form"):
            preset = form.choose_preset()
            _lay_out_first(form, knowledge)
            start, stop = lay_out_actions(TAB)
            with gr.Row(elem_classes="lw-actions"):
                finish = gr.Button("Fade out and end", size="sm", elem_id=f"{TAB}-finish", min_width=120)
                again = gr.Button("New take", size="sm", elem_id=f"{TAB}-again", min_width=90)
            widgets.status(TAB)
            form.put("negative_prompt", lines=1, max_lines=3)
            form.put("seed")
            _lay_out_model(form, knowledge)
            steer, steered = _lay_out_lane(form)
            with gr.Accordion("Go on from a recording", open=False, elem_id=f"{TAB}-continue-part"):
                form.put("continue_from")
            form.rest(advanced=False)
            unload, unloaded = _lay_out_advanced(form, studio.settings)
            form.bind_preset(preset)
        with gr.Column(scale=7, min_width=320, elem_classes="lw-stage"):
            widgets.spectrogram(TAB)
            player = widgets.player(TAB)
            lay_out_gauges(
                TAB,
                memory=("Memory", "stays flat however long the take"),
                rtf=("Real-time factor", "below 1 is faster than you listen"),
                ahead=("Made ahead", "then it waits for your ears"),
            )
            widgets.attention(TAB)
            download = gr.Button("Download the take", interactive=False, elem_id=f"{TAB}-download")
            if studio.settings.trusted:  # its takes are served from the folder of everybody's
                compare.build(studio, form)
    job_id = gr.State("")
    tab = TakeTab(form, [player, start, download, job_id], handlers)
    tab.bind(stop)
    finish.click(handlers.finish, job_id, None, **HIDDEN)
    # As often as one likes: by default Gradio drops a press while the take of the one before still plays.
    tab.follow(again.click, handlers.again, job_id, inputs_kwargs=form.fields, trigger_mode="multiple")
    unload.click(handlers.unload, None, unloaded, **HIDDEN)
    steer.click(handlers.steer, job_id, steered, inputs_kwargs=form.fields, **HIDDEN)
    return tab


def _lay_out_first(form: Form, knowledge: Knowledge) -> None:
    prompt = form.put(
        "prompt", lines=2, max_lines=6, placeholder="Describe the sound, for example: heavy rain"
    )
    knowledge.lay_out_warning()
    widgets.example_buttons(prompt, EXAMPLES)
    with gr.Row(elem_classes="lw-numbers"):
        form.put("duration_s", "endless", min_width=90)
        form.put("guidance_scale", min_width=80)


def _lay_out_model(form: Form, knowledge: Knowledge) -> None:
    model = form.put("model")
    said = describe_knowledge(knowledge.of(form.opening["model"]))
    knows = gr.Markdown(said, elem_id=f"{TAB}-knows", elem_classes="lw-said")
    model.change(lambda model: describe_knowledge(knowledge.of(model)), model, knows, **HIDDEN)
    knowledge.bind(form.fields["prompt"], model)


def _lay_out_lane(form: Form) -> tuple[gr.Button, gr.Markdown]:
    """The lane; the button that plays a change of it, and what is said of that."""
    with gr.Accordion("Prompt lane", open=False, elem_id=f"{TAB}-lane-part"):
        form.put("lane", lines=4, max_lines=12)
        with gr.Row(elem_classes="lw-seed"):
            form.put("lane_blend_s", min_width=120)
            steer = gr.Button("Play the change", size="sm", elem_id=f"{TAB}-steer", min_width=60)
        return steer, gr.Markdown("", elem_id=f"{TAB}-steered", elem_classes="lw-said")


def _lay_out_advanced(form: Form, settings: Settings) -> tuple[gr.Button, gr.Markdown]:
    """What one may leave as it is; the button that unloads the model, and what is said of that."""
    with gr.Accordion("Advanced", open=False, elem_id=f"{TAB}-advanced"):
        form.put("strategy")
        form.row("base_steps", "skip_factor", min_width=100)
        form.row("group_size", "buffer_frames", min_width=100)
        form.row("warmup_steps", "attention_interval", min_width=100)
        form.row("attention", "draft", min_width=100)
        with gr.Group(visible=form.opening["draft"] != "none") as hearing:
            form.put("acoustic_scale")
            form.put_own_audio()
        draft = form.fields["draft"]
        draft.change(lambda kind: gr.update(visible=kind != "none"), draft, hearing, **HIDDEN)
        form.rest(advanced=True)
        said = gr.Markdown(
            describe_window(settings.lead_s, form.opening), elem_id=f"{TAB}-window", elem_classes="lw-said"
        )
        unload = gr.Button("Unload the model", size="sm", elem_id=f"{TAB}-unload")
        unloaded = gr.Markdown("", elem_id=f"{TAB}-unloaded", elem_classes="lw-said")
    sampler = {name: form.fields[name] for name in SAMPLER}
    gr.on(
        [part.change for part in sampler.values()],
        lambda **values: describe_window(settings.lead_s, values),
        outputs=said, inputs_kwargs=sampler, trigger_mode="always_last", **HIDDEN,
    )  # fmt: skip
    return unload, unloaded


def describe_window(lead_s: float, values: Values) -> str:
    """What the sampler's settings come to, in a sentence; which of them can't be, where they make none."""
    try:
        request = parse_request(
            prompt="x", sampler={"kind": "endless", **{name: values[name] for name in SAMPLER}}
        )
    except InvalidRequestError as error:
        return str(error)
    sampler = request.endless
    queue_s = sampler.steps * sampler.group_size * FRAME_S
    window_s = sampler.window_frames * FRAME_S
    return (
        f"{sampler.steps} steps a frame in a window of {window_s:.1f} s; each forward yields "
        f"{1000 * sampler.group_size * FRAME_S:.0f} ms. A change of prompt is heard some "
        f"{queue_s / 2 + lead_s:.0f} s later."
    )


class Handlers(TakeHandlers):
    """What the tab's buttons do."""

    def again(self, job_id: str, **values: Any) -> Iterator[Following]:
        """Stop the take that plays here, and start another of the same values with a seed of its own."""
        yield from self._begin(lambda: self._submit({**values, "seed": -1}, instead_of=job_id))

    def unload(self) -> str:
        """Let go of the loaded models; what that freed, in a sentence."""
        try:
            freed = self._studio.unload()
        except StudioError as error:
            return str(error)
        return f"Unloaded: {freed / 1e6:.0f} MB freed. The next take loads its model again."

    def steer(self, job_id: str, **values: Any) -> str:
        """Change the running take to the form's prompt and lane; what comes of it, in a sentence."""
        if not job_id:
            return "Nothing plays yet: press Generate, then change the scene."
        try:
            # Its draft stays what it is: a recording need not be read again.
            wanted = read_form(TAB, {**values, "draft": "none"}, self._studio)
            self._studio.steer(job_id, wanted.prompt, wanted.lane)
        except StudioError as error:
            return str(error)
        return "Taken up: it is heard in a few seconds."

    def finish(self, job_id: str) -> None:
        """Let the take that this page started fade out, if it still runs."""
        with suppress(InvalidRequestError):
            self._studio.finish(job_id)
