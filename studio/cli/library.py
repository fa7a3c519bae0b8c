"""`longwave library list | show | delete | trash | restore | empty`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import AsJson, print_json
from studio.core.audio import format_time
from studio.core.errors import InvalidRequestError
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
    """The takes, a line each, the newest first; after them those that can't be read, and why."""
    from studio.service.takes.library import Library

    takes, unreadable = Library(outputs).find(" ".join(words or ()), favourites=favourites)
    for take in takes:
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
    for other in unreadable:
        if as_json:
            print_json({"id": other.id, "file": None, "status": "unreadable", "reason": other.reason})
        else:
            typer.echo(f"! {other.id}  can't be read: {other.reason}")


@library_commands.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="An id of the list, or any file of the studio's.")
    ],
    outputs: Outputs = OUTPUTS,
) -> None:
    """How a take was made, as JSON: a preset that opens again."""
    from studio.service.takes.library import Library, settings_of

    record = settings_of(Path(name)) if os.path.isfile(name) else Library(outputs).get(name).record
    typer.echo(record.to_json())


@library_commands.command()
def delete(
    take: Annotated[str, typer.Argument(metavar="ID", help="An id of the list.")],
    for_good: Annotated[bool, typer.Option("--for-good", help="Not to the trash: free its space.")] = False,
    outputs: Outputs = OUTPUTS,
) -> None:
    """Move a take to the trash, from where `restore` gets it back."""
    from studio.service.takes.library import Library

    library = Library(outputs)
    if for_good:
        typer.echo(f"Deleted: {library.erase(take) / 1e6:.1f} MB freed.")
    else:
        typer.echo(f"Moved to the trash as {library.delete(take)}.")


@library_commands.command()
def trash(outputs: Outputs = OUTPUTS, as_json: AsJson = False) -> None:
    """What is in the trash, a line each."""
    from studio.service.takes.library import Library

    deleted = Library(outputs).trash
    for one in deleted.takes():
        if as_json:
            print_json({"id": one.id, "name": one.name})
        else:
            typer.echo(f"{one.id}  {one.name}")
    if not as_json:
        typer.echo(f"{deleted.size() / 1e6:.1f} MB in all.")


@library_commands.command()
def restore(
    take: Annotated[str, typer.Argument(metavar="ID", help="An id of the trash.")], outputs: Outputs = OUTPUTS
) -> None:
    """Put a take back from the trash."""
    from studio.service.takes.library import Library

    typer.echo(Library(outputs).trash.restore(take))


@library_commands.command()
def empty(
    yes: Annotated[bool, typer.Option("--yes", help="Yes, delete them for good.")] = False,
    outputs: Outputs = OUTPUTS,
) -> None:
    """Delete for good what is in the trash."""
    from studio.service.takes.library import Library

    deleted = Library(outputs).trash
    if not yes:
        takes = len(deleted.takes())
        held = f"{takes} take{'' if takes == 1 else 's'}, {deleted.size() / 1e6:.1f} MB"
        raise InvalidRequestError(f"What is in the trash can't be got back then ({held}): give --yes.")
    typer.echo(f"The trash is empty: {deleted.empty() / 1e6:.1f} MB freed.")
