"""`longwave eval paper`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.cli.common import (
    INTERRUPTED_STATUS,
    AsJson,
    Device,
    factories_of,
    fail,
    print_json,
    require_recipes,
)
from studio.cli.evaluate.commands import eval_commands
from studio.cli.evaluate.listening import HEARD, Weights, bar, weights_of
from studio.core.audio import format_time
from studio.core.errors import InvalidRequestError, ModelNotFoundError, StudioError
from studio.core.files import disk_error, replace_file
from studio.core.request import MAX_CLIP_S, ModelChoice
from studio.core.settings import Settings

if TYPE_CHECKING:
    from studio.evaluation.embedders.base import Embedder
    from studio.evaluation.papers.clips import Models
    from studio.evaluation.papers.job import Job
    from studio.evaluation.papers.manifest import Examples
    from studio.evaluation.papers.settings import Asked

USUAL_EARS = ("judge", "aisfx")  # without a manifest
FOLDER = "papers"  # within --runs


@eval_commands.command("paper")
def eval_paper(
    context: typer.Context,
    paper: Annotated[str, typer.Argument(help="infiniteaudio, litefocus or dcldm.")],
    table: Annotated[list[int] | None, typer.Option(help="Its number; may be given again.")] = None,
    figure: Annotated[list[int] | None, typer.Option(help="Likewise.")] = None,
    model: Annotated[str | None, typer.Option(help="The paper's system; our pocket ones by default.")] = None,
    others: Annotated[
        list[str] | None,
        typer.Option("--with", help="NAME=MODEL: another row's checkpoint, as tango=FOLDER."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="AudioCaps' csv; else our own withheld clips.")
    ] = None,
    audio: Annotated[Path | None, typer.Option(help="Its recordings' folder; the csv's by default.")] = None,
    count: Annotated[
        int | None, typer.Option(min=2, max=100_000, help="Captions; the paper's by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Of the captions' draw and of the clips.")] = 0,
    row: Annotated[list[str] | None, typer.Option(help="A row by its key; may be given again.")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Of clips; the paper's by default.")
    ] = None,
    guidance: Annotated[float | None, typer.Option(help="Likewise.")] = None,
    base_steps: Annotated[int | None, typer.Option(min=3, max=1000, help="N of endless takes.")] = None,
    group_size: Annotated[int | None, typer.Option(min=1, max=32, help="k of endless takes.")] = None,
    seconds: Annotated[list[float] | None, typer.Option(help="Lengths; may be given again.")] = None,
    w: Annotated[list[float] | None, typer.Option(help="Scales of a figure; may be given again.")] = None,
    embedder: Annotated[list[str] | None, typer.Option(help="Who listens; may be given again.")] = None,
    weights: Weights = None,
    batch: Annotated[int, typer.Option(min=1, max=64, help="Clips side by side.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Rows, clips and about how long; no more.")
    ] = False,
    as_json: AsJson = False,
    runs: Annotated[Path, typer.Option(help="Where clips, lists and pictures are kept.")] = Path("runs"),
    device: Device = "auto",
) -> None:
    """A paper's tables and figures again, its numbers beside ours. Ctrl-C keeps what was made."""
    _require_known(paper, table or [], figure or [])
    if not all(0 < each <= MAX_CLIP_S for each in seconds or ()):
        raise InvalidRequestError(f"--seconds: lengths lie above 0 and up to {MAX_CLIP_S:g}.")
    if not all(0 <= each <= 100 for each in (*(w or ()), *(() if guidance is None else (guidance,)))):
        raise InvalidRequestError("--w, --guidance: scales lie from 0 to 100.")
    if manifest is None:
        require_recipes("eval paper")
    from studio.evaluation.papers.settings import Asked

    asked = Asked(
        count, steps, guidance, base_steps, group_size,
        tuple(seconds) if seconds else None, tuple(w) if w else None,
    )  # fmt: skip
    folder = runs / FOLDER
    settings, pairs = Settings(), _pairs("--with", others)
    with redirect_stdout(sys.stderr), bar() as report, _kept(folder):
        ears = _embedders(embedder or [], weights, manifest is not None, settings, device)
        examples = _examples(manifest, audio, runs)
        models = _models(context, settings, device, folder)
        job = _job(paper, model, pairs, models, examples, ears, asked, runs, seed, batch, device, report)
        if dry_run:
            plans = [job.dry_run(number, row or ()) for number in table or ()]
            results = [(plan, _plan(plan)) for plan in plans]
        else:
            results = list(_made(job, folder, table or [], figure or [], row or ()))
    if as_json:
        print_json({"paper": paper, "results": [made for made, _ in results]})
        return
    typer.echo("\n\n".join(text for _, text in results))


def _require_known(paper: str, tables: list[int], figures: list[int]) -> None:
    """Whether the paper has what is asked for. Raises `InvalidRequestError`."""
    from studio.evaluation.papers import published
    from studio.evaluation.papers.papers import PAPERS

    if paper not in PAPERS:
        raise InvalidRequestError(f"There is no paper '{paper}' here: choose of {', '.join(PAPERS)}.")
    known = {"table": tuple(published.tables(paper)), "figure": published.FIGURES[paper]}
    for kind, numbers in (("table", tables), ("figure", figures)):
        if wrong := [number for number in numbers if number not in known[kind]]:
            raise InvalidRequestError(f"--{kind} {wrong[0]}: {paper} has {', '.join(map(str, known[kind]))}.")
    if not tables and not figures:
        raise InvalidRequestError("Say which: --table or --figure, and its number.")


