"""`longwave eval sparse`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, get_args

import typer

from studio.cli.common import AsJson, Device, factories_of, print_json, require_recipes, terminal
from studio.cli.evaluate.commands import eval_commands, named
from studio.cli.options import choice_of
from studio.core.attention import WITH_RATIO, SparseMethod
from studio.core.errors import InvalidRequestError
from studio.core.request import MAX_CLIP_S
from studio.core.sampling import Reuse
from studio.core.settings import Settings

METHODS: tuple[SparseMethod, ...] = get_args(SparseMethod)
REUSES: tuple[Reuse, ...] = get_args(Reuse)


@eval_commands.command("sparse", context_settings={"allow_extra_args": True})
def eval_sparse(
    context: typer.Context,
    more: Annotated[list[float] | None, typer.Argument(hidden=True)] = None,
    seconds: Annotated[float, typer.Option(help="Lengths of sound; several may follow each other.")] = 10.0,
    model: Annotated[str | None, typer.Option(help="The model; the Sparse tab's by default.")] = None,
    method: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(METHODS)}; may be given again.")
    ] = None,
    ratio: Annotated[
        list[float] | None, typer.Option(help=f"r of {', '.join(WITH_RATIO)}; by length where none is given.")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, max=10_000, help="Prompts at each length.")] = 112,
    steps: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    reuse: Annotated[list[str] | None, typer.Option(help=f"{', '.join(REUSES)}; may be given again.")] = None,
    guided_from: Annotated[float, typer.Option(min=0, max=1, help="As of `render sparse`.")] = 0.0,
    guided_to: Annotated[float, typer.Option(min=0, max=1, help="As of `render sparse`.")] = 1.0,
    as_json: AsJson = False,
    runs: Annotated[Path, typer.Option(help="Where the held-out clips are rendered, once.")] = Path("runs"),
    device: Device = "auto",
) -> None:
    """Right families of clips in one piece, by length and by attention, on withheld phrasings."""
    require_recipes("eval sparse")
    lengths_s = [seconds, *(more or [])]
    methods = method or ["dense", "balanced"]
    if wrong := next((name for name in methods if name not in METHODS), None):
        raise InvalidRequestError(f"--method {wrong}: choose of {', '.join(METHODS)}.")
    resting = reuse or ["off"]
    if wrong := next((name for name in resting if name not in REUSES), None):
        raise InvalidRequestError(f"--reuse {wrong}: choose of {', '.join(REUSES)}.")
    if not guided_from < guided_to:
        raise InvalidRequestError("--guided-from lies below --guided-to.")
    if not all(0 < length <= MAX_CLIP_S for length in lengths_s):
        raise InvalidRequestError(f"--seconds: lengths lie above 0 and up to {MAX_CLIP_S:g}.")
    if not all(0 < r <= 1 for r in ratio or ()):
        raise InvalidRequestError("--ratio: r lies above 0 and up to 1.")
    settings = Settings()
    choice = choice_of("sparse", {"device": device, **named(model)})
    studio = factories_of(context).studio(settings)
    from studio.evaluation.suites.lengths import LengthPlan
    from studio.recipes.evaluate import evaluate_lengths

    plan = LengthPlan(
        lengths_s, methods, tuple(ratio or (None,)), clips, steps,  # type: ignore[arg-type]
        reuse=resting, guided=(guided_from, guided_to),  # type: ignore[arg-type]
    )  # fmt: skip
    console = terminal()
    with redirect_stdout(sys.stderr):
        rows = evaluate_lengths(
            settings.assets / "pocket", runs, lambda: studio.backends.get(choice), plan, console.print
        )
    if as_json:
        print_json({"model": choice.id, "steps": steps, "rows": rows})
        return
    for row in rows:
        typer.echo("  ".join(f"{name} {value}" for name, value in row.items()))
