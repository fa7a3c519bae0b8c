"""`longwave eval pocket | sparse | dual | voice`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from studio.cli.common import AsJson, Device, factories_of, print_json, require_recipes, terminal
from studio.cli.options import choice_of
from studio.core.attention import SparseMethod
from studio.core.draft import POCKET_DRAFTS
from studio.core.errors import InvalidRequestError
from studio.core.modes import POCKET_TANGO, POCKET_VOICE
from studio.core.request import MAX_CLIP_S
from studio.core.settings import Settings

eval_commands = typer.Typer(help="Measure what a model is worth.")


@eval_commands.command("pocket")
def eval_pocket(
    context: typer.Context,
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the sound: for a look.")] = False,
    runs: Annotated[Path, typer.Option(help="Where the held-out clips are rendered, once.")] = Path("runs"),
    device: Device = "auto",
) -> None:
    """Every figure of the embedded AudioLDM model, measured anew on withheld clips and phrasings."""
    require_recipes("eval pocket")
    settings = Settings()
    choice = choice_of("infinite", {"device": device})
    studio = factories_of(context).studio(settings)
    from studio.recipes.evaluate import evaluate_pocket

    console = terminal()
    with redirect_stdout(sys.stderr):  # where progress belongs: stdout is the figures'
        figures = evaluate_pocket(
            settings.assets / "pocket",
            runs,
            lambda: studio.backends.get(choice),
            quick=quick,
            report=console.print,
        )
    if as_json:
        print_json(figures)
        return
    for name, value in figures.items():
        typer.echo(f"{name:<24}{value}")


@eval_commands.command("sparse", context_settings={"allow_extra_args": True})
def eval_sparse(
    context: typer.Context,
    more: Annotated[list[float] | None, typer.Argument(hidden=True)] = None,
    seconds: Annotated[float, typer.Option(help="Lengths of sound; several may follow each other.")] = 10.0,
    model: Annotated[str | None, typer.Option(help="The model; the Sparse tab's by default.")] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="dense, balanced, uniform or tome; may be given again.")
    ] = None,
    ratio: Annotated[
        list[float] | None, typer.Option(help="r of balanced and uniform; by length where none is given.")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, max=10_000, help="Prompts at each length.")] = 112,
    steps: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: AsJson = False,
    runs: Annotated[Path, typer.Option(help="Where the held-out clips are rendered, once.")] = Path("runs"),
    device: Device = "auto",
) -> None:
    """Right families of clips in one piece, by length and by attention, on withheld phrasings."""
    require_recipes("eval sparse")
    lengths_s = [seconds, *(more or [])]
    methods = method or ["dense", "balanced"]
    if wrong := next((name for name in methods if name not in get_args(SparseMethod)), None):
        raise InvalidRequestError(f"--method {wrong}: choose of {', '.join(get_args(SparseMethod))}.")
    if not all(0 < length <= MAX_CLIP_S for length in lengths_s):
        raise InvalidRequestError(f"--seconds: lengths lie above 0 and up to {MAX_CLIP_S:g}.")
    if not all(0 < r <= 1 for r in ratio or ()):
        raise InvalidRequestError("--ratio: r lies above 0 and up to 1.")
    settings = Settings()
    choice = choice_of("sparse", {"device": device, **_named(model)})
    studio = factories_of(context).studio(settings)
    from studio.evaluation.suites.lengths import LengthPlan
    from studio.recipes.evaluate import evaluate_lengths

    plan = LengthPlan(lengths_s, methods, tuple(ratio or (None,)), clips, steps)  # type: ignore[arg-type]
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


@eval_commands.command("dual", context_settings={"allow_extra_args": True})
def eval_dual(
    context: typer.Context,
    more: Annotated[list[float] | None, typer.Argument(hidden=True)] = None,
    model: Annotated[str | None, typer.Option(help="The DC-LDM; the Dual tab's by default.")] = None,
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
    choice = choice_of("dual", {"device": device, **_named(model)})
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


@eval_commands.command("voice")
def eval_voice(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="The model that speaks.")] = POCKET_VOICE,
    quick: Annotated[bool, typer.Option("--quick", help="A dozen sentences: for a look.")] = False,
    sentences: Annotated[
        int | None, typer.Option(min=2, max=200, help="Withheld sentences, each in both voices; 200 are all.")
    ] = None,
    scripts: Annotated[
        int | None, typer.Option(min=0, max=100, help="Endless takes that are read on; 0 for none.")
    ] = None,
    lines: Annotated[int | None, typer.Option(min=3, max=1000, help="Sentences of a script.")] = None,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Of each clip.")] = 50,
    scene_scale: Annotated[float | None, typer.Option(help="Guidance by the scene.")] = None,
    speech_scale: Annotated[float | None, typer.Option(help="Guidance by the words.")] = None,
    as_json: AsJson = False,
    runs: Annotated[Path, typer.Option(help="Where what is withheld is read and rendered, once.")] = Path(
        "runs"
    ),
    device: Device = "auto",
) -> None:
    """Word errors of a model that speaks, heard by a recogniser that knows nothing of it; group eval."""
    require_recipes("eval voice")
    scales = (scene_scale, speech_scale)
    if not all(scale is None or 0 <= scale <= 100 for scale in scales):
        raise InvalidRequestError("--scene-scale, --speech-scale: scales lie from 0 to 100.")
    settings = Settings()
    choice = choice_of("infinite", {"device": device, "model": model})
    studio = factories_of(context).studio(settings)
    from studio.evaluation.recognizer import Whisper
    from studio.evaluation.suites.voice import VoicePlan
    from studio.recipes.evaluate import evaluate_voice

    given = {
        "sentences": sentences, "scripts": scripts, "lines": lines, "steps": steps,
        "scene": scene_scale, "words": speech_scale,
    }  # fmt: skip
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    plan = VoicePlan.quick(**wanted) if quick else VoicePlan(**wanted)
    console = terminal()
    with redirect_stdout(sys.stderr):
        figures = evaluate_voice(
            settings.assets / "pocket",
            runs,
            lambda: studio.backends.get(choice),
            Whisper,
            plan,
            console.print,
        )
    if as_json:
        print_json({"model": choice.id, **asdict(plan), **figures})
        return
    for name, value in figures.items():
        typer.echo(f"{name:<24}{value:.4f}")


def _named(model: str | None) -> dict[str, str]:
    return {"model": model} if model is not None else {}
