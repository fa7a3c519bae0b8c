"""What every command shares: its way to the studio, to the two output streams, and out on a mistake."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from studio.cli.examples import add_examples
from studio.core.errors import ModelNotFoundError, StudioError
from studio.core.interrupts import all_as_interrupt
from studio.core.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from studio.service.batch.work import Maker
    from studio.service.studio import Studio

USAGE_STATUS = 2
INTERRUPTED_STATUS = 130
# The parser's base class of wrong words and values; typer names only its subclass.
UsageError: type[Exception] = typer.BadParameter.__base__ or typer.BadParameter

AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON on stdout.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]


@dataclass(frozen=True)
class Factories:
    """How the composition root makes what the commands need; called only by the command that needs it."""

    serve: Callable[[Settings], None]
    studio: Callable[[Settings], Studio]
    maker: Callable[..., Maker] | None = (
        None  # (settings, workers); a function of a module, as processes start with it
    )


class OneSentenceGroup(TyperGroup):
    """The root command: a user's mistake becomes one sentence and exit status 2, whoever noticed it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        add_examples(self)

    def main(self, *args: Any, **options: Any) -> NoReturn:
        """Run the command line and exit."""
        options["standalone_mode"] = False
        options["prog_name"] = "longwave"  # and not "python -m studio.app", which nobody typed
        write_whatever_fits()
        try:
            with all_as_interrupt():
                status = super().main(*args, **options)
        except UsageError as error:
            fail(_usage_sentence(error))
        except StudioError as error:
            fail(str(error))
        except (typer.Abort, KeyboardInterrupt):
            fail("Stopped.", INTERRUPTED_STATUS)
        sys.exit(status if isinstance(status, int) else 0)


def write_whatever_fits() -> None:
    """Let a terminal or file of another encoding than UTF-8 show "?" for what it can't hold: no traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def fail(sentence: str, status: int = USAGE_STATUS) -> NoReturn:
    """One line on stderr, then the end."""
    typer.echo(" ".join(sentence.split()), err=True)
    sys.exit(status)


def factories_of(context: typer.Context) -> Factories:
    """The factories that `build_cli` was given."""
    assert isinstance(context.obj, Factories), "the command line is built by build_cli"
    return context.obj


def require_recipes(command: str) -> None:
    """Whether the recipes of the pocket models are there, which no wheel carries.

    Raises:
        ModelNotFoundError: they are not.
    """
    if find_spec("studio.recipes") is None:
        raise ModelNotFoundError(
            f"`longwave {command}` needs the recipes of the pocket models, which an installed package leaves "
            "out: run it in a checkout of Longwave's source."
        )


def print_json(values: Mapping[str, Any]) -> None:
    """One line on stdout. Numbers that are not finite become null, which JSON can say."""
    finite = {key: None if value != value else value for key, value in values.items()}
    typer.echo(json.dumps(finite, ensure_ascii=False))


def terminal() -> Console:
    """Where progress is shown: stderr, since stdout belongs to results."""
    from rich.console import Console

    return Console(stderr=True)


def _usage_sentence(error: Any) -> str:
    message = str(error.format_message()).strip().rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message}; see '{context.command_path} --help'." if context else f"{message}."
