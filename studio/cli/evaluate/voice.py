"""`longwave eval voice`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli.common import AsJson, Device, factories_of, print_json, require_recipes, terminal
from studio.cli.evaluate.commands import eval_commands
from studio.cli.options import choice_of
from studio.core.errors import InvalidRequestError
from studio.core.modes import POCKET_VOICE
from studio.core.settings import Settings


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
    scene_scale: Annotated[
        float | None, typer.Option(help="Guidance by the scene; the model's own by default.")
    ] = None,
    speech_scale: Annotated[float | None, typer.Option(help="Guidance by the words; likewise.")] = None,
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
    begun = studio.defaults_of(choice.id)
    own = begun.spoken or begun.guidance
    from studio.evaluation.recognizer import Whisper
    from studio.evaluation.suites.voice import VoicePlan
    from studio.recipes.evaluate import evaluate_voice

    given = {
        "sentences": sentences, "scripts": scripts, "lines": lines, "steps": steps,
        "scene": own.text if scene_scale is None else scene_scale,
        "words": own.speech if speech_scale is None else speech_scale,
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
