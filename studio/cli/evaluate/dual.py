"""`longwave eval dual`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import AsJson, Device, factories_of, print_json, require_recipes, terminal
from studio.cli.evaluate.commands import eval_commands, named
from studio.cli.options import choice_of
from studio.core.draft import POCKET_DRAFTS
from studio.core.errors import InvalidRequestError
from studio.core.modes import POCKET_TANGO
from studio.core.settings import Settings


@eval_commands.command("dual", context_settings={"allow_extra_args": True})
def eval_dual(
    context: typer.Context,
    more: Annotated[list[float] | None, typer.Argument(hidden=True)] = None,
    model: Annotated[
        str | None, typer.Option(help="The DC-LDM, or an LDM w/ AG; the Dual tab's by default.")
    ] = None,
    tango: Annotated[str, typer.Option(help="The TANGO that it was begun from.")] = POCKET_TANGO,
    audiogen: Annotated[str, typer.Option(help="What makes the drafts.")] = POCKET_DRAFTS,
    system: Annotated[
        list[str] | None, typer.Option(help="audiogen, tango, dcldm or ldm_ag; may be given again.")
    ] = None,
    w: Annotated[float, typer.Option(help="Guidance; several may follow each other.")] = 4.0,
    clips: Annotated[int, typer.Option(min=1, max=10_000, help="Of one family.")] = 112,
    scenes: Annotated[int, typer.Option(min=0, max=10_000, help="Of two families.")] = 56,
    steps: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: AsJson = False,
    runs: Annotated[Path, typer.Option(help="Where the held-out clips are rendered, once.")] = Path("runs"),
    device: Device = "auto",
) -> None:
    """AudioGen, TANGO, DC-LDM and DC-LDM without text, on withheld phrasings, as in the paper's tables."""
    require_recipes("eval dual")
    settings = Settings()
    choice = choice_of("dual", {"device": device, **named(model)})
    scales = (w, *(more or []))
    if clips + scenes < 2:
        raise InvalidRequestError("--clips, --scenes: distances between sets of sounds need two or more.")
    if not all(0 <= scale <= 100 for scale in scales):
        raise InvalidRequestError("--w: scales lie from 0 to 100.")
    studio = factories_of(context).studio(settings)
    from studio.backends.catalog import create_backend, create_drafter
    from studio.backends.device import choose_device
    from studio.evaluation.suites.dual import SYSTEMS, DualPlan
    from studio.pipeline.acoustic import dual_backend
    from studio.recipes.evaluate import evaluate_dual

    systems = tuple(system or SYSTEMS)
    if wrong := next((name for name in systems if name not in SYSTEMS), None):
        raise InvalidRequestError(f"--system {wrong}: choose of {', '.join(SYSTEMS)}.")
    plan = DualPlan(systems, scales, clips, scenes, steps=steps)  # type: ignore[arg-type]
    console = terminal()
    with redirect_stdout(sys.stderr):
        rows = evaluate_dual(
            settings.assets / "pocket",
            runs,
            lambda: dual_backend(studio.backends.get(choice)),
            lambda: create_backend(choice.model_copy(update={"id": tango}), settings),
            lambda: create_drafter(audiogen, str(choose_device(device)), settings),
            plan,
            console.print,
        )
    if as_json:
        print_json({"model": choice.id, "tango": tango, "audiogen": audiogen, "steps": steps, "rows": rows})
        return
    for row in rows:
        typer.echo("  ".join(f"{name} {value}" for name, value in row.items()))
