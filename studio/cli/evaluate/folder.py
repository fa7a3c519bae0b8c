"""`longwave eval folder`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import AsJson, Device, print_json
from studio.cli.evaluate.commands import eval_commands
from studio.cli.evaluate.listening import HEARD, Runs, Weights, bar, weights_of
from studio.core.settings import Settings


@eval_commands.command("folder")
def eval_folder(
    generated: Annotated[Path, typer.Argument(help="A folder of any system's sounds.")],
    reference: Annotated[Path, typer.Option(help="A folder of real ones; the same names are pairs.")],
    captions: Annotated[
        Path | None, typer.Option(help="Captions of the generated sounds: .csv or .jsonl, file and caption.")
    ] = None,
    embedder: Annotated[
        list[str] | None, typer.Option(help="Who listens; may be given again. Whoever is here by default.")
    ] = None,
    weights: Weights = None,
    as_json: AsJson = False,
    runs: Runs = Path("runs"),
    device: Device = "auto",
) -> None:
    """The field's metrics of a folder of sounds against another, with intervals and floors."""
    settings = Settings()
    from studio.evaluation.embedders.hearing import HearingCache
    from studio.evaluation.embedders.registry import EMBEDDERS, load_embedder
    from studio.evaluation.suites.captions import read_captions
    from studio.evaluation.suites.folder import METRICS, measure_folder

    places = weights_of(weights, EMBEDDERS)
    texts = read_captions(captions) if captions else None
    with redirect_stdout(sys.stderr), bar() as report:
        found = measure_folder(
            generated,
            reference,
            lambda name: load_embedder(name, weights=places.get(name), assets=settings.assets, device=device),
            HearingCache(runs / HEARD),
            texts,
            embedder or (),
            report,
        )
    for sentence in found.notes:
        typer.echo(sentence, err=True)
    if as_json:
        print_json(found.as_json())
        return
    for name in METRICS:
        if (measured := found.metrics.get(name)) is None:
            continue
        floor = "" if measured.floor is None else f", floor {measured.floor:.4g}"
        typer.echo(f"{name:<12}{measured.figure}{floor}, by {measured.embedder}")
    for name, sentence in found.left_out.items():
        typer.echo(f"{name:<12}left out. {sentence}")
