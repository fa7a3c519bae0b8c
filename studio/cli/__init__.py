"""The command line: `longwave serve | render | batch | bench | eval | listen | train | models | …`.

It starts light: no command's module imports torch or gradio before the command runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from studio import __version__
from studio.cli import batch_work as _batch_work  # noqa: F401 - adds its command to those of batch
from studio.cli import export as _export  # noqa: F401 - adds its command to the library's
from studio.cli.batch import batch_commands
from studio.cli.bench import bench_commands
from studio.cli.common import Factories, OneSentenceGroup
from studio.cli.edit import edit_commands
from studio.cli.evaluate import eval_commands
from studio.cli.kit import kit
from studio.cli.library import library_commands
from studio.cli.listen import listen_commands
from studio.cli.mix import mix
from studio.cli.models import models_commands
from studio.cli.presets import presets_commands
from studio.cli.render import render_commands
from studio.cli.serve import serve
from studio.cli.train import train_commands

__all__ = ["Factories", "build_cli"]


def build_cli(factories: Factories) -> typer.Typer:
    """The whole command line over the studio that `factories` make; call the result to run it.

    Wrong values end in one sentence on stderr and exit status 2; our own bugs in a traceback.
    """
    cli = typer.Typer(
        cls=OneSentenceGroup,
        context_settings={"obj": factories, "help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        help="Longwave: long sound from text.",
    )
    cli.callback(invoke_without_command=True)(_root)
    cli.command()(serve)
    cli.add_typer(render_commands(), name="render")
    cli.add_typer(edit_commands, name="edit")
    cli.command()(kit)
    cli.command()(mix)
    cli.add_typer(batch_commands, name="batch")
    cli.add_typer(bench_commands, name="bench")
    cli.add_typer(eval_commands, name="eval")
    cli.add_typer(listen_commands, name="listen")
    cli.add_typer(train_commands, name="train")
    cli.add_typer(models_commands, name="models")
    cli.add_typer(presets_commands, name="presets")
    cli.add_typer(library_commands, name="library")
    return cli


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"longwave {__version__}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
