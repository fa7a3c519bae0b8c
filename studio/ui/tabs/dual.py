"""The tab "Dual": a rough draft, AudioGen's or a recording, refined by a diffusion that reads the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr

from studio.backends.catalog import DRAFTER, ModelInfo
from studio.backends.registry import REGISTRY
from studio.core.draft import AudioGenDraft
from studio.core.fields import LABELS
from studio.core.preset import Preset, named_preset
from studio.core.request import GenerationRequest, parse_request
from studio.core.sampling import ClipSampler
from studio.service.compare import Variant, scales, sweep
from studio.service.jobs.job import Job
from studio.service.studio import Studio
from studio.ui import widgets
from studio.ui.panels import compare, draft_attention, drafted
from studio.ui.panels.knowledge import Knowledge
from studio.ui.panels.live import LiveViews
from studio.ui.server.callers import client_of
from studio.ui.tabs.take_tab import HIDDEN, Following, TakeHandlers, follow_on

TAB = "dual"
EXAMPLES = ("birds over a stream", "footsteps on gravel", "a dog barking, rain", "slow lo-fi drums")
DRAFTS = [("AudioGen", "audiogen"), ("My own audio", "recorded"), ("None: text alone", "none")]
ATTENTION = [("Dense", "dense"), ("LiteFocus", "lite_focus")]
MAX_SCALE, MAX_SECONDS = 10.0, 60.0
SYSTEMS = tuple(system.name for system in REGISTRY.systems if TAB in system.modes)
_DEFAULTS, _DRAFT = GenerationRequest.model_fields, AudioGenDraft()
_SCALE = _DEFAULTS["guidance_scale"].default
_STOP_PLAYER = f"(id) => {{ window.longwave?.{TAB}?.stop(); return [id]; }}"
_REROLL = "() => String(Math.floor(Math.random() * 2 ** 31))"


class FormValues(NamedTuple):
    """What the fields hold, in the order in which Gradio hands them over."""

    prompt: str | None = EXAMPLES[0]
    negative_prompt: str | None = ""
    duration_s: float | None = 10.0
    steps: float | None = ClipSampler().steps
    seed: str | float | None = -1
    model: str = ""
    draft: str = "audiogen"
    recording: str | None = None
    draft_model: str = _DRAFT.model
    draft_seed: str | float | None = -1
    temperature: float | None = _DRAFT.temperature
    top_k: float | None = _DRAFT.top_k
    text_scale: float | None = _SCALE
    acoustic_scale: float | None = _SCALE
    strength: float | None = _DRAFT.strength
    attention: str = "dense"
    keep_running: bool = False  # how the clip is made; no part of the request


def read_form(values: Sequence[Any], studio: Studio) -> GenerationRequest:
    """The request that these values make; a recording is put by for it.

    Raises:
        InvalidRequestError: names the first field at fault, or what is wrong with the recording.
        OutOfResourcesError: the disk is full.
    """
    form, settings = FormValues(*values), studio.settings
    return parse_request(
        mode=TAB,
        prompt=form.prompt or "",
        negative_prompt=form.negative_prompt or "",
        duration_s=form.duration_s or 0.0,
        seed=form.seed,
        guidance_scale=form.text_scale,
        model={"id": form.model or "", "device": settings.device, "dtype": settings.dtype},
        sampler={"kind": "clip", "steps": form.steps},
        attention={"kind": form.attention},
        draft=_draft(form, studio),
    )


def _draft(form: FormValues, studio: Studio) -> dict[str, Any]:
    if form.draft == "none":
        return {"kind": "none"}
    heard = {"acoustic_scale": form.acoustic_scale, "strength": form.strength, "model": form.draft_model}
    if form.draft == "recorded":
        own = drafted.own_audio(form.recording, form.draft_model, studio)
        return {**own.model_dump(), **heard}
    drawn = {"temperature": form.temperature, "top_k": form.top_k, "seed": form.draft_seed}
    return {"kind": form.draft, **heard, **drawn}


def fill_form(preset: Preset, form: FormValues) -> FormValues:
    """The values that open a preset: all that it leaves out are the defaults, prompt and model stay.

    A take's own recording stays with the take: the form asks for it again.
    """
    settings = preset.settings
    request = parse_request(**{"prompt": form.prompt or EXAMPLES[0], **settings})
    values: dict[str, Any] = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "duration_s": request.duration_s,
        "seed": settings.get("seed", -1),
        "text_scale": request.guidance_scale,
        "acoustic_scale": request.acoustic_scale,
        "model": request.model.id if "model" in settings else form.model,
        "draft": request.draft.kind,
        "recording": form.recording,
        "attention": request.attention.kind if request.attention.kind != "token_merging" else "dense",
        "keep_running": form.keep_running,
    }
    if request.sampler.kind == "clip":
        values["steps"] = request.sampler.steps
    if request.draft.kind != "none":
        values |= {"strength": request.draft.strength, "draft_model": request.draft.model}
    if request.draft.kind == "audiogen":
        own = request.draft
        values |= {"temperature": own.temperature, "top_k": own.top_k}
        values["draft_seed"] = -1 if own.seed is None else own.seed
    return FormValues(**values)


def build(studio: Studio, views: LiveViews, models: Sequence[ModelInfo]) -> DualTab:
    """Lay the tab out and bind it to the service; call inside a `gr.Tab`. Gives what other tabs need."""
    knowledge = Knowledge(TAB, studio.settings)
    start_values = FormValues(model=studio.settings.dual_model_id)
    with gr.Row(elem_classes="lw-columns"):
        with gr.Column(scale=4, min_width=320, elem_classes="lw-form"):
            preset = widgets.preset_choice(TAB, studio.settings.presets)
            parts = _first_fields(start_values, knowledge)
            with gr.Row(elem_classes="lw-actions"):
                start = gr.Button("Generate", variant="primary", elem_id=f"{TAB}-generate", min_width=120)
                stop = gr.Button("Stop", elem_id=f"{TAB}-stop", min_width=90)
            widgets.status(TAB)
            parts |= _draft_fields(start_values, models)
            parts |= _other_fields(start_values, models)
            knowledge.bind(parts["prompt"], parts["model"])
        with gr.Column(scale=7, min_width=320, elem_classes="lw-stage"):
            widgets.draft_player(TAB)
            widgets.clip_spectrogram(TAB)
            player = widgets.player(TAB)
            with gr.Row(elem_classes="lw-gauges"):
                widgets.gauge(TAB, "memory", "Memory", "of the whole studio")
                widgets.gauge(TAB, "rtf", "Real-time factor", "work for a second of sound")
                widgets.gauge(TAB, "step", "A step", "the whole clip, once")
            download = gr.Button("Download the take", interactive=False, elem_id=f"{TAB}-download")
            fields = [parts[name] for name in FormValues._fields]
            job_id = gr.State("")
            draft_attention.build(studio, TAB, job_id)
            if studio.settings.trusted:  # its takes are served from the folder of everybody's
                compare.build_grid(studio, TAB, fields, lambda values: _grid(values, studio))
                compare.build_sweep(studio, TAB, fields, lambda values: _sweep(values, studio))
    handlers = Handlers(studio, views, TAB)
    tab = DualTab(fields, [player, start, download, job_id], handlers)
    tab.follow(start.click, handlers.generate, fields)
    stop.click(handlers.stop, job_id, None, js=_STOP_PLAYER, **HIDDEN)
    preset.input(handlers.open_preset, [preset, *fields], fields, **HIDDEN)
    return tab


@dataclass(frozen=True)
class DualTab:
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
        request = read_form(values, self._studio)
        return self._studio.submit(request, listen=True, keep_running=keep, client=client_of())


def _grid(values: Sequence[Any], studio: Studio) -> list[Variant]:
    """The takes of a grid: the scales as texts, then the form's values."""
    text, acoustic, *form = values
    return scales(read_form(form, studio), text, acoustic)


