"""`longwave bench MODE`: speed and memory on this machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from studio.cli.common import AsJson, factories_of, print_json, terminal
from studio.cli.options import request_of, with_fields
from studio.cli.progress import ProgressBar
from studio.core.attention import LiteFocusAttention
from studio.core.binding import Values
from studio.core.errors import InvalidRequestError
from studio.core.events import Progress
from studio.core.modes import MODES
from studio.core.settings import Settings
from studio.pipeline.batch_size import MOST

DEFAULTS = Settings()
MAX_BENCH_S = 1200.0
MAX_WORKERS = 64
ENDLESS = (
    "prompt", "negative_prompt", "seconds", "seed", "compare", "model", "guidance", "strategy", "steps",
    "skip_factor", "group_size", "buffer", "stereo", "width", "bandwidth", "passes", "kinds", "device",
    "dtype",
)  # fmt: skip
CLIP = (
    "more", "seconds", "model", "shape", "shares_only", "end_to_end", "steps", "repeats", "batch", "ratio",
    "blocks", "device", "dtype",
)  # fmt: skip
SIDE_BY_SIDE = (
    "seconds", "model", "steps", "guidance", "passes", "batches", "workers", "repeats", "outputs", "device",
    "dtype",
)  # fmt: skip
DRAFTED = ("seconds", "steps", "model", "draft_model", "combinations", "device", "dtype")

bench_commands = typer.Typer(help="Measure speed and memory on this machine.")


@bench_commands.command("infinite")
@with_fields("infinite", ENDLESS, prompt=MODES["infinite"].example, seconds=60.0, seed=0)
def bench_infinite(
    context: typer.Context,
    given: Values,
    compare: Annotated[
        bool, typer.Option("--compare", help="Add one conventional run each at 10, 20, 40 and 80 s.")
    ] = False,
    kinds: Annotated[
        bool,
        typer.Option("--kinds", help="Mono, wide and twin at 16 and 48 kHz, one after the other."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """One take without a file: real-time factor, first sound, time of each part, growth of memory."""
    studio = factories_of(context).studio(DEFAULTS)
    request = request_of("infinite", given, studio.defaults_of)
    if kinds and compare:
        raise InvalidRequestError("Give --kinds or --compare, not both.")
    from studio.evaluation.benchmarks.endless import COMPARED_S, bench_clips, bench_endless, bench_kinds

    with ProgressBar(request.duration_s) as show:
        show(Progress("Loading the model"))
        backend = studio.backends.get(request.model)
        rows = bench_kinds(request, backend, show) if kinds else []
        figures: dict[str, Any] = {"model": backend.id, "rows": rows}
        if not kinds:
            figures = bench_endless(request, backend, show)
        if compare:
            show(Progress(f"Ordinary clips of {', '.join(f'{s:g}' for s in COMPARED_S)} s"))
            usual = studio.defaults_of(request.model.id).settings("clip")
            figures["compare"] = bench_clips(request, backend, steps=usual["sampler"]["steps"])
    if as_json:
        print_json(figures)
    elif kinds:
        _print_columns(rows)
    else:
        _print_table(figures)


def _print_table(figures: dict[str, Any]) -> None:
    rows = figures.pop("compare", [])
    width = max(map(len, figures))
    for name, value in figures.items():
        typer.echo(f"{name:<{width}}  {value}")
    _print_rows(rows)


def _print_rows(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        typer.echo("  ".join(f"{name} {value}" for name, value in row.items()))


@bench_commands.command("sparse")
@with_fields("sparse", CLIP)
def bench_sparse(
    context: typer.Context,
    given: Values,
    more: Annotated[list[float] | None, typer.Argument(hidden=True)] = None,
    seconds: Annotated[float, typer.Option(help="Lengths of sound; several may follow each other.")] = 10.0,
    shape: Annotated[
        str | None, typer.Option(help="audioldm2-full: the real U-Net's shape, with random weights.")
    ] = None,
    shares_only: Annotated[
        bool, typer.Option("--shares", help="No more than where a dense step's time goes.")
    ] = False,
    end_to_end: Annotated[
        bool,
        typer.Option(
            "--end-to-end",
            help="All --steps of a clip instead: dense, sparse, with coarse layers that rest, and with "
            "guidance in an interval where --batch is 2.",
        ),
    ] = False,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Medians of so many.")] = 3,
    batch: Annotated[int, typer.Option(min=1, max=16, help="2 is what guidance takes.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Each kind of sparse attention and token merging: time and memory at each length, and where a dense
    step's time goes.
    """
    durations_s = [seconds, *(more or [])]
    if not all(0 < length <= MAX_BENCH_S for length in durations_s):
        raise InvalidRequestError(f"--seconds: lengths lie above 0 and up to {MAX_BENCH_S:g}.")
    if shares_only and end_to_end:
        raise InvalidRequestError("Give --shares or --end-to-end, not both.")
    if end_to_end and batch > 2:
        raise InvalidRequestError("--end-to-end is of one clip: give --batch 1, or 2 for guidance.")
    from studio.evaluation.benchmarks.sparing import bench_end_to_end
    from studio.evaluation.benchmarks.sparse import bench_shares, load_unet
    from studio.evaluation.benchmarks.sparse import bench_sparse as measure

    studio = factories_of(context).studio(DEFAULTS)
    request = request_of("sparse", {**given, "prompt": "-"}, studio.defaults_of)
    attention = (
        request.attention if isinstance(request.attention, LiteFocusAttention) else LiteFocusAttention()
    )
    r = None if attention.ratio == "auto" else attention.ratio
    with terminal().status("Loading the model") as line:
        unet, about = load_unet(request.model, shape, studio.backends)
        about = {**about, "batch": batch, "repeats": repeats}
        rows: list[dict[str, Any]] = []
        shares: list[dict[str, Any]] = []
        how: dict[str, Any] = {"repeats": repeats, "batch": batch, "show": line.update}
        if end_to_end:
            rows = bench_end_to_end(unet, durations_s, request.sampler.steps, ratio=r, **how)
        elif not shares_only:
            rows = measure(unet, durations_s, ratio=r, blocks=attention.blocks, **how)
        if not end_to_end:
            shares = bench_shares(unet, durations_s, **how)
    if as_json:
        print_json({**about, "rows": rows, **({} if end_to_end else {"shares": shares})})
        return
    for number, table in enumerate(filter(None, (rows, shares))):
        if number:
            typer.echo()
        _print_columns(table)


