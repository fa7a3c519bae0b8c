"""`longwave eval bandwidth`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli.common import AsJson, Device, print_json, require_recipes, terminal
from studio.cli.evaluate.commands import eval_commands
from studio.cli.evaluate.listening import Weights, weights_of
from studio.core.settings import Settings

ROWS = (("lsd", "spectral distance, dB"), ("lsd_mirror", "the baseline's"), ("lsd_share", "share of it"),
        ("auc", "told from the real"), ("auc_mirror", "the baseline's"))  # fmt: skip


@eval_commands.command("bandwidth")
def eval_bandwidth(
    recordings: Annotated[
        Path | None,
        typer.Option(help="Full-band recordings that nothing was trained on; withheld clips by default."),
    ] = None,
    clips: Annotated[int, typer.Option(min=1, max=50, help="Of each family.")] = 6,
    embedder: Annotated[str, typer.Option(help="Who listens.")] = "aisfx",
    weights: Weights = None,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """How good is what the extension to 48 kHz puts above 8 kHz, against real full-band sound?"""
    require_recipes("eval bandwidth")
    settings = Settings()
    from studio.evaluation.embedders.registry import EMBEDDERS, load_embedder
    from studio.recipes.bandwidth import evaluate_bandwidth

    place = weights_of(weights, EMBEDDERS).get(embedder)
    with redirect_stdout(sys.stderr):
        found = evaluate_bandwidth(
            settings.assets / "pocket",
            clips,
            recordings,
            lambda: load_embedder(embedder, weights=place, assets=settings.assets, device=device),
            terminal().print,
        )
    if as_json:
        print_json({"embedder": embedder, "clips": clips, **found})
        return
    typer.echo(
        f"log-mel L1 below 8 kHz: {_interval(found['mel_l1_16k'])} at 16 kHz, "
        f"{_interval(found['mel_l1_48k'])} at 48"
    )
    for kind, title in (("known", "above the real lower band"), ("decoded", "above what the models decode")):
        typer.echo(title)
        for key, said in ROWS:
            typer.echo(f"  {said:<24}{_interval(found[kind][key])}")


def _interval(figure: dict[str, Any]) -> str:
    return f"{figure['value']:.3g} ({figure['low']:.3g} to {figure['high']:.3g}, n = {figure['n']})"
