"""`longwave edit repaint | extend | splice | loop | vary`: a take changed, as a new one beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli.common import AsJson, factories_of
from studio.cli.progress import ProgressBar, follow, report
from studio.core.edit import AnyEdit, parse_edit
from studio.core.settings import Settings
from studio.core.times import seconds_of

DEFAULTS = Settings()

edit_commands = typer.Typer(help="Change a take: a new one is made beside it, and the old one stays.")

Take = Annotated[
    str, typer.Argument(metavar="TAKE", help="An id of `library list`, or a sound that Longwave made.")
]
Prompt = Annotated[
    str, typer.Option(help="What is heard in the new part.", show_default="what the take says there")
]
Seed = Annotated[int | None, typer.Option(help="Of the new part.", show_default="drawn")]
Steps = Annotated[int, typer.Option(help="Denoising steps.")]
Bridge = Annotated[float, typer.Option(help="How many seconds the bridge lasts.")]
Out = Annotated[
    Path | None,
    typer.Option(help="The file: .wav, .flac, .mp3 or .ogg.", show_default="the take's next version"),
]
Outputs = Annotated[Path, typer.Option(help="The folder of takes.")]


@edit_commands.command()
def repaint(
    context: typer.Context,
    take: Take,
    start: Annotated[str, typer.Option("--from", help="Where the span begins, as m:ss or seconds.")],
    end: Annotated[str, typer.Option("--to", help="Where it ends.")],
    prompt: Prompt = "",
    strength: Annotated[
        float, typer.Option(help="How far it may leave what was there: 0 keeps it, 1 forgets it.")
    ] = 1.0,
    candidates: Annotated[
        int, typer.Option(min=1, max=20, help="So many of them, each by the next seed.")
    ] = 1,
    seed: Seed = None,
    steps: Steps = 30,
    out: Out = None,
    outputs: Outputs = DEFAULTS.outputs,
    as_json: AsJson = False,
) -> None:
    """Make a span anew; the rest stays as it is, to the sample."""
    edit = parse_edit(
        "repaint", start_s=seconds_of(start), end_s=seconds_of(end), prompt=prompt, strength=strength,
        seed=seed, steps=steps,
    )  # fmt: skip
    edits = [edit.model_copy(update={"seed": (edit.seed + number) % 2**63}) for number in range(candidates)]
    _make(context, edits, take, out=out, outputs=outputs, as_json=as_json)


@edit_commands.command()
def extend(
    context: typer.Context,
    take: Take,
    left: Annotated[float, typer.Option(help="Seconds before its beginning.")] = 0.0,
    right: Annotated[float, typer.Option(help="Seconds after its end.")] = 0.0,
    prompt: Prompt = "",
    seed: Seed = None,
    steps: Steps = 30,
    out: Out = None,
    outputs: Outputs = DEFAULTS.outputs,
    as_json: AsJson = False,
) -> None:
    """Let a take begin earlier, end later, or both."""
    edit = parse_edit("extend", left_s=left, right_s=right, prompt=prompt, seed=seed, steps=steps)
    _make(context, [edit], take, out=out, outputs=outputs, as_json=as_json)


@edit_commands.command()
def splice(
    context: typer.Context,
    take: Take,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The take that follows.")],
    bridge: Bridge = 1.28,
    leave: Annotated[
        str | None, typer.Option(help="Where the first is left.", show_default="its end")
    ] = None,
    enter: Annotated[str, typer.Option(help="Where the second is entered.")] = "0",
    prompt: Prompt = "",
    seed: Seed = None,
    steps: Steps = 30,
    out: Out = None,
    outputs: Outputs = DEFAULTS.outputs,
    as_json: AsJson = False,
) -> None:
    """Join two takes by a bridge that leads from the one to the other."""
    edit = parse_edit(
        "splice", bridge_s=bridge, leave_s=None if leave is None else seconds_of(leave),
        enter_s=seconds_of(enter), prompt=prompt, seed=seed, steps=steps,
    )  # fmt: skip
    _make(context, [edit], take, other, out=out, outputs=outputs, as_json=as_json)


@edit_commands.command()
def loop(
    context: typer.Context,
    take: Take,
    start: Annotated[str, typer.Option("--from", help="Where the loop begins.")] = "0",
    end: Annotated[str | None, typer.Option("--to", help="Where it ends.", show_default="the end")] = None,
    bpm: Annotated[float | None, typer.Option(help="The tempo, with --bars.", show_default="none")] = None,
    bars: Annotated[
        int | None, typer.Option(help="So many bars of four beats long.", show_default="none")
    ] = None,
    bridge: Bridge = 1.28,
    prompt: Prompt = "",
    seed: Seed = None,
    steps: Steps = 30,
    out: Out = None,
    outputs: Outputs = DEFAULTS.outputs,
    as_json: AsJson = False,
) -> None:
    """Close a take, or a span of it, so that its last sample leads to its first."""
    edit = parse_edit(
        "loop", start_s=seconds_of(start), end_s=None if end is None else seconds_of(end), bpm=bpm, bars=bars,
        bridge_s=bridge, prompt=prompt, seed=seed, steps=steps,
    )  # fmt: skip
    _make(context, [edit], take, out=out, outputs=outputs, as_json=as_json)


@edit_commands.command()
def vary(
    context: typer.Context,
    take: Take,
    share: Annotated[float, typer.Option(help="Of its noise: 0 is the same take, 1 another.")] = 0.3,
    seed: Seed = None,
    candidates: Annotated[
        int, typer.Option(min=1, max=20, help="So many of them, each by the next seed.")
    ] = 1,
    out: Out = None,
    outputs: Outputs = DEFAULTS.outputs,
    as_json: AsJson = False,
) -> None:
    """Make a take again with a share of its noise redrawn."""
    edit = parse_edit("vary", share=share, seed=seed)
    edits = [edit.model_copy(update={"seed": (edit.seed + number) % 2**63}) for number in range(candidates)]
    _make(context, edits, take, out=out, outputs=outputs, as_json=as_json)


def _make(
    context: typer.Context,
    edits: list[Any],
    take: str,
    other: str = "",
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
            _make_one(studio, edit, take, other, target, as_json)
    finally:
        studio.close()


def _make_one(studio: Any, edit: AnyEdit, take: str, other: str, out: Path | None, as_json: bool) -> None:
    with ProgressBar(None) as show:
        job = studio.edit(edit, take, other, out=out)
        outcome = follow(studio, job, show)
    for note in job.notes:
        typer.echo(note, err=True)
    report(job, outcome, as_json)
