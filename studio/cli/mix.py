"""`longwave mix`: the layers of a scene as one sound, and as stems."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.common import INTERRUPTED_STATUS, AsJson, factories_of, fail, print_json
from studio.cli.library import OUTPUTS, Outputs
from studio.cli.stages import in_stages
from studio.core.errors import CancelledError, InvalidRequestError
from studio.core.settings import Settings

if TYPE_CHECKING:
    from studio.core.scene import Scene
    from studio.pipeline.cancel import CancelToken
    from studio.service.jobs.errands import Tell
    from studio.service.layers.write import Mixed

DEFAULTS = Settings()


def mix(
    context: typer.Context,
    scene: Annotated[
        str,
        typer.Argument(metavar="SCENE", help="A scene's JSON, a mix of one, or the name of one that ships."),
    ],
    out: Annotated[Path, typer.Option(help="The file: .wav, .flac, .mp3, .ogg or .opus.")] = Path("mix.wav"),
    stems: Annotated[
        Path | None,
        typer.Option(help="A ZIP of the layers too: WAV of floats, aligned.", show_default="none"),
    ] = None,
    lufs: Annotated[
        float | None, typer.Option(help="The loudness it is brought to, in LUFS.", show_default="the scene's")
    ] = None,
    ceiling: Annotated[
        float | None,
        typer.Option(help="What its true peak stays below, in dBTP.", show_default="the scene's"),
    ] = None,
    bits: Annotated[
        str | None, typer.Option(help="WAV: 16, 24 or 32 (float); FLAC: 16 or 24.", show_default="16")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="16, 44.1 or 48 kHz.", show_default="the highest of its takes")
    ] = None,
    outputs: Outputs = OUTPUTS,
    as_json: AsJson = False,
) -> None:
    """Mix the layers of a scene down. Takes that it asks for are made first, and stay in the folder of takes;
    Ctrl-C ends it.
    """  # fmt: skip
    from studio.service.layers.scenes import find_scene
    from studio.service.takes.export import checked_suffix
    from studio.service.takes.export_range import ExportRangeError
    from studio.service.takes.files.coding import read_coding

    settings = replace(DEFAULTS, outputs=outputs)
    wanted = _over(find_scene(scene, settings.presets), lufs, ceiling)
    try:
        coding = read_coding({"bits": bits, "rate": rate}, checked_suffix(out))
    except ExportRangeError as error:
        raise InvalidRequestError(f"--{error.field}: {error}") from error
    studio = factories_of(context).studio(settings)
    try:

        def work(cancel: CancelToken, tell: Tell) -> Mixed:
            return studio.mixes.mix(
                wanted, out, coding=coding, stems=stems or False, cancel=cancel, tell=tell, paths=True
            )

        made = in_stages("Looking for the takes", work)
    except CancelledError:
        fail("Stopped: nothing of the mix is left; takes that were made stay.", INTERRUPTED_STATUS)
    finally:
        studio.close()
    _tell(made, as_json)


def _over(scene: Scene, lufs: float | None, ceiling: float | None) -> Scene:
    """The scene with the options over it. Raises `InvalidRequestError`, which names the option at fault."""
    from studio.core.messages import FieldError
    from studio.core.scene import parse_scene

    options = {"lufs": ("--lufs", lufs), "ceiling_dbtp": ("--ceiling", ceiling)}
    given = {field: value for field, (_, value) in options.items() if value is not None}
    try:
        return parse_scene(scene.model_dump() | given) if given else scene
    except FieldError as error:
        raise InvalidRequestError(f"{options[error.field][0]}: {error.problem}.") from error


def _tell(made: Mixed, as_json: bool) -> None:
    if as_json:
        stems = str(made.stems) if made.stems is not None else None
        level = made.level.report if made.level is not None else {}
        scene = made.scene.model_dump(mode="json", exclude_defaults=True)
        print_json(
            {"file": str(made.path), "seconds": made.duration_s, "stems": stems, **level, "scene": scene}
        )
        return
    typer.echo(str(made.path))
    if made.stems is not None:
        typer.echo(str(made.stems))
    if made.note:
        typer.echo(made.note, err=True)
