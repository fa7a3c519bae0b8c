"""The Infinite tab's fields: laid out, read as a request, and filled from a preset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr

from studio.backends.catalog import ModelInfo
from studio.core.draft import POCKET_DRAFTS, Draft
from studio.core.errors import InvalidRequestError
from studio.core.fields import LABELS
from studio.core.preset import Preset, named_preset
from studio.core.prompt_schedule import format_lane, opening_prompt, parse_lane
from studio.core.request import GenerationRequest, parse_request
from studio.core.sampling import EndlessSampler
from studio.core.settings import Settings
from studio.core.values import FRAME_S
from studio.service.studio import Studio
from studio.ui import widgets
from studio.ui.panels import drafted
from studio.ui.panels.knowledge import Knowledge, describe_knowledge
from studio.ui.panels.recorded import recording_field
from studio.ui.tabs.take_tab import HIDDEN

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
SECONDS = 60.0
ATTENTION = [("Dense", "dense"), ("LiteFocus", "lite_focus")]
DRAFTS = [("None", "none"), ("AudioGen's", "audiogen"), ("My own audio", "recorded")]
STRATEGIES = ("auto", "equal", "initial", "middle", "last")
SAMPLER = EndlessSampler()
_DEFAULTS = GenerationRequest.model_fields


class FormValues(NamedTuple):
    """What the fields hold, in the order in which Gradio hands them over."""

    prompt: str | None = EXAMPLES[0]
    negative_prompt: str | None = ""
    duration_s: float | None = SECONDS
    endless: bool = True
    seed: str | float | None = -1  # by its digits
    guidance_scale: float | None = _DEFAULTS["guidance_scale"].default
    model: str = ""
    lane: str | None = ""
    lane_blend_s: float | None = _DEFAULTS["lane_blend_s"].default
    strategy: str = SAMPLER.strategy
    base_steps: float | None = SAMPLER.base_steps
    skip_factor: float | None = SAMPLER.skip_factor
    group_size: float | None = SAMPLER.group_size
    buffer_frames: float | None = SAMPLER.buffer_frames
    warmup_steps: float | None = SAMPLER.warmup_steps
    attention_interval: float | None = 16  # the page shows the map; a file needs none
    # What the request does not hold: how the take is made, and whose sound it begins with.
    keep_running: bool = False
    continue_from: str | None = None
    # What composes with the sampler, whatever the model.
    attention: str = "dense"
    draft: str = "none"
    recording: str | None = None
    acoustic_scale: float | None = -1  # as the guidance


SAMPLER_FIELDS = FormValues._fields[
    FormValues._fields.index("strategy") : FormValues._fields.index("keep_running")
]


def read_form(values: Sequence[Any], studio: Studio) -> GenerationRequest:
    """The request that these values make; a recording to draft from is put by for it.

    Gradio gives None for a text never touched.

    Raises:
        InvalidRequestError: names the first field at fault, or what is wrong with the recording.
        OutOfResourcesError: the disk is full.
    """
    form, settings = FormValues(*values), studio.settings
    points = parse_lane(form.lane or "")
    return parse_request(
        mode="infinite",
        prompt=form.prompt or opening_prompt(points) or "",
        negative_prompt=form.negative_prompt or "",
        lane=points,
        lane_blend_s=form.lane_blend_s,
        duration_s=None if form.endless else _length(form.duration_s),
        seed=form.seed,
        guidance_scale=form.guidance_scale,
        model={"id": form.model or "", "device": settings.device, "dtype": settings.dtype},
        sampler={"kind": "endless", **{name: getattr(form, name) for name in SAMPLER_FIELDS}},
        attention={"kind": form.attention},
        draft=_draft(form, studio),
    )


def _length(duration_s: float | None) -> float:
    """A length that was left empty is none; None would be a take without an end."""
    return math.nan if duration_s is None else duration_s


def _draft(form: FormValues, studio: Studio) -> dict[str, Any]:
    if form.draft == "none":
        return {"kind": "none"}
    own: dict[str, Any] = {"kind": form.draft}
    if form.draft == "recorded":
        own = drafted.own_audio(form.recording, POCKET_DRAFTS, studio).model_dump()
    return {**own, "acoustic_scale": None if form.acoustic_scale == -1 else form.acoustic_scale}


def fill_form(preset: Preset, form: FormValues) -> FormValues:
    """The values that open a preset: all that it leaves out are the defaults, prompt and model stay.

    A take's own recording stays with the take: the form asks for it again.
    """
    settings = preset.settings
    request = parse_request(**{"prompt": form.prompt or EXAMPLES[0], **settings})
    sampler = request.sampler if isinstance(request.sampler, EndlessSampler) else SAMPLER
    if "attention_interval" not in settings.get("sampler", {}):
        sampler = sampler.model_copy(update={"attention_interval": form.attention_interval})
    return FormValues(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        duration_s=request.duration_s or SECONDS,
        endless=request.duration_s is None,
        seed=settings.get("seed", -1),
        guidance_scale=request.guidance_scale,
        model=request.model.id if "model" in settings else form.model,
        lane=format_lane(request.lane),
        keep_running=form.keep_running,
        continue_from=form.continue_from,
        lane_blend_s=request.lane_blend_s,
        attention=request.attention.kind if request.attention.kind in dict(ATTENTION).values() else "dense",
        draft=request.draft.kind,
        recording=form.recording,
        acoustic_scale=_own_scale(request.draft),
        **{name: getattr(sampler, name) for name in SAMPLER_FIELDS},
    )


def _own_scale(draft: Draft) -> float:
    own = None if draft.kind == "none" else draft.acoustic_scale
    return -1 if own is None else own


def open_preset(name: str | None, values: Sequence[Any], settings: Settings) -> FormValues:
    """The form with the shipped preset of that name in it; unchanged where none is chosen."""
    form = FormValues(*values)
    return fill_form(named_preset(name, settings.presets), form) if name else form


def describe_window(lead_s: float, *sampler_values: Any) -> str:
    """What the sampler's settings come to, in a sentence; which of them can't be, where they make none."""
    values = dict(zip(SAMPLER_FIELDS, sampler_values, strict=True))
    try:
        request = parse_request(prompt="x", sampler={"kind": "endless", **values})
    except InvalidRequestError as error:
        return str(error)
    sampler = request.sampler
    assert isinstance(sampler, EndlessSampler)
    queue_s = sampler.steps * sampler.group_size * FRAME_S
    window_s = sampler.window_frames * FRAME_S
    return (
        f"{sampler.steps} steps a frame in a window of {window_s:.1f} s; each forward yields "
        f"{1000 * sampler.group_size * FRAME_S:.0f} ms. A change of prompt is heard some "
        f"{queue_s / 2 + lead_s:.0f} s later."
    )


class Form:
    """The fields on the page: what a take needs first, then `rest`, which stands below the buttons.

    `fields` are Gradio's components in the order of `FormValues`, once both parts are laid out.
    """

    def __init__(self, settings: Settings, models: Sequence[ModelInfo]) -> None:
        """Lay the first part out in the column one is in."""
        self._settings = settings
        self._knowledge = Knowledge(TAB, settings)
        self._models = models
        self._start = FormValues(model=settings.model_id)
        self._preset = widgets.preset_choice(TAB, settings.presets)
        self._parts: dict[str, Any] = {
            "prompt": gr.Textbox(
                label="Prompt", lines=2, max_lines=6, value=self._start.prompt,
                placeholder="Describe the sound, for example: heavy rain", elem_id=f"{TAB}-prompt",
            )
        }  # fmt: skip
        self._knowledge.lay_out_warning()
        widgets.example_buttons(self._parts["prompt"], EXAMPLES)
        self._parts |= _numbers(self._start)

    @property
    def fields(self) -> list[Any]:
        return [self._parts[name] for name in FormValues._fields]

    def rest(self) -> None:
        """Lay out what one may leave as it is, and bind the preset to all."""
        self._parts["negative_prompt"] = gr.Textbox(
            label="Negative prompt", lines=1, max_lines=3, placeholder="What to keep away from",
            elem_id=f"{TAB}-negative-prompt",
        )  # fmt: skip
        self._parts["seed"] = widgets.seed(TAB, self._start.seed)
        self._lay_out_model()
        self._lay_out_lane()
        with gr.Accordion("Go on from a recording", open=False, elem_id=f"{TAB}-continue-part"):
            self._parts["continue_from"], _ = recording_field(
                f"{TAB}-continue-from", "The take begins with it and goes on from its end", height=140
            )
        self._parts |= self._advanced(self._start)
        self._preset.input(
            self._open_preset, [self._preset, *self.fields], self.fields,
            show_progress="hidden", queue=False, api_visibility="private",
        )  # fmt: skip

    def _lay_out_model(self) -> None:
        prompt = self._parts["prompt"]
        model = self._parts["model"] = widgets.model_choice(TAB, self._models, self._start.model)
        knows = gr.Markdown(
            describe_knowledge(self._knowledge.of(self._start.model)),
            elem_id=f"{TAB}-knows",
            elem_classes="lw-said",
        )
        hidden: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
        model.change(lambda model: describe_knowledge(self._knowledge.of(model)), model, knows, **hidden)
        self._knowledge.bind(prompt, model)

    def _lay_out_lane(self) -> None:
        with gr.Accordion("Prompt lane", open=False, elem_id=f"{TAB}-lane-part"):
            self._parts["lane"] = gr.Textbox(
                label="Changes of the scene", lines=4, max_lines=12, elem_id=f"{TAB}-lane",
                placeholder="0:30 | heavy rain\n1:15 | birds singing",
                info="A line each: mm:ss | prompt. While a take plays, its prompt and lane may be changed.",
            )  # fmt: skip
            with gr.Row(elem_classes="lw-seed"):
                self._parts["lane_blend_s"] = gr.Number(
                    self._start.lane_blend_s,
                    label="Seconds a change takes",
                    elem_id=f"{TAB}-blend",
                    min_width=120,
                )
                self.steer = gr.Button("Play the change", size="sm", elem_id=f"{TAB}-steer", min_width=60)
            self.steered = gr.Markdown("", elem_id=f"{TAB}-steered", elem_classes="lw-said")

    def _open_preset(self, name: str | None, *values: Any) -> list[Any]:
        return list(open_preset(name, values, self._settings))

    def _advanced(self, start: FormValues) -> dict[str, Any]:
        with gr.Accordion("Advanced", open=False, elem_id=f"{TAB}-advanced"):
            parts: dict[str, Any] = {
                "strategy": gr.Dropdown(
                    STRATEGIES, value=start.strategy, label="Strategy", elem_id=f"{TAB}-strategy",
                    info="Which third of the noise levels keeps every step; auto asks the model's attention.",
                )
            }  # fmt: skip
            with gr.Row():
                parts["base_steps"] = _count(
                    "base-steps", "Base steps N", start.base_steps, "Before thinning."
                )
                parts["skip_factor"] = _count(
                    "skip-factor", "P", start.skip_factor, "Elsewhere every P-th stays."
                )
            with gr.Row():
                parts["group_size"] = _count(
                    "group-size", "Group size k", start.group_size, "Frames a forward."
                )
                parts["buffer_frames"] = _count("buffer", "Buffer", start.buffer_frames, "Clean frames kept.")
            with gr.Row():
                parts["warmup_steps"] = _count(
                    "warmup", "Warm-up steps", start.warmup_steps, "Of the first window."
                )
                parts["attention_interval"] = _count(
                    "attention-interval", "Attention map", start.attention_interval, "Every n steps; 0 never."
                )
            with gr.Row():
                parts["attention"] = gr.Dropdown(
                    ATTENTION, value=start.attention, label="Attention", min_width=100,
                    elem_id=f"{TAB}-attention-kind", info="What the network's tokens look at.",
                )  # fmt: skip
                parts["draft"] = gr.Dropdown(
                    DRAFTS, value=start.draft, label="Draft", elem_id=f"{TAB}-draft", min_width=100,
                    info="For a DC-LDM: it grows ahead of the take.",
                )  # fmt: skip
            parts |= _hearing(start, parts["draft"])
            parts["keep_running"] = gr.Checkbox(
                start.keep_running, label="Keep running when the page is closed", elem_id=f"{TAB}-keep"
            )
            said = gr.Markdown(self._described(start), elem_id=f"{TAB}-window", elem_classes="lw-said")
            self.unload = gr.Button("Unload the model", size="sm", elem_id=f"{TAB}-unload")
            self.unloaded = gr.Markdown("", elem_id=f"{TAB}-unloaded", elem_classes="lw-said")
        sampler = [parts[name] for name in SAMPLER_FIELDS]
        gr.on(
            [part.change for part in sampler], self._describe, sampler, said,
            show_progress="hidden", queue=False, trigger_mode="always_last", api_visibility="private",
        )  # fmt: skip
        return parts

    def _describe(self, *sampler_values: Any) -> str:
        return describe_window(self._settings.lead_s, *sampler_values)

    def _described(self, form: FormValues) -> str:
        return self._describe(*(getattr(form, name) for name in SAMPLER_FIELDS))


def _numbers(start: FormValues) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Row(elem_classes="lw-numbers"):
        parts["duration_s"] = gr.Number(
            start.duration_s, label=LABELS["duration_s"], elem_id=f"{TAB}-duration", min_width=90
        )
        parts["endless"] = gr.Checkbox(start.endless, label="Endless", elem_id=f"{TAB}-endless", min_width=90)
        parts["guidance_scale"] = gr.Number(
            start.guidance_scale, label="Guidance", step=0.5, elem_id=f"{TAB}-guidance", min_width=80
        )
    return parts


def _hearing(start: FormValues, draft: gr.Dropdown) -> dict[str, Any]:
    """What one says of a draft once one is chosen."""
    with gr.Group(visible=start.draft != "none") as hearing:
        scale = gr.Number(
            start.acoustic_scale, label="What it is made of (−1: as the guidance)", step=0.5,
            elem_id=f"{TAB}-acoustic-scale",
        )  # fmt: skip
        recording = drafted.own_audio_field(TAB, draft, "My own audio, heard over and over")
    draft.change(lambda kind: gr.update(visible=kind != "none"), draft, hearing, **HIDDEN)
    return {"acoustic_scale": scale, "recording": recording}


def _count(name: str, label: str, value: float | None, info: str) -> gr.Number:
    return gr.Number(value, label=label, info=info, precision=0, elem_id=f"{TAB}-{name}", min_width=100)
