"""`longwave edit repaint | extend | splice | loop | vary`: a take changed, as a new one beside it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli.common import AsJson, factories_of
from studio.cli.progress import ProgressBar, follow, report
from studio.core.edit import EDITS, AnyEdit, edit_of_words
from studio.core.settings import Settings

DEFAULTS = Settings()

edit_commands = typer.Typer(help="Change a take: a new one is made beside it, and the old one stays.")

Prompt = Annotated[
    str, typer.Option(help="What is heard in the new part.", show_default="what the take says there")
]
Bridge = Annotated[float, typer.Option(help="How many seconds the bridge lasts.")]
Candidates = Annotated[int, typer.Option(min=1, max=20, help="So many of them, each by the next seed.")]


def _shared(
    context: typer.Context,
    take: Annotated[
        str, typer.Argument(metavar="TAKE", help="An id of `library list`, or a sound that Longwave made.")
    ],
    seed: Annotated[int | None, typer.Option(help="Of the new part.", show_default="drawn")] = None,
    steps: Annotated[int, typer.Option(help="Denoising steps.")] = 30,
    out: Annotated[
        Path | None,
        typer.Option(help="The file: .wav, .flac, .mp3 or .ogg.", show_default="the take's next version"),
    ] = None,
    outputs: Annotated[Path, typer.Option(help="The folder of takes.")] = DEFAULTS.outputs,
    as_json: AsJson = False,
) -> None:
    """What every edit is told: the take first, then the edit's own, then the rest."""


def _edit(command: Callable[..., None]) -> Callable[..., None]:
    """A command of `longwave edit` with options of its own, by the edit's words, and those that all share."""
    kind, own = command.__name__, dict(inspect.signature(command, eval_str=True).parameters)
    shared = dict(inspect.signature(_shared, eval_str=True).parameters)
    if "steps" not in EDITS[kind].model_fields:
        del shared["steps"]
    ordered = [shared.pop("context"), shared.pop("take"), *own.values(), *shared.values()]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in ordered]

    @wraps(command)
    def run(
        context: typer.Context, take: str, out: Path | None, outputs: Path, as_json: bool, **words: Any
    ) -> None:
        candidates, other = words.pop("candidates", 1), words.pop("other", "")
        said = {name: str(value) for name, value in words.items() if value is not None}
        edit = edit_of_words(kind, said)
        edits = [
            edit.model_copy(update={"seed": (edit.seed + number) % 2**63}) for number in range(candidates)
        ]
        _make(context, edits, take, other, out=out, outputs=outputs, as_json=as_json)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return edit_commands.command(kind)(run)


@_edit
def repaint(
    start: Annotated[str, typer.Option("--from", help="Where the span begins, as m:ss or seconds.")],
    end: Annotated[str, typer.Option("--to", help="Where it ends.")],
    prompt: Prompt = "",
    strength: Annotated[
        float, typer.Option(help="How far it may leave what was there: 0 keeps it, 1 forgets it.")
    ] = 1.0,
    candidates: Candidates = 1,
) -> None:
    """Make a span anew; the rest stays as it is, to the sample."""


@_edit
def extend(
    left: Annotated[float, typer.Option(help="Seconds before its beginning.")] = 0.0,
    right: Annotated[float, typer.Option(help="Seconds after its end.")] = 0.0,
    prompt: Prompt = "",
) -> None:
    """Let a take begin earlier, end later, or both."""


@_edit
def splice(
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The take that follows.")],
    bridge: Bridge = 1.28,
    leave: Annotated[
        str | None, typer.Option(help="Where the first is left.", show_default="its end")
    ] = None,
    enter: Annotated[str, typer.Option(help="Where the second is entered.")] = "0",
    prompt: Prompt = "",
) -> None:
    """Join two takes by a bridge that leads from the one to the other."""


@_edit
def loop(
    start: Annotated[str, typer.Option("--from", help="Where the loop begins.")] = "0",
    end: Annotated[str | None, typer.Option("--to", help="Where it ends.", show_default="the end")] = None,
    bpm: Annotated[float | None, typer.Option(help="The tempo, with --bars.", show_default="none")] = None,
    bars: Annotated[
        int | None, typer.Option(help="So many bars of four beats long.", show_default="none")
    ] = None,
    bridge: Bridge = 1.28,
    prompt: Prompt = "",
) -> None:
    """Close a take, or a span of it, so that its last sample leads to its first."""


@_edit
def vary(
    share: Annotated[float, typer.Option(help="Of its noise: 0 is the same take, 1 another.")] = 0.3,
    candidates: Candidates = 1,
) -> None:
    """Make a take again with a share of its noise redrawn."""


def _make(
    context: typer.Context,
    edits: list[AnyEdit],
    take: str,
    other: str,
    *,
    out: Path | None,
    outputs: Path,
    as_json: bool,
) -> None:
    """Make the takes one after the other, and print where each is."""
    studio = factories_of(context).studio(replace(DEFAULTS, outputs=outputs))
    try:
        for number, edit in enumerate(edits, start=1):
            target = out if out is None or number == 1 else out.with_name(f"{out.stem}_{number}{out.suffix}")
            _make_one(studio, edit, take, other, target, as_json, (number, len(edits)))
    finally:
        studio.close()


def _make_one(
    studio: Any,
    edit: AnyEdit,
    take: str,
    other: str,
    out: Path | None,
    as_json: bool,
    candidate: tuple[int, int],
) -> None:
    with ProgressBar(None) as show:
        job = studio.edit(edit, take, other, out=out, paths=True, candidate=candidate)
        outcome = follow(studio, job, show)
    for note in job.notes:
        typer.echo(note, err=True)
    report(job, outcome, as_json)
