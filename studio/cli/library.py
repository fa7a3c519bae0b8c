"""`longwave library list | show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import AsJson, print_json
from studio.core.audio import format_time
from studio.core.settings import Settings

library_commands = typer.Typer(help="The takes that were made.")

Outputs = Annotated[Path, typer.Option(help="The folder of takes.")]
OUTPUTS = Settings().outputs


@library_commands.command("list")
def list_command(
    words: Annotated[
        list[str] | None, typer.Argument(help="Only takes that hold all of these words.")
    ] = None,
    favourites: Annotated[bool, typer.Option("--favourites", help="Only favourites.")] = False,
    outputs: Outputs = OUTPUTS,
    as_json: AsJson = False,
) -> None:
    """The takes, a line each, the newest first."""
    from studio.service.library import Library

    for take in Library(outputs).takes(" ".join(words or ()), favourites=favourites):
        seed = take.record.settings.get("seed")
        if as_json:
            about = {
                "prompt": take.prompts,
                "seed": seed,
                "status": take.status,
                "created": take.about.created,
            }
            print_json({"id": take.id, "file": str(take.path), "seconds": take.about.duration_s, **about})
            continue
        star = "*" if take.about.favourite else " "
        length = format_time(take.about.duration_s)
        typer.echo(f"{star} {take.id}  {length}  {take.status}  {take.record.name}  (seed {seed})")


@library_commands.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="An id of the list, or any file of the studio's.")
    ],
    outputs: Outputs = OUTPUTS,
) -> None:
    """How a take was made, as JSON: a preset that opens again."""
    from studio.service.library import Library, settings_of

    path = Path(name)
    record = settings_of(path) if path.is_file() else Library(outputs).get(name).record
    typer.echo(record.model_dump_json(indent=2))
