"""`longwave render dual` and `longwave bench dual`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from studio.cli import options
from studio.cli.common import AsJson, factories_of, print_json
from studio.cli.progress import ProgressBar, follow, report
from studio.core.settings import Settings

DEFAULTS = Settings()


def render_dual(
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
    acoustic_scale: options.AcousticScale = None,
    strength: options.Strength = None,
    steps: options.ClipSteps = None,
    draft: options.DraftKind = None,
    draft_model: options.DraftModel = None,
    draft_seed: options.DraftSeed = None,
    temperature: options.Temperature = None,
    top_k: options.TopK = None,
    attention: options.AttentionKind = None,
    device: options.DeviceOrNone = None,
    dtype: options.Dtype = None,
    as_json: AsJson = False,
) -> None:
    """A clip from a prompt and an acoustic draft of it (DC-LDM). Ctrl-C ends it and keeps nothing."""
    settings = replace(DEFAULTS, outputs=outputs)
    chosen = options.find_preset(preset, settings) if preset else None
    studio = factories_of(context).studio(settings)
    try:
        recorded = options.own_draft(draft, draft_model, studio)
        request = options.dual_request_from(context.params, chosen, recorded)
        with ProgressBar(request.duration_s, at_once=True) as show:
            job = studio.submit(request, out=out)
            outcome = follow(studio, job, show)
    finally:
        studio.close()
    report(job, outcome, as_json)


def bench_dual(
    context: typer.Context,
    seconds: Annotated[float, typer.Option(min=0.64, max=600, help="Length of the clip.")] = 10.0,
    steps: options.ClipSteps = None,
    model: options.Model = None,
    draft_model: options.DraftModel = None,
    combinations: Annotated[
        bool,
        typer.Option(
            "--combinations", help="Endless × LiteFocus × draft, all eight, instead; of 16 s or more."
        ),
    ] = False,
    device: options.DeviceOrNone = None,
    dtype: options.Dtype = None,
    as_json: AsJson = False,
) -> None:
    """The draft's time and the refinement's, memory, and the acoustic branch's share of a step."""
    request = options.dual_request_from({**context.params, "prompt": "birds over a stream", "seed": 0})
    from studio.backends.catalog import create_codec, create_drafter
    from studio.evaluation.benchmarks.dual import bench_combinations
    from studio.evaluation.benchmarks.dual import bench_dual as measure
    from studio.pipeline.drafts import AcousticModelPool, Drafts

    models = AcousticModelPool(
        partial(create_drafter, settings=DEFAULTS), partial(create_codec, settings=DEFAULTS)
    )
    studio = factories_of(context).studio(DEFAULTS)
    # Where no draft is kept yet: one that was made before would cost nothing.
    with TemporaryDirectory() as scratch, ProgressBar(request.duration_s, at_once=True) as show:
        backend, drafts = studio.backends.get(request.model), Drafts(models, Path(scratch))
        if combinations:
            rows = bench_combinations(request, backend, drafts, show)
        else:
            rows = [measure(request, backend, drafts, show)]
    if as_json:
        print_json({"model": request.model.id, "rows": rows} if combinations else rows[0])
        return
    for row in rows:
        typer.echo("  ".join(f"{name} {value}" for name, value in row.items()))
