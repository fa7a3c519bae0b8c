"""What the commands share that listen by embedders: their options, and a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import terminal
from studio.core.errors import InvalidRequestError

Weights = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=FILE, or NAME=OWNER/REPOSITORY on the Hub: an embedder's weights; may be given again."
    ),
]
Runs = Annotated[Path, typer.Option(help="Where what was heard is kept, so that no file is heard twice.")]
HEARD = "heard"  # the folder in runs


def weights_of(given: Sequence[str] | None, known: Sequence[str]) -> dict[str, str]:
    """Embedder → weights, of what `--weights` was given.

    Raises:
        InvalidRequestError: one is not NAME=PLACE.
    """
    found = {}
    for pair in given or ():
        name, sign, place = pair.partition("=")
        if not sign or name not in known or not place:
            raise InvalidRequestError(f"--weights {pair}: say NAME=FILE, with a name of {', '.join(known)}.")
        found[name] = place
    return found


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr, told (message, done, in all); nothing where stderr is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = terminal()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("Starting", total=None)

        def report(message: str, done: int, total: int) -> None:
            shown.update(task, description=message, completed=done, total=total)

        yield report
