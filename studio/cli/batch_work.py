"""`longwave batch work DIR`: a worker without a manifest, for the folder that a studio puts sets into."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from studio.cli.batch import (
    AUTO,
    DEFAULTS,
    MAX_WORKERS,
    RayAddress,
    RayEnv,
    batch_commands,
    number_of,
    ray_env_of,
)
from studio.cli.common import AsJson, factories_of, print_json
from studio.core.audio import format_time
from studio.pipeline.cancel import CancelToken

if TYPE_CHECKING:
    from collections.abc import Callable

    from studio.service.batch.work import Maker, Progressed

LINE_EVERY_S = 30.0


@batch_commands.command("work")
def work(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder that longwave serve --queue puts sets into.")],
    outputs: Annotated[
        Path | None,
        typer.Option(help="Where recordings lie that rows hear.", show_default="the folder that it lies in"),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This process, or those of a Ray cluster.")
    ] = "local",
    workers: Annotated[
        str, typer.Option(help="How many of Ray's; auto: one a graphics card, or else a core.")
    ] = AUTO,
    ray_address: RayAddress = "",
    ray_env: RayEnv = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when nothing is left to be made, instead of waiting.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make what a studio puts into a folder, on this machine or another. Start it as often as you like."""
    from studio.service.batch.queue import require_queue, work_queue

    require_queue(folder)
    count = number_of("--workers", workers, MAX_WORKERS)
    env = ray_env_of(ray_env)
    maker = factories_of(context).maker
    assert maker is not None, "the command line is built with one"
    settings = replace(DEFAULTS, outputs=(outputs or folder.absolute().parent).absolute())
    make: Callable[[], Maker] = partial(maker, settings, workers=1)
    told = Told()
    options: dict[str, Any] = {"tell": told.tell, "cancel": CancelToken(), "once": once}
    typer.echo(f"Waiting for sets in {folder} (Ctrl+C ends it).", err=True)
    try:
        if engine == "ray":
            from studio.service.batch.ray_engine import run_ray_queue

            run_ray_queue(folder, make, workers=count, address=ray_address, env=env, **options)
        else:
            work_queue(folder, make(), **options)
    except KeyboardInterrupt:  # how a worker ends: what it was at is let go of
        pass
    told.conclude(folder, as_json)


class Told:
    """What a worker says of its rows: a line for each that fails, one now and then, and one at the end."""

    def __init__(self) -> None:
        self._made = self._failed = 0
        self._sound_s = 0.0
        self._said_at = time.monotonic()

    def tell(self, news: Progressed) -> None:
        """Take what became of a row here."""
        if news.state == "made":
            self._made += 1
            self._sound_s += news.duration_s
        elif news.state == "failed":
            self._failed += 1
            typer.echo(f"Row {news.row}: {news.sentence}", err=True)
        if time.monotonic() - self._said_at >= LINE_EVERY_S:
            self._said_at = time.monotonic()
            typer.echo(self._line(), err=True)

    def conclude(self, folder: Path, as_json: bool) -> None:
        """Say what came of all, on stdout."""
        if as_json:
            counts = {"made": self._made, "failed": self._failed}
            print_json({"folder": str(folder), **counts, "seconds_of_sound": round(self._sound_s, 3)})
        else:
            typer.echo(f"{self._line()}. They are in {folder}.")

    def _line(self) -> str:
        failed = f", {self._failed:,} failed" if self._failed else ""
        return f"{self._made:,} rows made ({format_time(self._sound_s)} of sound){failed}"
