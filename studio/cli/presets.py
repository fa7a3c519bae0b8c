"""`longwave presets list | show | validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.core.preset import load_preset, shipped_presets
from studio.core.settings import Settings
from studio.service.presets import find_preset

presets_commands = typer.Typer(help="Settings that ship, or that lie beside a take.")

Name = Annotated[str, typer.Argument(help="A name of the list, or a file: a preset, or a take's .json.")]


@presets_commands.command("list")
def list_command() -> None:
    """The presets that ship, a line each."""
    for stem, preset in shipped_presets(Settings().presets).items():
        typer.echo(f"{stem:<32}{preset.description or preset.name}")


@presets_commands.command()
def show(name: Name) -> None:
    """A preset as JSON."""
    typer.echo(find_preset(name, Settings()).to_json())


@presets_commands.command()
def validate(files: Annotated[list[Path], typer.Argument(help="Preset files.")]) -> None:
    """Check files against the schema; the first bad one ends it with exit status 2."""
    for path in files:
        load_preset(path)
        typer.echo(f"{path} is a valid preset.")
