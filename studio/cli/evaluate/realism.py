"""`longwave eval realism`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import AsJson, Device, factories_of, print_json, require_recipes, terminal
from studio.cli.evaluate.commands import eval_commands, named
from studio.cli.evaluate.listening import Weights, weights_of
from studio.cli.options import choice_of
from studio.core.settings import Settings


@eval_commands.command("realism")
def eval_realism(
    context: typer.Context,
    references: Annotated[
        Path | None,
        typer.Option(help="Real recordings, a folder for each family; runs/references by default."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model; the Infinite tab's by default.")] = None,
    embedder: Annotated[str, typer.Option(help="Who listens.")] = "aisfx",
    weights: Weights = None,
    clips: Annotated[int, typer.Option(min=1, max=20, help="Of each family.")] = 8,
    steps: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: AsJson = False,
    runs: Annotated[Path, typer.Option(help="Where clips are kept.")] = Path("runs"),
    device: Device = "auto",
) -> None:
    """How real recordings rank the families of sound, as a model makes them and as the corpus has them."""
    require_recipes("eval realism")
    settings = Settings()
    choice = choice_of("infinite", {"device": device, **named(model)})
    studio = factories_of(context).studio(settings)
    from studio.backends.catalog import weights_fingerprint
    from studio.evaluation.embedders.registry import EMBEDDERS, load_embedder
    from studio.recipes.realism import RealismPlan, evaluate_realism

    place = weights_of(weights, EMBEDDERS).get(embedder)
    plan = RealismPlan(clips, steps)
    with redirect_stdout(sys.stderr):
        found = evaluate_realism(
            runs,
            references,
            lambda: studio.backends.get(choice),
            lambda: load_embedder(embedder, weights=place, assets=settings.assets, device=device),
            f"{choice.id} {weights_fingerprint(choice.id, settings)}",
            plan,
            terminal().print,
        )
    if as_json:
        print_json({"model_id": choice.id, "embedder": embedder, "clips": clips, "steps": steps, **found})
        return
    for name in ("model", "corpus"):
        shares = {key: found[name][key] for key in ("first_share", "top3_share")}
        typer.echo(f"{name:<8}" + "  ".join(f"{key} {_percent(share)}" for key, share in shares.items()))
    for family in found["corpus"]["families"]:
        places = [f"{name} {found[name]['families'][family]['place']:.1f}" for name in ("model", "corpus")]
        typer.echo(f"{family:<14}place of the right family: {', '.join(places)}")


def _percent(share: dict[str, float]) -> str:
    return f"{share['value']:.0%} ({share['low']:.0%} to {share['high']:.0%}, n = {share['n']})"
