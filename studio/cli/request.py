"""The words of a take on the command line ↔ the fields of a request."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.core.errors import InvalidRequestError
from studio.core.lane import opening_prompt, read_lane
from studio.core.preset import Preset, load_preset, named_preset
from studio.core.request import EndlessSampler, GenerationRequest, ModelChoice, parse_request
from studio.core.settings import Settings

SAMPLER = EndlessSampler()
GUIDANCE = GenerationRequest.model_fields["guidance_scale"].default
BLEND = GenerationRequest.model_fields["lane_blend_s"].default
SECONDS = GenerationRequest.model_fields["duration_s"].default

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
Dtype = Annotated[str | None, typer.Option(help="auto, float32, float16 or bfloat16.", show_default="auto")]

FIELDS = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "lane": "lane",
    "blend": "lane_blend_s",
    "seconds": "duration_s",
    "seed": "seed",
    "guidance": "guidance_scale",
    "model": "model.id",
    "device": "model.device",
    "dtype": "model.dtype",
    "strategy": "sampler.strategy",
    "steps": "sampler.base_steps",
    "skip_factor": "sampler.skip_factor",
    "group_size": "sampler.group_size",
    "buffer": "sampler.buffer_frames",
}


def request_from(
    options: Mapping[str, Any], *, endless: bool = False, preset: Preset | None = None
) -> GenerationRequest:
    """The request of these options over a preset's settings.

    Args:
        options: by the names in `FIELDS`; None where an option was not given.
        endless: no length at all.
        preset: what holds where no option says otherwise.

    Raises:
        InvalidRequestError: names the option at fault.
    """
    options = dict(options)
    if options.get("lane") is not None:
        options["lane"] = read_lane(options["lane"])
        options["prompt"] = options.get("prompt") or opening_prompt(options["lane"])
    if endless and options.get("seconds") is not None:
        raise InvalidRequestError("Give --seconds or --endless, not both.")
    values: dict[str, Any] = {"prompt": "", **(preset.settings if preset else {})}
    for name, field in FIELDS.items():
        if options.get(name) is None:
            continue
        *groups, last = field.split(".")
        target = values
        for group in groups:
            target[group] = dict(target.get(group, {"kind": "endless"} if group == "sampler" else {}))
            target = target[group]
        target[last] = options[name]
    if endless:
        values["duration_s"] = None
    try:
        return parse_request(**values)
    except InvalidRequestError as error:
        raise InvalidRequestError(_in_options(str(error))) from error


def find_preset(name: str, settings: Settings) -> Preset:
    """A preset by its file's path, or by the name of one that ships. Raises `InvalidRequestError`."""
    path = Path(name)
    return load_preset(path) if path.suffix or path.is_file() else named_preset(name, settings.presets)


def _in_options(sentence: str) -> str:
    """A field's name at the sentence's beginning becomes the option's."""
    for name, field in FIELDS.items():
        if sentence.startswith(f"{field}: "):
            return f"--{name.replace('_', '-')}: {sentence.removeprefix(f'{field}: ')}"
    return sentence