def _print_columns(rows: list[dict[str, Any]]) -> None:
    for row in [dict.fromkeys(rows[0]), *rows]:
        typer.echo(
            "  ".join(f"{name if value is None else value!s:>{len(name)}}" for name, value in row.items())
        )


@bench_commands.command("dual")
@with_fields("dual", DRAFTED)
def bench_dual(
    context: typer.Context,
    given: Values,
    seconds: Annotated[float, typer.Option(min=0.64, max=600, help="Length of the clip.")] = 10.0,
    combinations: Annotated[
        bool,
        typer.Option(
            "--combinations", help="Endless × LiteFocus × draft, all eight, instead; of 16 s or more."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The draft's time and the refinement's, memory, and the acoustic branch's share of a step."""
    words = {"prompt": MODES["dual"].example, "seed": 0, "duration_s": seconds}
    studio = factories_of(context).studio(DEFAULTS)
    request = request_of("dual", {**given, **words}, studio.defaults_of)
    from studio.backends.catalog import create_codec, create_drafter
    from studio.evaluation.benchmarks.dual import bench_combinations
    from studio.evaluation.benchmarks.dual import bench_dual as measure
    from studio.pipeline.drafts import AcousticModelPool, Drafts

    models = AcousticModelPool(
        partial(create_drafter, settings=DEFAULTS), partial(create_codec, settings=DEFAULTS)
    )
    # Where no draft is kept yet: one that was made before would cost nothing.
    with TemporaryDirectory() as scratch, ProgressBar(request.duration_s, at_once=True) as show:
        backend, drafts = studio.backends.get(request.model), Drafts(models, Path(scratch))
        if combinations:
            rows = bench_combinations(request, backend, drafts, show)
        else:
            rows = [measure(request, backend, drafts, show)]
    if as_json:
        print_json({"model": request.model.id, "rows": rows} if combinations else rows[0])
        return
    _print_rows(rows)


@bench_commands.command("batch")
@with_fields("sparse", SIDE_BY_SIDE, seconds=5.0)
def bench_batch(
    context: typer.Context,
    given: Values,
    batches: Annotated[str, typer.Option(metavar="N,N…", help="Clips at once in a process.")] = "1,2,4,8",
    workers: Annotated[
        str, typer.Option(metavar="N,N…", help="Processes; the cores are divided among them.")
    ] = "1",
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Medians of so many.")] = 3,
    outputs: Annotated[
        Path, typer.Option(help="Where the best is kept, as what `longwave batch` takes.")
    ] = DEFAULTS.outputs,
    as_json: AsJson = False,
) -> None:
    """Clips side by side: how many a minute come of each number of them, and the memory that it takes."""
    sizes = _counts("batches", batches, MOST)
    processes = _counts("workers", workers, MAX_WORKERS)
    words = {"prompt": MODES["sparse"].example, "seed": 0, "attention": "dense"}
    from studio.backends.catalog import create_backend
    from studio.evaluation.benchmarks.batch import bench_batch as measure
    from studio.pipeline.batch_size import keep_batch

    studio = factories_of(context).studio(DEFAULTS)
    request = request_of("sparse", {**given, **words}, studio.defaults_of)
    create = partial(create_backend, settings=DEFAULTS)
    with terminal().status("Loading the model") as line:
        figures = measure(
            request, create, batches=sizes, workers=processes, repeats=repeats, show=line.update
        )  # fmt: skip
    keep_batch(request.model, figures["best"]["batch"], outputs)
    if as_json:
        print_json(figures)
        return
    _print_columns(figures["rows"])
    best = figures["best"]["batch"]
    typer.echo(f"\n`longwave batch` makes {best} at once of this model on this device from now on.")


def _counts(name: str, text: str, most: int) -> list[int]:
    """Numbers from 1 on with commas between them. Raises `InvalidRequestError` for anything else."""
    words = text.split(",")
    if not all(word.strip().isascii() and word.strip().isdigit() for word in words):
        raise InvalidRequestError(f"--{name} are numbers with commas between them, as in 1,2,4.")
    counts = [int(word) for word in words]
    if not all(1 <= count <= most for count in counts):
        raise InvalidRequestError(f"--{name} lie between 1 and {most}.")
    return counts
