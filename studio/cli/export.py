"""`longwave library export`: a take, or a span of it, in another format and at a loudness."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import AsJson, print_json
from studio.cli.library import OUTPUTS, Outputs, library_commands
from studio.core.errors import InvalidRequestError

_OPTIONS = {"start": "--from", "end": "--to"}  # the others bear their fields' names


@library_commands.command("export")
def export_command(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="An id of the list, or any file of the studio's.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file: .wav, .flac, .mp3, .ogg or .opus; or one of these endings alone, in this folder, "
            "under the take's name with what differs and the loudness reached.",
            show_default=".wav",
        ),
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="Where it begins, as m:ss or seconds.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Where it ends.", show_default="the end")] = None,
    lufs: Annotated[
        str | None, typer.Option(help="The loudness it is brought to, in LUFS.", show_default="as it is")
    ] = None,
    ceiling: Annotated[
        str | None, typer.Option(help="What its true peak stays below, in dBTP.", show_default="-1")
    ] = None,
    width: Annotated[
        str | None,
        typer.Option(help="Of a stereo take's width, from 0 (mono) to 1.", show_default="as it is"),
    ] = None,
    bits: Annotated[
        str | None,
        typer.Option(help="WAV: 16, 24 or 32 (float); FLAC: 16 or 24.", show_default="16"),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="16, 44.1 or 48 kHz.", show_default="the take's own")
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="What it is called, as {date}_{prompt}_{seed}_{variation}_{category}; also {name}, {time}, "
            "{mode}, {model}, {span}, {format}. A file that is there is left alone.",
            show_default="like the take",
        ),
    ] = None,
    outputs: Outputs = OUTPUTS,
    as_json: AsJson = False,
) -> None:
    """Write a take, or a span of it, to a file; says what loudness and true peak that has."""
    from studio.service.takes.export import FORMATS, checked_suffix, export
    from studio.service.takes.export_cache import export_name
    from studio.service.takes.export_range import ExportRangeError, read_export_range
    from studio.service.takes.files.coding import read_coding
    from studio.service.takes.library import Library
    from studio.service.takes.naming import free_path

    path = Path(name)
    path = path if path.is_file() else Library(outputs).get(name).path
    wanted = str(out) if out is not None else FORMATS[0]
    try:
        asked = {"start": start, "end": end, "lufs": lufs, "ceiling": ceiling, "width": width}
        cut = read_export_range(asked)
        if ceiling is not None and cut.lufs is None:
            raise ExportRangeError("ceiling", "Give a loudness with it, for example --lufs -14.")
        own_name = wanted.lower() in FORMATS
        if pattern and not own_name:
            raise ExportRangeError("name", f"Give an ending alone with it, for example --out {FORMATS[0]}.")
        suffix = wanted.lower() if own_name else checked_suffix(Path(wanted))
        coding = read_coding({"bits": bits, "rate": rate}, suffix)
        named = export_name(path, cut, suffix, coding, pattern or "") if own_name else wanted
        target = free_path(Path(named)) if pattern else Path(named)
        made = export(path, target, cut=cut, labelled=own_name and not pattern, coding=coding)
    except ExportRangeError as error:
        option = _OPTIONS.get(error.field, f"--{error.field}")
        raise InvalidRequestError(f"{option}: {error}") from error
    if as_json:
        print_json({"file": str(made.path), **(made.level.report if made.level else {})})
        return
    typer.echo(str(made.path))
    if made.level is not None:
        typer.echo(made.level.sentence, err=True)
