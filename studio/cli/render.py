"""`longwave render MODE`: a take of any kind to a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import AsJson, factories_of
from studio.cli.looping import looped, make_take, require_end
from studio.cli.options import own_draft, recording_of, request_of, with_fields
from studio.cli.progress import ProgressBar, report
from studio.core.binding import Values
from studio.core.fields import options_of
from studio.core.modes import MODES, ModeSpec
from studio.core.settings import Settings
from studio.service.presets import find_preset

DEFAULTS = Settings()


def render_commands() -> typer.Typer:
    """A command for every kind of take."""
    commands = typer.Typer(help="Render a take to a file.")
    for spec in MODES.values():
        commands.command(spec.name, help=spec.command)(_command(spec))
    return commands


def _command(spec: ModeSpec) -> Callable[..., None]:
    names = [field.option_name for field in options_of(spec.name).values()]
    whole = names.index("preset")  # where the file's own options stand

    @with_fields(spec.name, [*names[:whole], "out", "outputs", *names[whole:]])
    def render(
        context: typer.Context,
        given: Values,
        out: Annotated[
            Path | None,
            typer.Option(
                help="The file: .wav, .flac, .mp3, .ogg or .opus.", show_default="a new one under --outputs"
            ),
        ] = None,
        outputs: Annotated[Path, typer.Option(help="The folder of takes.")] = DEFAULTS.outputs,
        loop: Annotated[
            bool, typer.Option("--loop", help="Let its last sample lead to its first, without a join.")
        ] = False,
        bpm: Annotated[
            float | None, typer.Option(help="A loop's tempo, with --bars.", show_default="none")
        ] = None,
        bars: Annotated[
            int | None,
            typer.Option(help="Instead of --seconds: so many bars of four beats.", show_default="none"),
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        settings = replace(DEFAULTS, outputs=outputs)
        given = looped(given, loop, bpm, bars)
        preset = find_preset(given["preset"], settings) if "preset" in given else None
        studio = factories_of(context).studio(settings)
        try:
            recorded = own_draft(given, studio)
            request = request_of(spec.name, given, studio.defaults_of, preset=preset, recorded=recorded)
            require_end(request, loop)
            sound = given.get("continue_from")
            recording = None if sound is None else recording_of(sound, request.sample_rate)
            with ProgressBar(request.duration_s, at_once=spec.sampler == "clip") as show:
                job, outcome = make_take(studio, request, show, out=out, recording=recording, loop=loop)
        finally:
            studio.close()
        report(job, outcome, as_json)

    return render
