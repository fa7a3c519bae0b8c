"""`longwave render sparse` and `longwave bench sparse`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from studio.cli import options
from studio.cli.common import AsJson, factories_of, print_json, terminal
from studio.cli.progress import ProgressBar, follow, report
from studio.core.attention import LiteFocusAttention
from studio.core.errors import InvalidRequestError
from studio.core.settings import Settings

DEFAULTS = Settings()


def render_sparse(
    context: typer.Context,
    prompt: options.Prompt = None,
    negative_prompt: options.NegativePrompt = None,
    seconds: options.Seconds = None,
    seed: options.Seed = None,
    out: options.Out = None,
    outputs: options.Outputs = DEFAULTS.outputs,
    preset: options.PresetName = None,
    model: options.Model = None,
    guidance: options.Guidance = None,
    steps: options.ClipSteps = None,
    attention: options.AttentionKind = None,
    ratio: options.Ratio = None,
    sampling: options.Sampling = None,
    focus: options.Focus = None,
    compensation: options.Compensation = None,
    blocks: options.Blocks = None,
    device: options.DeviceOrNone = None,
    dtype: options.Dtype = None,
    as_json: AsJson = False,
) -> None:
    """A clip of a set length in one piece, its attention sparse. Ctrl-C ends it and keeps nothing."""
    settings = replace(DEFAULTS, outputs=outputs)
    chosen = options.find_preset(preset, settings) if preset else None
    request = options.sparse_request_from(context.params, chosen)
    studio = factories_of(context).studio(settings)
    try:
        with ProgressBar(request.duration_s, at_once=True) as show:
            job = studio.submit(request, out=out)
            outcome = follow(studio, job, show)
    finally:
        studio.close()
    report(job, outcome, as_json)


def bench_sparse(
    context: typer.Context,
    more: Annotated[list[float] | None, typer.Argument(hidden=True)] = None,
    seconds: Annotated[float, typer.Option(help="Lengths of sound; several may follow each other.")] = 10.0,
    model: options.Model = None,
    shape: Annotated[
        str | None, typer.Option(help="audioldm2-full: the real U-Net's shape, with random weights.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Medians of so many.")] = 3,
    batch: Annotated[int, typer.Option(min=1, max=16, help="2 is what guidance takes.")] = 1,
    ratio: options.Ratio = None,
    blocks: options.Blocks = None,
    device: options.DeviceOrNone = None,
    dtype: options.Dtype = None,
    as_json: AsJson = False,
) -> None:
    """Dense, uniform and balanced sparse attention and token merging: time and memory at each length."""
    durations_s = [seconds, *(more or [])]
    if not all(0 < length <= options.MAX_BENCH_S for length in durations_s):
        raise InvalidRequestError(f"--seconds: lengths lie above 0 and up to {options.MAX_BENCH_S:g}.")
    from studio.evaluation.benchmarks.sparse import bench_sparse as measure
    from studio.evaluation.benchmarks.sparse import load_unet

    request = options.sparse_request_from({**context.params, "prompt": "-", "seconds": None})
    assert isinstance(request.attention, LiteFocusAttention)  # it is the tab's
    r = None if request.attention.ratio == "auto" else request.attention.ratio
    with terminal().status("Loading the model") as line:
        unet, about = load_unet(request.model, shape, factories_of(context).studio(DEFAULTS).backends)
        rows = measure(
            unet, durations_s, repeats=repeats, batch=batch, ratio=r,
            blocks=request.attention.blocks, show=line.update,
        )  # fmt: skip
    if as_json:
        print_json({**about, "batch": batch, "repeats": repeats, "rows": rows})
        return
    for row in [dict.fromkeys(rows[0]), *rows]:
        typer.echo(
            "  ".join(f"{name if value is None else value!s:>{len(name)}}" for name, value in row.items())
        )