def _sweep(values: Sequence[Any], studio: Studio) -> list[Variant]:
    """The takes of a sweep: the scales as a text, then the form's values."""
    text, *form = values
    return sweep(read_form(form, studio), text)


def _first_fields(start: FormValues, knowledge: Knowledge) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "prompt": gr.Textbox(
            label="Prompt", lines=2, max_lines=6, value=start.prompt,
            placeholder="Describe the sound, for example: birds over a stream", elem_id=f"{TAB}-prompt",
        )
    }  # fmt: skip
    knowledge.lay_out_warning()
    widgets.example_buttons(parts["prompt"], EXAMPLES)
    parts["duration_s"] = gr.Slider(
        2.5, MAX_SECONDS, start.duration_s, step=0.5, label=LABELS["duration_s"], elem_id=f"{TAB}-duration"
    )
    with gr.Row(elem_classes="lw-balance"):
        pad = widgets.pad(TAB, MAX_SCALE, (_SCALE, _SCALE))
        with gr.Column(min_width=160):
            parts["text_scale"] = gr.Slider(
                0, MAX_SCALE, start.text_scale, step=0.1, label="What it says", elem_id=f"{TAB}-text-scale"
            )
            parts["acoustic_scale"] = gr.Slider(
                0, MAX_SCALE, start.acoustic_scale, step=0.1, label="What it is made of",
                elem_id=f"{TAB}-acoustic-scale",
            )  # fmt: skip
    sliders = [parts["text_scale"], parts["acoustic_scale"]]
    pad.click(_point, None, sliders, **HIDDEN)
    for slider in sliders:
        slider.change(None, sliders, pad, js="(x, y) => [{ x, y }]", **HIDDEN)
    return parts


