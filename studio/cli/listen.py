"""`longwave listen make | score`: a listening test to give away, and what its answers come to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.cli.common import AsJson, print_json, terminal
from studio.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from studio.evaluation.listening.make import Report
    from studio.evaluation.listening.score import Score

listen_commands = typer.Typer(help="Ask people: a listening test as a page that one sends to friends.")

_SHOWN_DIFFERENCES = 45  # of ten systems, each against each


@listen_commands.command("make")
def make_command(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="One for each system; sounds of one name are one item."),
    ],
    out: Annotated[Path, typer.Option(help="The test's folder; its key is written beside it.")],
    kind: Annotated[
        str, typer.Option(help="ovl-rel: 1 to 5; ogl-rel-aq: 1 to 100; abx: is X A or B?")
    ] = "ovl-rel",
    raters: Annotated[int, typer.Option(help="How many people will be asked.")] = 20,
    captions: Annotated[
        Path | None,
        typer.Option(
            help="The texts, .csv or .jsonl: file, caption.",
            show_default="the prompts of Longwave's own takes",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Real recordings, rated among the others; of ABX what all are held to."),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=0, max=50, help="Sounds that each rater gets twice, to tell who listens.")
    ] = 5,
    items: Annotated[
        int | None, typer.Option(min=1, help="Take that many of the sounds, drawn.", show_default="all")
    ] = None,
    lufs: Annotated[float, typer.Option(min=-60, max=-10, help="The loudness of all sounds.")] = -23.0,
    as_they_are: Annotated[bool, typer.Option("--as-they-are", help="Leave the loudness alone.")] = False,
    title: Annotated[str, typer.Option(help="What the page is headed.")] = "Listening test",
    seed: Annotated[int | None, typer.Option(min=0, help="Of the orders.", show_default="drawn")] = None,
    as_json: AsJson = False,
) -> None:
    """Make the folder that raters open, and the key that you keep."""
    from studio.evaluation.listening.kinds import KINDS
    from studio.evaluation.listening.make import Order, make_test

    wanted = next((name for name in KINDS if name == kind), None)
    if wanted is None:
        raise InvalidRequestError(f"--kind {kind}: choose of {', '.join(KINDS)}.")
    order = Order(
        tuple(folders), wanted, out, raters, captions, reference, repeats, items,
        None if as_they_are else lufs, seed, title,
    )  # fmt: skip
    with _progress() as report:
        made = make_test(order, report)
    for note in made.notes:
        typer.echo(note, err=True)
    if as_json:
        print_json(
            {
                "page": str(made.page), "key": str(made.key), "test": made.test, "trials": made.trials,
                "minutes": made.minutes, "notes": list(made.notes),
            }
        )  # fmt: skip
        return
    typer.echo(str(made.page))
    typer.echo(str(made.key))
    typer.echo(
        f"Send the folder {out}, not the key: it tells which file is which. Each rater opens "
        f"index.html?rater=N with a number of their own from 1 to {raters}, hears {made.trials} trials in "
        f"about {made.minutes} minutes, and sends one file back.",
        err=True,
    )


@listen_commands.command("score")
def score_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="What the raters sent; the key may be among it.")
    ],
    key: Annotated[
        Path | None, typer.Option(help="What was written beside the test.", show_default="among the files")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Means with 95 % intervals, how far raters agree, and who was dropped and why."""
    from studio.evaluation.listening.score import score_answers

    score = score_answers(files, key)
    told = score.as_json()
    for refused in told["refused"]:
        typer.echo(refused["why"], err=True)
    if as_json:
        print_json(told)
        return
    for dropped in told["dropped"]:
        typer.echo(f"Rater {dropped['rater']} is dropped: {dropped['why']} ({dropped['file']}).", err=True)
    for missing in told["not_heard"]:
        typer.echo(
            f"{missing['item']} of {missing['system']} did not play for {missing['raters']}.", err=True
        )
    for note in told["notes"]:
        typer.echo(note, err=True)
    _print(score, told)


def _print(score: Score, told: dict[str, Any]) -> None:
    asked = score.key
    typer.echo(
        f"{asked.kind}: {told['kept']} of {told['raters']} raters, {told['items']} sounds, "
        f"{len(asked.systems)} systems"
    )
    if not asked.spec.scales:
        _print_pairs(told)
    else:
        scales = [scale.id for scale in asked.spec.scales]
        width = max(12, *(len(name) + 12 for name in asked.systems))
        typer.echo(" " * width + "".join(f"{scale:<26}" for scale in scales))
        for row in told["systems"]:
            name = row["system"] + (" (reference)" if row["reference"] else "")
            typer.echo(
                f"{name:<{width}}" + "".join(f"{_figure(row[scale]):<26}" for scale in scales).rstrip()
            )
        for row in told["differences"][:_SHOWN_DIFFERENCES]:
            name = f"{row['system']} − {row['other']}"
            typer.echo(f"{name}: " + ", ".join(f"{scale} {_figure(row[scale])}" for scale in scales))
    for scale, agreed in told["agreement"].items():
        figures = ", ".join(f"{_NAMES[name]} {_number(value)}" for name, value in agreed.items())
        typer.echo(f"agreement {scale}: {figures}")


_NAMES = {"alpha": "Krippendorff's α", "icc_of_means": "ICC(2,k)"}


def _print_pairs(told: dict[str, Any]) -> None:
    for pair in told["pairs"]:
        right = pair["right"]
        share, low, high, chance = (
            100 * one for one in (right["value"], right["low"], right["high"], pair["chance"])
        )
        typer.echo(
            f"{pair['system']} and {pair['other']}: told apart in {share:.1f} % of {right['n']} "
            f"({low:.1f} to {high:.1f} %); chance is {chance:g} %, p = {pair['p']:.2g}"
        )
        for item in pair["items"]:
            found = item["right"]
            typer.echo(f"  {item['item']}: {100 * found['value']:.0f} % of {found['n']}, p = {item['p']:.2g}")


def _figure(figure: dict[str, Any]) -> str:
    ends = [_number(figure[end]) for end in ("low", "high")]
    return f"{_number(figure['value'])} ({ends[0]} to {ends[1]})"


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.2f}"


@contextmanager
def _progress() -> Iterator[Report]:
    """A bar on stderr, where that is a terminal."""
    from rich.progress import Progress

    with Progress(console=terminal(), disable=not terminal().is_terminal, transient=True) as shown:
        task = shown.add_task("Sounds", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
