"""`longwave batch MANIFEST`: takes by the thousand, by as many processes and machines as there are."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from studio.cli.batch_progress import RowsBar, tell_tally
from studio.cli.batch_rows import best_batch, crew_of, rows_in
from studio.cli.common import INTERRUPTED_STATUS, AsJson, factories_of
from studio.core.errors import InvalidRequestError
from studio.core.settings import Settings
from studio.core.text import read_text
from studio.pipeline.cancel import CancelToken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from studio.service.batch.folder import SetFolder
    from studio.service.batch.units import Unit
    from studio.service.batch.work import Maker, Tally, Tell

DEFAULTS = Settings()
FAILED_STATUS = 3
MAKE = "make"  # the command that a manifest's name stands for
AUTO = "auto"
MAX_WORKERS = 1024
MAX_ENV_BYTES = 1_000_000

RayAddress = Annotated[
    str, typer.Option(help="The Ray cluster's address.", show_default="one on this machine")
]
RayEnv = Annotated[
    Path | None, typer.Option(help="A JSON file: the runtime_env of Ray's workers.", show_default="none")
]


class ManifestGroup(TyperGroup):
    """Commands, of which the one that makes a manifest's rows goes without its name."""

    unnamed = MAKE

    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        """Put that name in its place where no other command's is."""
        if not args or args[0] not in self.commands:
            args = [self.unnamed, *args]
        return super().parse_args(context, args)

    def resolve_command(self, context: Any, args: list[str]) -> Any:
        """The command; that of a manifest without a name, as nobody typed one."""
        name, command, rest = super().resolve_command(context, args)
        return "" if name == self.unnamed else name, command, rest


@dataclass(frozen=True)
class Engine:
    """What makes the rows: processes of this machine, or of a Ray cluster."""

    name: Literal["local", "ray"]
    workers: int | None  # as many as are best where it is None
    ray_address: str = ""
    ray_env: dict[str, Any] | None = None

    def run(
        self, folder: SetFolder, units: Sequence[Unit], make: Callable[..., Maker], tell: Tell, *, retry: bool
    ) -> Tally:
        """Make the units by `make`, which takes how many share this machine."""
        cancel = CancelToken()
        if self.name == "ray":
            from studio.service.batch.local import cores
            from studio.service.batch.ray_engine import run_ray

            sharing = self.workers or (1 if self.ray_address else cores())
            return run_ray(
                folder, units, partial(make, workers=sharing), workers=self.workers,
                address=self.ray_address, env=self.ray_env, tell=tell, cancel=cancel, retry_errors=retry,
            )  # fmt: skip
        from studio.service.batch.local import run_local

        workers, cards = crew_of(units, self.workers)
        sharing = -(-workers // max(1, len(cards)))  # of one card's memory, or of the machine's
        return run_local(
            folder, units, partial(make, workers=sharing), workers=workers, cards=cards, tell=tell,
            cancel=cancel, retry_errors=retry,
        )  # fmt: skip


batch_commands = typer.Typer(cls=ManifestGroup, help="Make every take that a manifest asks for.")


@batch_commands.command(
    MAKE,
    epilog="'longwave batch example' prints a manifest to begin with. Exit status 3: rows failed.",
)
def make(
    context: typer.Context,
    manifest: Annotated[
        Path, typer.Argument(metavar="MANIFEST", help="CSV with a line of names, or JSON lines.")
    ],
    out: Annotated[Path, typer.Option(help="The folder of the takes.")],
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Processes of this machine, or of a Ray cluster.")
    ] = "local",
    workers: Annotated[
        str, typer.Option(help="How many processes; auto: one a graphics card, or else a core.")
    ] = AUTO,
    batch: Annotated[
        str, typer.Option(help="How many alike clips are made side by side; auto: as is best here.")
    ] = AUTO,
    shard: Annotated[
        str | None, typer.Option(help="i/n: the i-th of n parts, as 1/4.", show_default="all")
    ] = None,
    ray_address: RayAddress = "",
    ray_env: RayEnv = None,
    retry_errors: Annotated[bool, typer.Option("--retry-errors", help="Try rows again that failed.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell rows, hours of sound, time and disk; make nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make every take that a manifest asks for. Run it again to go on: what is there stays as it is."""
    from studio.service.batch.agreed import agreed_batch
    from studio.service.batch.folder import SetFolder
    from studio.service.batch.units import MAX_BATCH, shard_of, units_of

    size = number_of("--batch", batch, MAX_BATCH)
    by = Engine(engine, number_of("--workers", workers, MAX_WORKERS), ray_address, ray_env_of(ray_env))
    part = _part(shard)
    rows = rows_in(manifest, out, making=not dry_run)
    folder = SetFolder(out, rows=len(rows))
    if dry_run:
        from studio.cli.batch_plan import tell_plan

        part_of = [row for unit in shard_of(units_of(rows, 1), *part) for row in unit.rows]
        return tell_plan(part_of, folder, factories_of(context).studio, as_json)
    units = shard_of(units_of(rows, agreed_batch(out, size, partial(best_batch, rows))), *part)
    maker = factories_of(context).maker
    assert maker is not None, "the command line is built with one"
    with RowsBar(units, folder) as bar:
        try:
            tally = by.run(
                folder, units, partial(maker, replace(DEFAULTS, outputs=out.absolute())), bar.tell,
                retry=retry_errors,
            )  # fmt: skip
        except KeyboardInterrupt:
            tally = bar.tally(stopped=True)
    tell_tally(tally, folder, bar, as_json)
    if tally.stopped:
        raise typer.Exit(INTERRUPTED_STATUS)
    if tally.failed:
        raise typer.Exit(FAILED_STATUS)


@batch_commands.command("example")
def print_example(
    kind: Annotated[Literal["csv", "jsonl"], typer.Option("--format", help="csv or jsonl.")] = "csv",
) -> None:
    """Print a manifest to begin with: longwave batch example > takes.csv."""
    from studio.service.batch.example import example

    typer.echo(example(kind), nl=False)


def number_of(option: str, said: str, most: int) -> int | None:
    """A number of an option; None for "auto"."""
    if said.strip().lower() == AUTO:
        return None
    if said.strip().isdecimal() and 1 <= int(said) <= most:
        return int(said)
    raise InvalidRequestError(f"{option}: must be auto, or a whole number from 1 to {most:,} (it is {said}).")


def _part(said: str | None) -> tuple[int, int]:
    """A shard's number, from 1, and how many there are."""
    if said is None:
        return 1, 1
    index, _, count = said.partition("/")
    if index.strip().isdecimal() and count.strip().isdecimal() and 1 <= int(index) <= int(count):
        return int(index), int(count)
    raise InvalidRequestError(
        f"--shard: must be a part's number of how many there are, as 1/4 (it is {said})."
    )


def ray_env_of(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        env = json.loads(read_text(path, MAX_ENV_BYTES))
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"--ray-env: {path} can't be read as JSON: choose another file.") from error
    if not isinstance(env, dict):
        raise InvalidRequestError(
            f"--ray-env: {path} holds no JSON object: write a runtime_env as Ray takes it."
        )
    return env