def _made(
    job: Job, folder: Path, tables: list[int], figures: list[int], rows: Sequence[str]
) -> Iterator[tuple[dict[str, Any], str]]:
    """Each as JSON, which is also written beside the clips, and as text."""
    from studio.evaluation.papers.figures import draw

    for number in tables:
        table = job.table(number, rows)
        made = table.as_json()
        part = "-rows" if rows else ""
        _write(folder / f"{job.paper.name}-table{number}{part}.json", made)
        yield made, str(table)
    for number in figures:
        drawn = draw(job, number)
        made = drawn.as_json()
        _write(drawn.path.with_suffix(".json"), made)
        yield made, str(drawn)


def _job(
    paper: str,
    model: str | None,
    others: dict[str, str],
    models: Models,
    examples: Examples,
    ears: list[Embedder],
    asked: Asked,
    runs: Path,
    seed: int,
    batch: int,
    device: str,
    report: Callable[[str, int, int], None],
) -> Job:
    from studio.evaluation.papers.clips import Clips
    from studio.evaluation.papers.job import Job
    from studio.evaluation.papers.papers import PAPERS, models_of
    from studio.evaluation.papers.run import CLIPS, Run
    from studio.evaluation.papers.scores import Ears

    folder = runs / FOLDER
    clips = Clips(folder / CLIPS, models, seed=seed, device=device, batch=batch, report=report)
    run = Run(folder, clips, Ears(ears, runs / HEARD, report))
    filled = models_of(PAPERS[paper], model, others, lambda name: models.spec(name).name)
    return Job(PAPERS[paper], run, examples, filled, asked, seed)


def _models(context: typer.Context, settings: Settings, device: str, folder: Path) -> Models:
    """The studio's own, its drafts kept beside the clips and not among the user's."""
    studio = factories_of(context).studio(settings)
    from studio.backends import catalog
    from studio.backends.registry import REGISTRY, SystemSpec
    from studio.evaluation.papers.clips import Models
    from studio.pipeline.drafts import AcousticModelPool, Drafts

    built = {info.id: info.system for info in catalog.MODELS if info.source == "builtin"}

    def spec(name: str) -> SystemSpec:
        if name in built:
            return REGISTRY.system(built[name])
        return REGISTRY.system_of(catalog.resolve(name, settings))

    @cache
    def fingerprint(name: str) -> str:
        return catalog.weights_fingerprint(name, settings) or catalog.fingerprint(name, settings)

    pool = AcousticModelPool(
        partial(catalog.create_drafter, settings=settings), partial(catalog.create_codec, settings=settings)
    )
    return Models(
        lambda name: studio.backends.get(ModelChoice(id=name, device=device)),
        spec,
        fingerprint,
        lambda name: catalog.defaults_of(name, settings).clip_s,
        Drafts(pool, folder, partial(catalog.fingerprint, settings=settings)),
    )


def _examples(manifest: Path | None, audio: Path | None, runs: Path) -> Examples:
    if manifest is not None:
        from studio.evaluation.papers.manifest import read_audiocaps

        return read_audiocaps(manifest, audio or manifest.parent)
    from studio.recipes.evaluate import withheld_examples

    return withheld_examples(runs)


def _embedders(
    names: list[str],
    weights: list[str] | None,
    with_manifest: bool,
    settings: Settings,
    device: str,
) -> list[Embedder]:
    """Those that are named; else the papers' own for a manifest, and ours for our clips, as far as they are
    here.

    Raises:
        StudioError: a named one can't be had, or none of the usual ones.
    """
    from studio.evaluation.embedders.registry import EMBEDDERS, load_embedder
    from studio.evaluation.papers.papers import PAPERS_EMBEDDERS

    places = weights_of(weights, EMBEDDERS)
    found: list[Embedder] = []
    lacking: StudioError | None = None
    for name in names or (PAPERS_EMBEDDERS if with_manifest else USUAL_EARS):
        try:
            loaded = load_embedder(name, weights=places.get(name), assets=settings.assets, device=device)
            found.append(loaded)
        except StudioError as error:
            if names or not isinstance(error, ModelNotFoundError):
                raise
            lacking = error
            typer.echo(f"{name} is left out: {error}", err=True)
    if not found and lacking is not None:
        raise lacking
    return found


def _pairs(option: str, words: list[str] | None) -> dict[str, str]:
    pairs = [word.partition("=") for word in words or ()]
    if wrong := next((name for name, _, value in pairs if not name or not value), None):
        raise InvalidRequestError(f"{option} {wrong}: write NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _plan(made: dict[str, Any]) -> str:
    """A dry run in lines."""
    from studio.evaluation.papers.published import PAPERS as TITLES

    lines = [f"{TITLES[made['paper']]}, Table {made['table']}, {made['captions']} captions:"]
    for each in made["choice"]:
        left = format_time(each["left_s"] + 0.5)
        lines.append(f"  {each['label']}, to choose captions by: {each['clips']} clips, {left}")
    for each in made["rows"]:
        if "not_run" in each:
            lines.append(f"  {each['label']}: not run, {each['not_run']}")
            continue
        left = "unknown" if each["left_s"] is None else format_time(each["left_s"] + 0.5)
        made_already = f", {each['made']} made already" if each["made"] else ""
        lines.append(
            f"  {each['label']}: {each['clips']} clips of {each['seconds']:g} s{made_already}, {left}"
        )
    return "\n".join(
        [*lines, f"About {format_time(made['left_s'] + 0.5)} in all, but for drafts and listening."]
    )


def _write(path: Path, made: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(made, ensure_ascii=False, indent=1).encode())
    except OSError as error:
        raise disk_error(error, path) from error


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        fail(f"Stopped: what was made is kept in {folder}, and the same command goes on.", INTERRUPTED_STATUS)
