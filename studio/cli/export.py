"""`longwave library export`: a take, or a span of it, in another format and at a loudness."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import AsJson, print_json
from studio.cli.library import OUTPUTS, Outputs, library_commands
from studio.core.errors import InvalidRequestError

_OPTIONS = {"start": "--from", "end": "--to", "lufs": "--lufs", "ceiling": "--ceiling"}


@library_commands.command("export")
def export_command(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="An id of the list, or any file of the studio's.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file: .wav, .flac, .mp3 or .ogg; or one of these endings alone, in this folder, under "
            "the take's name with the span and the loudness reached.",
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
    outputs: Outputs = OUTPUTS,
    as_json: AsJson = False,
) -> None:
    """Write a take, or a span of it, to a file; says what loudness and true peak that has."""
    from studio.service.takes.export import FORMATS, export
    from studio.service.takes.export_cache import export_name
    from studio.service.takes.export_range import ExportRangeError, read_export_range
    from studio.service.takes.library import Library

    path = Path(name)
    path = path if path.is_file() else Library(outputs).get(name).path
    wanted = str(out) if out is not None else FORMATS[0]
    try:
        cut = read_export_range({"start": start, "end": end, "lufs": lufs, "ceiling": ceiling})
        if ceiling is not None and cut.lufs is None:
            raise ExportRangeError("ceiling", "Give a loudness with it, for example --lufs -14.")
        own_name = wanted.lower() in FORMATS
        target = Path(export_name(path, cut, wanted.lower())) if own_name else Path(wanted)
        made = export(path, target, cut=cut, labelled=own_name)
    except ExportRangeError as error:
        raise InvalidRequestError(f"{_OPTIONS[error.field]}: {error}") from error
    if as_json:
        print_json({"file": str(made.path), **(made.level.report if made.level else {})})
        return
    typer.echo(str(made.path))
    if made.level is not None:
        typer.echo(made.level.sentence, err=True)
