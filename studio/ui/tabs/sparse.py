"""The tab "Sparse": a clip of a set length in one piece, its attention as sparse as one likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr

from studio.backends.catalog import ModelInfo
from studio.core.attention import LiteFocusAttention
from studio.core.fields import LABELS
from studio.core.preset import Preset, named_preset
from studio.core.request import MAX_CLIP_S, GenerationRequest, parse_request
from studio.core.sampling import ClipSampler
from studio.core.settings import Settings
from studio.evaluation.tagging import AudioTagger
from studio.service.compare import methods
from studio.service.jobs.job import Job
from studio.service.studio import Studio
from studio.ui import widgets
from studio.ui.panels import attention, compare
from studio.ui.panels.knowledge import Knowledge
from studio.ui.panels.live import LiveViews
from studio.ui.server.callers import client_of
from studio.ui.tabs.take_tab import HIDDEN, Following, TakeHandlers, follow_on

TAB = "sparse"
LENGTHS = (10, 20, 40, 80)
EXAMPLES = ("ocean waves, birds far away", "steady rain on a roof", "an engine idling", "a warm evolving pad")
METHODS = [("LiteFocus", "lite_focus"), ("Dense", "dense"), ("Token merging", "token_merging")]
MERGED = 0.5
_DEFAULTS = GenerationRequest.model_fields
_FOCUS = LiteFocusAttention()
_STOP_PLAYER = f"(id) => {{ window.longwave?.{TAB}?.stop(); return [id]; }}"


class FormValues(NamedTuple):
    """What the fields hold, in the order in which Gradio hands them over."""

    prompt: str | None = EXAMPLES[0]
    negative_prompt: str | None = ""
    duration_s: float | None = 20.0
    method: str = "lite_focus"
    steps: float | None = ClipSampler().steps
    guidance_scale: float | None = _DEFAULTS["guidance_scale"].default
    seed: str | float | None = -1  # by its digits
    model: str = ""
    ratio: str | None = "auto"
    merged: float | None = MERGED
    sampling: str = _FOCUS.sampling
    focus: bool = _FOCUS.focus
    compensation: bool = _FOCUS.compensation
    blocks: str | None = ""
    keep_running: bool = False  # how the clip is made; no part of the request


def read_form(values: Sequence[Any], settings: Settings) -> GenerationRequest:
    """The request that these values make. Gradio gives None for a text never touched.

    Raises:
        InvalidRequestError: names the first field at fault.
    """
    form = FormValues(*values)
    return parse_request(
        mode=TAB,
        prompt=form.prompt or "",
        negative_prompt=form.negative_prompt or "",
        duration_s=form.duration_s or 0.0,
        seed=form.seed,
        guidance_scale=form.guidance_scale,
        model={"id": form.model or "", "device": settings.device, "dtype": settings.dtype},
        sampler={"kind": "clip", "steps": form.steps},
        attention=_attention(form),
    )


def _attention(form: FormValues) -> dict[str, Any]:
    blocks = tuple((form.blocks or "").replace(",", " ").split())
    if form.method == "lite_focus":
        parts = {"sampling": form.sampling, "focus": form.focus, "compensation": form.compensation}
        return {"kind": form.method, "ratio": form.ratio, "blocks": blocks, **parts}
    if form.method == "token_merging":
        return {"kind": form.method, "ratio": form.merged, "blocks": blocks}
    return {"kind": form.method}


def fill_form(preset: Preset, form: FormValues) -> FormValues:
    """The values that open a preset: all that it leaves out are the defaults, prompt and model stay."""
    settings = preset.settings
    request = parse_request(**{"prompt": form.prompt or EXAMPLES[0], **settings})
    values: dict[str, Any] = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "duration_s": request.duration_s,
        "seed": settings.get("seed", -1),
        "guidance_scale": request.guidance_scale,
        "model": request.model.id if "model" in settings else form.model,
        "method": request.attention.kind,
        "keep_running": form.keep_running,
    }
    if request.sampler.kind == "clip":
        values["steps"] = request.sampler.steps
    if request.attention.kind == "lite_focus":
        focus = request.attention.model_dump(exclude={"kind", "blocks", "ratio"})
        values |= {**focus, "ratio": str(request.attention.ratio)}
    elif request.attention.kind == "token_merging":
        values["merged"] = request.attention.ratio
    if request.attention.kind != "dense":
        values["blocks"] = " ".join(request.attention.blocks)
    return FormValues(**values)


def build(studio: Studio, views: LiveViews, models: Sequence[ModelInfo]) -> SparseTab:
    """Lay the tab out and bind it to the service; call inside a `gr.Tab`. Gives what other tabs need."""
    knowledge = Knowledge(TAB, studio.settings)
    start_values = FormValues(model=studio.settings.clip_model_id)
    with gr.Row(elem_classes="lw-columns"):
        with gr.Column(scale=4, min_width=320, elem_classes="lw-form"):
            preset = widgets.preset_choice(TAB, studio.settings.presets)
            parts = _first_fields(start_values, knowledge)
            with gr.Row(elem_classes="lw-actions"):
                start = gr.Button("Generate", variant="primary", elem_id=f"{TAB}-generate", min_width=120)
                stop = gr.Button("Stop", elem_id=f"{TAB}-stop", min_width=90)
            widgets.status(TAB)
            parts |= _other_fields(start_values, models)
            knowledge.bind(parts["prompt"], parts["model"])
        with gr.Column(scale=7, min_width=320, elem_classes="lw-stage"):
            picture = widgets.clip_spectrogram(TAB)
            player = widgets.player(TAB)
            with gr.Row(elem_classes="lw-gauges"):
                widgets.gauge(TAB, "memory", "Memory", "of the whole studio")
                widgets.gauge(TAB, "rtf", "Real-time factor", "work for a second of sound")
                widgets.gauge(TAB, "step", "A step", "the whole clip, once")
            download = gr.Button("Download the take", interactive=False, elem_id=f"{TAB}-download")
            fields = [parts[name] for name in FormValues._fields]
            job_id = gr.State("")
            attention.build(studio, TAB, picture, job_id)
            if studio.settings.trusted:  # its takes are served from the folder of everybody's
                compare.build_methods(
                    studio, TAB, fields, compared(studio), AudioTagger(studio.settings.assets)
                )
    handlers = Handlers(studio, views, TAB)
    tab = SparseTab(fields, [player, start, download, job_id], handlers)
    tab.follow(start.click, handlers.generate, fields)
    stop.click(handlers.stop, job_id, None, js=_STOP_PLAYER, **HIDDEN)
    preset.input(handlers.open_preset, [preset, *fields], fields, **HIDDEN)
    return tab


@dataclass(frozen=True)
class SparseTab:
    """What others need of this one: the fields to fill, and how to follow a job on its player."""

    fields: list[Any]
    followed: list[Any]
    handlers: Handlers

    def follow(self, event: Any, handler: Callable[..., Iterator[Following]], inputs: Any) -> None:
        """Run `handler` at a component's `event`, its take on this tab's player."""
        follow_on(event, handler, inputs, self.followed, self.handlers.ready)


class Handlers(TakeHandlers):
    """What the tab's buttons do."""

    def generate(self, *values: Any) -> Iterator[Following]:
        """Start a clip of the form's values and follow it."""
        yield from self._begin(lambda: self._submit(values))

    def open_preset(self, name: str | None, *values: Any) -> list[Any]:
        """The form with the shipped preset of that name in it; unchanged where none is chosen."""
        form = FormValues(*values)
        return list(fill_form(named_preset(name, self._studio.settings.presets), form) if name else form)

    def _submit(self, values: Sequence[Any]) -> Job:
        keep = bool(FormValues(*values).keep_running)
        request = read_form(values, self._studio.settings)
        return self._studio.submit(request, listen=True, keep_running=keep, client=client_of())