def _point(event: gr.EventData) -> tuple[float, float]:
    """Where the pad was pressed, as scales."""
    x, y = (min(1.0, max(0.0, float(event._data.get(name, 0)))) for name in ("x", "y"))
    return round(MAX_SCALE * x, 1), round(MAX_SCALE * y, 1)


def _draft_fields(start: FormValues, models: Sequence[ModelInfo]) -> dict[str, Any]:
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    parts: dict[str, Any] = {
        "draft": gr.Radio(DRAFTS, value=start.draft, label="Draft", elem_id=f"{TAB}-draft")
    }
    with gr.Accordion("The draft", open=False, elem_id=f"{TAB}-draft-settings"):
        with gr.Row(elem_classes="lw-seed"):
            parts["draft_seed"] = widgets.seed_field(
                start.draft_seed, f"{LABELS['draft.seed']} (−1: the take's)", f"{TAB}-draft-seed"
            )  # fmt: skip
            gr.Button("Re-roll", size="sm", elem_id=f"{TAB}-draft-reroll", min_width=60).click(
                None, None, parts["draft_seed"], js=_REROLL, **hidden
            )
        with gr.Row(elem_classes="lw-numbers"):
            parts["temperature"] = gr.Number(
                start.temperature, label="Temperature", step=0.1, elem_id=f"{TAB}-temperature", min_width=80
            )
            parts["top_k"] = gr.Number(
                start.top_k, label="Top k", precision=0, elem_id=f"{TAB}-top-k", min_width=80
            )
        parts["strength"] = gr.Slider(
            0.05, 1, start.strength, step=0.05, label="Strength", elem_id=f"{TAB}-strength",
            info="Below 1 the take begins from the draft's own sound; the less, the more of it stays.",
        )  # fmt: skip
        drafters = [model for model in models if model.system == DRAFTER]
        parts["draft_model"] = widgets.model_choice(f"{TAB}-draft", drafters, start.draft_model, "AudioGen")
    parts["recording"] = drafted.own_audio_field(TAB, parts["draft"], "My own audio")
    return parts


def _other_fields(start: FormValues, models: Sequence[ModelInfo]) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "negative_prompt": gr.Textbox(
            label="Negative prompt", lines=1, max_lines=3, placeholder="What to keep away from",
            elem_id=f"{TAB}-negative-prompt",
        )
    }  # fmt: skip
    parts["steps"] = gr.Number(start.steps, label="Steps", precision=0, elem_id=f"{TAB}-steps", min_width=80)
    parts["seed"] = widgets.seed(TAB, start.seed)
    hearing = [model for model in models if model.system in SYSTEMS]
    parts["model"] = widgets.model_choice(TAB, hearing, start.model)
    with gr.Accordion("More", open=False, elem_id=f"{TAB}-advanced"):
        parts["attention"] = gr.Radio(
            ATTENTION, value=start.attention, label="Attention", elem_id=f"{TAB}-attention-kind"
        )
        parts["keep_running"] = gr.Checkbox(
            start.keep_running, label="Keep running when the page is closed", elem_id=f"{TAB}-keep"
        )
    return parts
