"""`longwave batch MANIFEST --dry-run`: what a set would take, and where each figure comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from studio.cli.common import print_json, terminal
from studio.core.audio import format_time
from studio.core.settings import Settings

if TYPE_CHECKING:
    from studio.service.batch.estimate import Estimate, Kind
    from studio.service.batch.folder import SetFolder
    from studio.service.batch.rows import Row
    from studio.service.studio import Studio

DEFAULTS = Settings()


def tell_plan(
    rows: Sequence[Row], folder: SetFolder, make_studio: Callable[[Settings], Studio], as_json: bool
) -> None:
    """Tell what rows would take in a folder, of which nothing is touched; models that are here are tried."""
    from studio.service.batch.estimate import estimate

    with TemporaryDirectory() as scratch, terminal().status("Trying each kind of take for a moment") as line:
        studio = make_studio(replace(DEFAULTS, outputs=Path(scratch)))
        try:
            found = estimate(rows, folder, studio.backends.get, line.update)
        finally:
            studio.close()
    if as_json:
        print_json(found.figures())
    else:
        typer.echo("\n".join(_lines(found)))


def _lines(found: Estimate) -> list[str]:
    failed = f", {found.failed:,} failed before" if found.failed else ""
    lines = [
        f"Rows:  {found.rows:,}; {found.done:,} done{failed}, {found.left:,} to be made",
        f"Sound: {format_time(found.seconds)}; {format_time(found.left_s)} to be made",
    ]
    if found.kinds:
        lines.append(f"Time:  {_time(found)}")
        lines += [_line(kind) for kind in found.kinds]
    size = f"{found.disk_bytes / 1e9:,.2f} GB"
    by = f"about {size}, by {found.weighed:,} takes that are there" if found.weighed else f"at most {size}"
    lines.append(f"Disk:  {by}; {found.free_bytes / 1e9:,.1f} GB are free")
    return lines


def _time(found: Estimate) -> str:
    if found.time_s is None:
        return "unknown"
    but = f", but for {found.untimed:,} rows" if found.untimed else ""
    how = f"in one process, one row after the other{but}: by a short trial of each kind on {found.device}"
    return f"about {format_time(found.time_s)} {how}"


def _line(kind: Kind) -> str:
    if kind.time_s is None:
        took = kind.unknown.rstrip(".")
    else:
        took = f"{format_time(kind.time_s)}, {kind.time_s / kind.rows:.2f} s a row"
    without = f", without {kind.without}" if kind.without else ""
    return f"       {kind.model}, {kind.sampler}: {kind.rows:,} rows, {took}{without}"
