"""`longwave eval seams`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli.common import AsJson, Device, factories_of, print_json, terminal
from studio.cli.evaluate.commands import eval_commands, named
from studio.cli.evaluate.listening import Weights, weights_of
from studio.cli.options import choice_of
from studio.core.settings import Settings

EMBEDDER = "aisfx"


@eval_commands.command("seams")
def eval_seams(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="The model; the Infinite tab's by default.")] = None,
    weights: Weights = None,
    prompts: Annotated[int, typer.Option(min=10, max=259, help="Going round the families.")] = 84,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Of takes.")] = 25,
    edit_steps: Annotated[int, typer.Option(min=1, max=1000, help="Of repaints and loops.")] = 30,
    as_json: AsJson = False,
    runs: Annotated[Path, typer.Option(help="Where sounds and what was heard are kept.")] = Path("runs"),
    device: Device = "auto",
) -> None:
    """Whether a detector hears where takes were edited, and where loops begin."""
    settings = Settings()
    choice = choice_of("infinite", {"device": device, **named(model)})
    studio = factories_of(context).studio(settings)
    from studio.backends.catalog import weights_fingerprint
    from studio.backends.device import choose_device
    from studio.evaluation.benchmarks.seams import SeamsPlan, made
    from studio.evaluation.classifier import Classifier
    from studio.evaluation.embedders.aisfx import AiSfx
    from studio.evaluation.suites.joins import measure_joins

    ears = AiSfx(weights_of(weights, (EMBEDDER,)).get(EMBEDDER), choose_device(device))
    classifier = Classifier.load(settings.assets / "pocket" / "judge")
    plan = SeamsPlan(prompts, steps, edit_steps)
    fingerprint = f"{choice.id} {weights_fingerprint(choice.id, settings)}"
    report = terminal().print
    with redirect_stdout(sys.stderr):
        sounds = made(runs, lambda: studio.backends.get(choice), fingerprint, plan, report)
        found = measure_joins(sounds, ears, classifier, runs / "seams" / "heard", report)
    if as_json:
        about = {"model_id": choice.id, "embedder": EMBEDDER, "steps": steps, "edit_steps": edit_steps}
        print_json({**about, **found})
        return
    _print_table(found)


def _print_table(found: dict[str, Any]) -> None:
    typer.echo(f"{'':<16}{'by hard joins':<24}{'by its own kind':<24}{'step':<24}windows")
    for name, row in found["joins"].items():
        figures = "".join(f"{_interval(row[key]):<24}" for key in ("auc", "auc_own", "step"))
        typer.echo(f"{name:<16}{figures}{row['windows']}")
    typer.echo(f"{found['whole_windows']} windows of whole takes, {found['prompts']} prompts")
    if not found["counts"]:
        typer.echo("The detector misses hard joins, so that nothing it says counts: take more prompts.")
    for name, figure in found["family"].items():
        typer.echo(f"family right, {name:<9}{_interval(figure)}")


def _interval(figure: dict[str, float] | None) -> str:
    return "-" if figure is None else f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
