"""`longwave eval passes`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import AsJson, Device, factories_of, print_json, require_recipes, terminal
from studio.cli.evaluate.commands import eval_commands, named
from studio.cli.options import choice_of
from studio.core.errors import InvalidRequestError
from studio.core.settings import Settings


@eval_commands.command("passes")
def eval_passes(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="The model; the Infinite tab's by default.")] = None,
    scale: Annotated[
        list[float] | None, typer.Option(help="Of guidance; may be given again. 4 if none.")
    ] = None,
    clips: Annotated[int, typer.Option(min=4, max=2000, help="Of 5.12 s, of each kind.")] = 112,
    takes: Annotated[int, typer.Option(min=1, max=1000, help="Endless ones, of each kind.")] = 28,
    windows: Annotated[int, typer.Option(min=2, max=100, help="Of 5.12 s, in a take.")] = 4,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Of a clip.")] = 50,
    as_json: AsJson = False,
    runs: Annotated[Path, typer.Option(help="Where the held-out clips are rendered, once.")] = Path("runs"),
    device: Device = "auto",
) -> None:
    """One pass a step against two, from the same seeds: right families, Fréchet distances, speed."""
    scales = tuple(scale or [4.0])
    if not all(0 <= one <= 100 for one in scales):
        raise InvalidRequestError("--scale lies between 0 and 100.")
    require_recipes("eval passes")
    settings = Settings()
    chosen = choice_of("infinite", {"device": device, **named(model)})
    studio = factories_of(context).studio(settings)
    from studio.evaluation.suites.passes import PassesPlan
    from studio.recipes.evaluate import evaluate_passes

    plan = PassesPlan(clips, takes, windows, steps, scales)
    with redirect_stdout(sys.stderr):
        rows = evaluate_passes(
            settings.assets / "pocket",
            runs,
            lambda passes: studio.backends.get(chosen.model_copy(update={"passes": passes})),
            plan,
            terminal().print,
        )
    if as_json:
        print_json({"model_id": chosen.id, "rows": rows})
        return
    for row in rows:
        typer.echo(f"scale {row['scale']:g}, passes {row['passes']}")
        for name, value in row.items():
            if name not in ("scale", "passes"):
                typer.echo(f"  {name:<14}{value:.4g}")