def compared(studio: Studio) -> compare.Wanted:
    """The takes to compare, of the form's values."""
    return lambda values: methods(read_form(values, studio.settings))


def _first_fields(start: FormValues, knowledge: Knowledge) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "prompt": gr.Textbox(
            label="Prompt", lines=2, max_lines=6, value=start.prompt,
            placeholder="Describe the sound, for example: ocean waves", elem_id=f"{TAB}-prompt",
        )
    }  # fmt: skip
    knowledge.lay_out_warning()
    widgets.example_buttons(parts["prompt"], EXAMPLES)
    parts["duration_s"] = gr.Slider(
        2.5, MAX_CLIP_S, start.duration_s, step=0.5, label=LABELS["duration_s"], elem_id=f"{TAB}-duration"
    )
    widgets.example_buttons(parts["duration_s"], LENGTHS, " s")
    parts["method"] = gr.Radio(METHODS, value=start.method, label="Attention", elem_id=f"{TAB}-method")
    return parts


def _other_fields(start: FormValues, models: Sequence[ModelInfo]) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "negative_prompt": gr.Textbox(
            label="Negative prompt", lines=1, max_lines=3, placeholder="What to keep away from",
            elem_id=f"{TAB}-negative-prompt",
        )
    }  # fmt: skip
    with gr.Row(elem_classes="lw-numbers"):
        parts["steps"] = gr.Number(
            start.steps, label="Steps", precision=0, elem_id=f"{TAB}-steps", min_width=80
        )
        parts["guidance_scale"] = gr.Number(
            start.guidance_scale, label="Guidance", step=0.5, elem_id=f"{TAB}-guidance", min_width=80
        )
    parts["seed"] = widgets.seed(TAB, start.seed)
    parts["model"] = widgets.model_choice(TAB, models, start.model)
    with gr.Accordion("What attends to what", open=False, elem_id=f"{TAB}-advanced"):
        with gr.Row():
            parts["ratio"] = gr.Textbox(
                start.ratio, label=LABELS["attention.ratio"], elem_id=f"{TAB}-ratio", min_width=120,
                info="Share of tokens of any frequency that all attend to; auto goes by length.",
            )  # fmt: skip
            parts["sampling"] = gr.Dropdown(
                ["balanced", "uniform"], value=start.sampling, label="Drawn", elem_id=f"{TAB}-sampling",
                min_width=120, info="As many of each band, or by chance.",
            )  # fmt: skip
        with gr.Row():
            parts["focus"] = gr.Checkbox(
                start.focus, label="Same-frequency focus", elem_id=f"{TAB}-focus", min_width=120
            )
            parts["compensation"] = gr.Checkbox(
                start.compensation, label="Compensation", elem_id=f"{TAB}-compensation", min_width=120
            )
        with gr.Row():
            parts["merged"] = gr.Number(
                start.merged, label=LABELS["attention.token_merging.ratio"], step=0.05,
                elem_id=f"{TAB}-merged", min_width=120, info="Of the tokens, up to three quarters.",
            )  # fmt: skip
            parts["blocks"] = gr.Textbox(
                start.blocks, label="Blocks", placeholder="mid", elem_id=f"{TAB}-blocks", min_width=120,
                info="None: the paper's, or the finest there are.",
            )  # fmt: skip
        parts["keep_running"] = gr.Checkbox(
            start.keep_running, label="Keep running when the page is closed", elem_id=f"{TAB}-keep"
        )
    return parts
