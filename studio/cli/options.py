"""The words of a take on the command line ↔ the fields of a request."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.core.draft import POCKET_DRAFTS, AudioGenDraft, RecordedDraft
from studio.core.errors import InvalidRequestError
from studio.core.fields import FieldError
from studio.core.preset import (
    Preset,
    draft_instead,
    dual_settings,
    load_preset,
    named_preset,
    sparse_settings,
)
from studio.core.prompt_schedule import opening_prompt, read_lane
from studio.core.request import POCKET_CLIPS, POCKET_DUAL, GenerationRequest, ModelChoice, parse_request
from studio.core.sampling import ClipSampler, EndlessSampler
from studio.core.settings import Settings
from studio.core.sound_files import readable
from studio.pipeline.recording import Recording
from studio.service.recordings.read import read_recording

if TYPE_CHECKING:
    from studio.service.studio import Studio

KINDS = readable()
SAMPLER = EndlessSampler()
GUIDANCE = GenerationRequest.model_fields["guidance_scale"].default
BLEND = GenerationRequest.model_fields["lane_blend_s"].default
SECONDS = GenerationRequest.model_fields["duration_s"].default

CLIP, DRAFT = ClipSampler(), AudioGenDraft()
MAX_BENCH_S = 1200.0
MADE_DRAFTS = ("audiogen", "none")

# An option is None where it was not given, so that a preset's value, or the schema's own, holds.
Prompt = Annotated[str | None, typer.Option(help="The sound, in words.")]
NegativePrompt = Annotated[str | None, typer.Option(help="What to keep away from.")]
Lane = Annotated[
    Path | None,
    typer.Option(help="A text file of prompt changes, one 'mm:ss | prompt' a line; 0:00 may be the first."),
]
Blend = Annotated[
    float | None, typer.Option(help="Seconds a prompt change of the lane takes.", show_default=str(BLEND))
]
Seconds = Annotated[float | None, typer.Option(help="Length of the take.", show_default=f"{SECONDS:g}")]
Seed = Annotated[int | None, typer.Option(help="0 is a seed like any other; -1 draws one.")]
Model = Annotated[
    str | None,
    typer.Option(help="An id of 'longwave models list', or a folder.", show_default=ModelChoice().id),
]
Guidance = Annotated[float | None, typer.Option(help="CFG scale.", show_default=str(GUIDANCE))]
Strategy = Annotated[
    str | None, typer.Option(help="equal, initial, middle, last or auto.", show_default=SAMPLER.strategy)
]
Steps = Annotated[
    int | None,
    typer.Option(help="Steps N of the schedule before thinning.", show_default=str(SAMPLER.base_steps)),
]
SkipFactor = Annotated[
    int | None,
    typer.Option(help="P: how much the neglected thirds are thinned.", show_default=str(SAMPLER.skip_factor)),
]
GroupSize = Annotated[
    int | None,
    typer.Option(help="Frames k (40 ms each) a step yields.", show_default=str(SAMPLER.group_size)),
]
Buffer = Annotated[
    int | None, typer.Option(help="Clean frames kept in the window.", show_default=str(SAMPLER.buffer_frames))
]
DeviceOrNone = Annotated[
    str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", show_default="auto")
]
Out = Annotated[
    Path | None,
    typer.Option(help="The file: .wav, .flac, .mp3 or .ogg.", show_default="a new one under --outputs"),
]
Outputs = Annotated[Path, typer.Option(help="The folder of takes.")]
PresetName = Annotated[str | None, typer.Option(help="A preset's name or file; options go over it.")]
ClipSteps = Annotated[int | None, typer.Option(help="DDIM steps.", show_default=str(CLIP.steps))]
AttentionKind = Annotated[
    str | None, typer.Option(help="dense, lite_focus or token_merging.", show_default="lite_focus")
]
Ratio = Annotated[
    str | None,
    typer.Option(
        help="r: the share of tokens of any frequency that all attend to, or 'auto' by length; for token "
        "merging, the share to merge.",
        show_default="auto",
    ),
]
Sampling = Annotated[str | None, typer.Option(help="uniform or balanced.", show_default="balanced")]
Focus = Annotated[bool | None, typer.Option("--focus/--no-focus", help="Attend to the own frequency band.")]
Compensation = Annotated[
    bool | None, typer.Option("--compensation/--no-compensation", help="Attend to tokens of any frequency.")
]
Blocks = Annotated[
    list[str] | None,
    typer.Option("--block", help="Make these sparse: down2, up2, mid, …; the paper's if none."),
]
Dtype = Annotated[str | None, typer.Option(help="auto, float32, float16 or bfloat16.", show_default="auto")]

DraftKind = Annotated[
    str | None,
    typer.Option(help=f"audiogen, none, or a sound file of yours. {KINDS}", show_default="audiogen"),
]
EndlessAttention = Annotated[
    str | None, typer.Option(help="dense, lite_focus or token_merging.", show_default="dense")
]
EndlessDraft = Annotated[
    str | None,
    typer.Option(
        help="audiogen, none, or a sound file of yours, over and over: a DC-LDM hears it, ahead of the take.",
        show_default="none",
    ),
]
DraftModel = Annotated[
    str | None, typer.Option(help="What makes the draft, or reads your file.", show_default=DRAFT.model)
]
DraftSeed = Annotated[int | None, typer.Option(help="The draft's own.", show_default="the take's")]
Temperature = Annotated[
    float | None, typer.Option(help="Of AudioGen's tokens.", show_default=f"{DRAFT.temperature:g}")
]
TopK = Annotated[
    int | None, typer.Option(help="Among how many tokens AudioGen draws.", show_default=str(DRAFT.top_k))
]
AcousticScale = Annotated[
    float | None, typer.Option(help="How much the draft counts.", show_default="as --guidance: the paper's")
]
Strength = Annotated[
    float | None,
    typer.Option(help="Below 1: begin from the draft's own sound, noised so far.", show_default="1"),
]

_EVERY_TAKE = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "seconds": "duration_s",
    "seed": "seed",
    "guidance": "guidance_scale",
    "model": "model.id",
    "device": "model.device",
    "dtype": "model.dtype",
}
INFINITE = {
    **_EVERY_TAKE,
    "lane": "lane",
    "blend": "lane_blend_s",
    "strategy": "sampler.strategy",
    "steps": "sampler.base_steps",
    "skip_factor": "sampler.skip_factor",
    "group_size": "sampler.group_size",
    "buffer": "sampler.buffer_frames",
    "attention": "attention.kind",
    "draft_model": "draft.model",
    "acoustic_scale": "draft.acoustic_scale",
}
SPARSE = {
    **_EVERY_TAKE,
    "steps": "sampler.steps",
    "attention": "attention.kind",
    "ratio": "attention.ratio",
    "sampling": "attention.sampling",
    "focus": "attention.focus",
    "compensation": "attention.compensation",
    "blocks": "attention.blocks",
}


DUAL = {
    **_EVERY_TAKE,
    "steps": "sampler.steps",
    "attention": "attention.kind",
    "draft_model": "draft.model",
    "draft_seed": "draft.seed",
    "temperature": "draft.temperature",
    "top_k": "draft.top_k",
    "acoustic_scale": "draft.acoustic_scale",
    "strength": "draft.strength",
}


_SPELLING = {"blocks": "block"}  # given once for each of them


def request_from(
    options: Mapping[str, Any],
    *,
    endless: bool = False,
    preset: Preset | None = None,
    recorded: RecordedDraft | None = None,
) -> GenerationRequest:
    """The request of an endless take's options over a preset's settings.

    Args:
        options: by the names in `INFINITE`; None where an option was not given.
        endless: no length at all.
        preset: what holds where no option says otherwise.
        recorded: takes the draft's place.

    Raises:
        InvalidRequestError: names the option at fault.
    """
    options = dict(options)
    if options.get("lane") is not None:
        options["lane"] = read_lane(options["lane"])
        options["prompt"] = options.get("prompt") or opening_prompt(options["lane"])
    if endless and options.get("seconds") is not None:
        raise InvalidRequestError("Give --seconds or --endless, not both.")
    if preset is not None:
        preset.require_for("infinite")
    start: dict[str, Any] = {"sampler": {"kind": "endless"}, **(preset.settings if preset else {})}
    start["draft"] = draft_instead(start.get("draft", {"kind": "none"}), options.get("draft"), recorded)
    return _parse(options, INFINITE, start, {"duration_s": None} if endless else {})


def sparse_request_from(options: Mapping[str, Any], preset: Preset | None = None) -> GenerationRequest:
    """The request of a clip's options, by the names in `SPARSE`, over a preset's settings.

    Raises:
        InvalidRequestError: names the option at fault.
    """
    start = {"model": {"id": POCKET_CLIPS}, **sparse_settings(preset, options.get("attention"))}
    return _parse(options, SPARSE, start, {"mode": "sparse"})


def dual_request_from(
    options: Mapping[str, Any], preset: Preset | None = None, recorded: RecordedDraft | None = None
) -> GenerationRequest:
    """The request of a dual clip's options, by the names in `DUAL`, over a preset's settings.

    `recorded` takes the draft's place.

    Raises:
        InvalidRequestError: names the option at fault.
    """
    start = {"model": {"id": POCKET_DUAL}, **dual_settings(preset, options.get("draft"), recorded)}
    return _parse(options, DUAL, start, {"mode": "dual"})


def own_draft(draft: str | None, model: str | None, studio: Studio) -> RecordedDraft | None:
    """The recording that a `--draft` names, put by for `model`; None of one that is made, or of none.

    Raises:
        InvalidRequestError: it can't be read.
        OutOfResourcesError: the disk is full.
    """
    if not draft or draft in MADE_DRAFTS:
        return None
    return studio.store_recording(recording_of(Path(draft)), model or POCKET_DRAFTS)


def recording_of(path: Path) -> Recording:
    """The recording in a file; what its reader noticed goes to stderr. Raises `InvalidRequestError`."""
    recording = read_recording(path)
    for note in recording.notes:
        typer.echo(f"{path.name}: {note}", err=True)
    return recording


def _parse(
    options: Mapping[str, Any], fields: Mapping[str, str], start: Mapping[str, Any], fixed: Mapping[str, Any]
) -> GenerationRequest:
    values: dict[str, Any] = {"prompt": "", **start}
    for name, field in fields.items():
        if options.get(name) in (None, [], ()):
            continue
        *groups, last = field.split(".")
        target = values
        for group in groups:
            target[group] = dict(target.get(group, {}))
            target = target[group]
        target[last] = options[name]
    try:
        return parse_request(**{**values, **fixed})
    except FieldError as error:
        raise InvalidRequestError(_in_options(error, fields)) from error


def find_preset(name: str, settings: Settings) -> Preset:
    """A preset by its file's path, or by the name of one that ships. Raises `InvalidRequestError`.

    The file may be a take's sound too: its settings are among its tags.
    """
    path = Path(name)
    if not path.suffix and not os.path.isfile(name):
        return named_preset(name, settings.presets)
    from studio.service.takes.library import TAGGED, settings_of

    return settings_of(path) if path.suffix.lower() in TAGGED else load_preset(path)


def _in_options(error: FieldError, fields: Mapping[str, str]) -> str:
    """The sentence; of a value out of bounds with the option in the label's place, where one sets it."""
    for name, field in fields.items() if error.problem.startswith("must ") else ():
        if error.field == field or error.field.startswith(f"{field}."):
            return f"--{_SPELLING.get(name, name.replace('_', '-'))}: {error.problem}."
    return str(error)
