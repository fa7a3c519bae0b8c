"""`longwave render infinite` and `longwave bench infinite`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli import options
from studio.cli.common import AsJson, factories_of, print_json
from studio.cli.progress import ProgressBar, follow, report
from studio.core.events import Progress
from studio.core.settings import Settings

DEFAULTS = Settings()
BENCH_PROMPT = "heavy rain with distant thunder"


def render_infinite(
    context: typer.Context,
    prompt: options.Prompt = None,
    negative_prompt: options.NegativePrompt = None,
    lane: options.Lane = None,
    blend: options.Blend = None,
    seconds: options.Seconds = None,
    endless: Annotated[bool, typer.Option("--endless", help="Go on until Ctrl-C.")] = False,
    seed: options.Seed = None,
    out: options.Out = None,
    outputs: options.Outputs = DEFAULTS.outputs,
    preset: options.PresetName = None,
    continue_from: Annotated[
        Path | None,
        typer.Option(
            help="A sound file that the take begins with and goes on from; --seconds counts it. "
            + options.KINDS
        ),
    ] = None,
    model: options.Model = None,
    guidance: options.Guidance = None,
    strategy: options.Strategy = None,
    steps: options.Steps = None,
    skip_factor: options.SkipFactor = None,
    group_size: options.GroupSize = None,
    buffer: options.Buffer = None,
    attention: options.EndlessAttention = None,
    draft: options.EndlessDraft = None,
    draft_model: options.DraftModel = None,
    acoustic_scale: options.AcousticScale = None,
    device: options.DeviceOrNone = None,
    dtype: options.Dtype = None,
    as_json: AsJson = False,
) -> None:
    """Sound from a prompt, of any length, by FIFO sampling. Ctrl-C stops the take and keeps the file."""
    settings = replace(DEFAULTS, outputs=outputs)
    chosen = options.find_preset(preset, settings) if preset else None
    recording = options.recording_of(continue_from) if continue_from else None
    studio = factories_of(context).studio(settings)
    try:
        recorded = options.own_draft(draft, draft_model, studio)
        request = options.request_from(context.params, endless=endless, preset=chosen, recorded=recorded)
        with ProgressBar(request.duration_s) as show:
            job = studio.submit(request, out=out, recording=recording)
            outcome = follow(studio, job, show)
    finally:
        studio.close()
    report(job, outcome, as_json)


def bench_infinite(
    context: typer.Context,
    prompt: options.Prompt = BENCH_PROMPT,
    negative_prompt: options.NegativePrompt = None,
    seconds: options.Seconds = 60.0,
    seed: options.Seed = 0,
    compare: Annotated[
        bool, typer.Option("--compare", help="Add one conventional run each at 10, 20, 40 and 80 s.")
    ] = False,
    model: options.Model = None,
    guidance: options.Guidance = None,
    strategy: options.Strategy = None,
    steps: options.Steps = None,
    skip_factor: options.SkipFactor = None,
    group_size: options.GroupSize = None,
    buffer: options.Buffer = None,
    device: options.DeviceOrNone = None,
    dtype: options.Dtype = None,
    as_json: AsJson = False,
) -> None:
    """One take without a file: real-time factor, first sound, time of each part, growth of memory."""
    request = options.request_from(context.params)
    studio = factories_of(context).studio(DEFAULTS)
    from studio.evaluation.benchmarks.endless import COMPARED_S, bench_clips, bench_endless

    with ProgressBar(request.duration_s) as show:
        show(Progress("Loading the model"))
        backend = studio.backends.get(request.model)
        figures: dict[str, Any] = bench_endless(request, backend, show)
        if compare:
            show(Progress(f"Ordinary clips of {', '.join(f'{s:g}' for s in COMPARED_S)} s"))
            figures["compare"] = bench_clips(request, backend)
    if as_json:
        print_json(figures)
    else:
        _print_table(figures)


def _print_table(figures: dict[str, Any]) -> None:
    rows = figures.pop("compare", [])
    width = max(map(len, figures))
    for name, value in figures.items():
        typer.echo(f"{name:<{width}}  {value}")
    for row in rows:
        typer.echo("  ".join(f"{name} {value}" for name, value in row.items()))
