"""`longwave render infinite` and `longwave bench infinite`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.cli import request as words
from studio.cli.common import INTERRUPTED_STATUS, AsJson, factories_of, fail, print_json, terminal
from studio.core.audio import format_time
from studio.core.events import AudioChunk, Event, Failed, Finished, Progress, Telemetry
from studio.core.settings import Settings
from studio.service.recording import read_recording

if TYPE_CHECKING:
    from studio.service.job import Job
    from studio.service.jobs import Studio

render_commands = typer.Typer(help="Render a take to a file.")
bench_commands = typer.Typer(help="Measure speed and memory on this machine.")

DEFAULTS = Settings()
BENCH_PROMPT = "heavy rain with distant thunder"


@render_commands.callback()
@bench_commands.callback()
def _group() -> None:
    """Keep `infinite` a word of its own: typer drops the name of a group's only command."""


@render_commands.command("infinite")
def render_infinite(
    context: typer.Context,
    prompt: words.Prompt = None,
    negative_prompt: words.NegativePrompt = None,
    lane: words.Lane = None,
    blend: words.Blend = None,
    seconds: words.Seconds = None,
    endless: Annotated[bool, typer.Option("--endless", help="Go on until Ctrl-C.")] = False,
    seed: words.Seed = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The file: .wav, .flac, .mp3 or .ogg.", show_default="a new one under --outputs"),
    ] = None,
    outputs: Annotated[Path, typer.Option(help="The folder of takes.")] = DEFAULTS.outputs,
    preset: Annotated[str | None, typer.Option(help="A preset's name or file; options go over it.")] = None,
    continue_from: Annotated[
        Path | None,
        typer.Option(help="A sound file that the take begins with and goes on from; --seconds counts it."),
    ] = None,
    model: words.Model = None,
    guidance: words.Guidance = None,
    strategy: words.Strategy = None,
    steps: words.Steps = None,
    skip_factor: words.SkipFactor = None,
    group_size: words.GroupSize = None,
    buffer: words.Buffer = None,
    device: words.DeviceOrNone = None,
    dtype: words.Dtype = None,
    as_json: AsJson = False,
) -> None:
    """Sound from a prompt, of any length, by FIFO sampling. Ctrl-C stops the take and keeps the file."""
    settings = replace(DEFAULTS, outputs=outputs)
    chosen = words.find_preset(preset, settings) if preset else None
    request = words.request_from(context.params, endless=endless, preset=chosen)
    recording = read_recording(continue_from) if continue_from else None
    studio = factories_of(context).studio(settings)
    try:
        with _ProgressBar(request.duration_s) as show:
            job = studio.submit(request, out=out, recording=recording)
            outcome = follow(studio, job, show)
    finally:
        studio.close()
    _report(job, outcome, as_json)


def follow(studio: Studio, job: Job, show: Callable[[Event], None]) -> Finished | Failed:
    """Show a job's events until it has ended; Ctrl-C asks it to end and waits for that."""
    try:
        for event in studio.events(job.id):
            show(event)
    except KeyboardInterrupt:
        studio.stop(job.id)
        for event in studio.events(job.id):
            show(event)
    assert job.outcome is not None
    return job.outcome


def _report(job: Job, outcome: Finished | Failed, as_json: bool) -> None:
    from studio.service.runner import BUG_MESSAGE

    if isinstance(outcome, Failed):
        kept = f" What was made until then is {outcome.path}." if outcome.path else ""
        fail(outcome.message + kept, 1 if outcome.message == BUG_MESSAGE else 2)
    if outcome.path is None:
        fail("Stopped before there was any sound.", INTERRUPTED_STATUS)
    if as_json:
        about = {"seed": job.request.seed, "model": job.request.model.id, "stopped": outcome.stopped}
        print_json({"file": str(outcome.path), "seconds": outcome.duration_s, **about, **outcome.figures})
    else:
        typer.echo(str(outcome.path))


@bench_commands.command("infinite")
def bench_infinite(
    context: typer.Context,
    prompt: words.Prompt = BENCH_PROMPT,
    negative_prompt: words.NegativePrompt = None,
    seconds: words.Seconds = 60.0,
    seed: words.Seed = 0,
    compare: Annotated[
        bool, typer.Option("--compare", help="Add one conventional run each at 10, 20, 40 and 80 s.")
    ] = False,
    model: words.Model = None,
    guidance: words.Guidance = None,
    strategy: words.Strategy = None,
    steps: words.Steps = None,
    skip_factor: words.SkipFactor = None,
    group_size: words.GroupSize = None,
    buffer: words.Buffer = None,
    device: words.DeviceOrNone = None,
    dtype: words.Dtype = None,
    as_json: AsJson = False,
) -> None:
    """One take without a file: real-time factor, first sound, time of each part, growth of memory."""
    request = words.request_from(context.params)
    studio = factories_of(context).studio(DEFAULTS)
    from studio.service.bench import COMPARED_S, bench_clips, bench_endless

    with _ProgressBar(request.duration_s) as show:
        show(Progress("Loading the model"))
        backend = studio.backends.get(request.model)
        figures: dict[str, Any] = bench_endless(request, backend, show)
        if compare:
            show(Progress(f"Ordinary clips of {', '.join(f'{s:g}' for s in COMPARED_S)} s"))
            figures["compare"] = bench_clips(request, backend)
    if as_json:
        print_json(figures)
    else:
        _print_table(figures)


def _print_table(figures: dict[str, Any]) -> None:
    rows = figures.pop("compare", [])
    width = max(map(len, figures))
    for name, value in figures.items():
        typer.echo(f"{name:<{width}}  {value}")
    for row in rows:
        typer.echo("  ".join(f"{name} {value}" for name, value in row.items()))


class _ProgressBar:
    """A bar on stderr that draws events; nothing at all where stderr is no terminal."""

    def __init__(self, duration_s: float | None) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        console = terminal()
        self._end = "∞" if duration_s is None else format_time(duration_s)
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[status]}"),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("Starting", total=duration_s, status="")

    def __enter__(self) -> Callable[[Event], None]:
        self._bar.start()
        return self._show

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def _show(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._bar.update(self._task, description=event.message)
        elif isinstance(event, AudioChunk):
            made_s = event.end_sample / event.sample_rate
            time = f"{format_time(made_s)} / {self._end}"
            self._bar.update(self._task, description=f"Rendering {time}", completed=made_s)
        elif isinstance(event, Telemetry):
            speed = f"{event.realtime_factor:.2f} × real time, {event.rss_mb:.0f} MB"
            self._bar.update(self._task, status=speed if event.audio_s else "")
