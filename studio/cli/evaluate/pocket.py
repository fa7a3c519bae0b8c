"""`longwave eval pocket`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import AsJson, Device, factories_of, print_json, require_recipes, terminal
from studio.cli.evaluate.commands import eval_commands
from studio.cli.options import choice_of
from studio.core.settings import Settings


@eval_commands.command("pocket")
def eval_pocket(
    context: typer.Context,
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the sound: for a look.")] = False,
    runs: Annotated[Path, typer.Option(help="Where the held-out clips are rendered, once.")] = Path("runs"),
    device: Device = "auto",
) -> None:
    """Every figure of the embedded AudioLDM model, measured anew on withheld clips and phrasings."""
    require_recipes("eval pocket")
    settings = Settings()
    choice = choice_of("infinite", {"device": device})
    studio = factories_of(context).studio(settings)
    from studio.recipes.evaluate import evaluate_pocket

    console = terminal()
    with redirect_stdout(sys.stderr):  # where progress belongs: stdout is the figures'
        figures = evaluate_pocket(
            settings.assets / "pocket",
            runs,
            lambda: studio.backends.get(choice),
            quick=quick,
            report=console.print,
        )
    if as_json:
        print_json(figures)
        return
    for name, value in figures.items():
        typer.echo(f"{name:<24}{value}")
