"""`longwave render dual` and `longwave bench dual`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from studio.cli import request as words
from studio.cli.common import AsJson, factories_of, print_json
from studio.cli.takes import ProgressBar, follow, report
from studio.core.settings import Settings

DEFAULTS = Settings()


def render_dual(
    context: typer.Context,
    prompt: words.Prompt = None,
    negative_prompt: words.NegativePrompt = None,
    seconds: words.Seconds = None,
    seed: words.Seed = None,
    out: words.Out = None,
    outputs: words.Outputs = DEFAULTS.outputs,
    preset: words.PresetName = None,
    model: words.Model = None,
    guidance: words.Guidance = None,
    acoustic_scale: words.AcousticScale = None,
    strength: words.Strength = None,
    steps: words.ClipSteps = None,
    draft: words.DraftKind = None,
    draft_model: words.DraftModel = None,
    draft_seed: words.DraftSeed = None,
    temperature: words.Temperature = None,
    top_k: words.TopK = None,
    attention: words.AttentionKind = None,
    device: words.DeviceOrNone = None,
    dtype: words.Dtype = None,
    as_json: AsJson = False,
) -> None:
    """A clip from a prompt and an acoustic draft of it (DC-LDM). Ctrl-C ends it and keeps nothing."""
    settings = replace(DEFAULTS, outputs=outputs)
    chosen = words.find_preset(preset, settings) if preset else None
    studio = factories_of(context).studio(settings)
    try:
        recorded = words.own_draft(draft, draft_model, studio)
        request = words.dual_request_from(context.params, chosen, recorded)
        with ProgressBar(request.duration_s, at_once=True) as show:
            job = studio.submit(request, out=out)
            outcome = follow(studio, job, show)
    finally:
        studio.close()
    report(job, outcome, as_json)


def bench_dual(
    context: typer.Context,
    seconds: Annotated[float, typer.Option(min=0.64, max=600, help="Length of the clip.")] = 10.0,
    steps: words.ClipSteps = None,
    model: words.Model = None,
    draft_model: words.DraftModel = None,
    combinations: Annotated[
        bool,
        typer.Option(
            "--combinations", help="Endless × LiteFocus × draft, all eight, instead; of 16 s or more."
        ),
    ] = False,
    device: words.DeviceOrNone = None,
    dtype: words.Dtype = None,
    as_json: AsJson = False,
) -> None:
    """The draft's time and the refinement's, memory, and the acoustic branch's share of a step."""
    request = words.dual_request_from({**context.params, "prompt": "birds over a stream", "seed": 0})
    from studio.backends.catalog import create_codec, create_drafter
    from studio.evaluation.benchmarks.dual import bench_combinations
    from studio.evaluation.benchmarks.dual import bench_dual as measure
    from studio.pipeline.drafts import Drafts, Models

    models = Models(partial(create_drafter, settings=DEFAULTS), partial(create_codec, settings=DEFAULTS))
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
