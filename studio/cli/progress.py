"""What the commands that make a take share: the bar on stderr, and how a take is reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from studio.cli.common import INTERRUPTED_STATUS, fail, print_json, terminal
from studio.core.audio import format_time
from studio.core.events import AudioChunk, Event, Failed, Finished, Progress, StepDone, Telemetry

if TYPE_CHECKING:
    from studio.service.jobs.job import Job
    from studio.service.studio import Studio


MAX_INTERRUPTS = 3


def follow(studio: Studio, job: Job, show: Callable[[Event], None]) -> Finished | Failed:
    """Show a job's events until it has ended; Ctrl-C asks it to end and waits for that.

    Whoever presses it a second time is still waited for, since the take is being put away; not a third time.
    """
    for patience in reversed(range(MAX_INTERRUPTS)):
        try:
            for event in studio.events(job.id):
                show(event)
            break
        except KeyboardInterrupt:
            studio.stop(job.id)
            if not patience:
                raise
    assert job.outcome is not None
    return job.outcome


def report(job: Job, outcome: Finished | Failed, as_json: bool) -> None:
    """Print where the take is, and its figures as JSON; end the program where there is none."""
    from studio.service.jobs.runner import BUG_MESSAGE

    if isinstance(outcome, Failed):
        kept = f" What was made until then is {outcome.path}." if outcome.path else ""
        fail(outcome.message + kept, 1 if outcome.message == BUG_MESSAGE else 2)
    if outcome.path is None:
        fail("Stopped before there was any sound.", INTERRUPTED_STATUS)
    if job.out is not None and outcome.path != job.out:  # the log has said why
        fail(f"Could not write {job.out}: the sound is whole in {outcome.path}.", 1)
    if as_json:
        request = job.request
        about: dict[str, Any] = {"seed": request.seed, "model": request.model.id, "stopped": outcome.stopped}
        about |= {"guidance": request.guidance_scale, "sampler": request.sampler.model_dump()}
        about |= {"notes": list(job.notes)} if job.notes else {}
        about |= {"edit": job.edit.edit.model_dump()} if job.edit else {}
        print_json({"file": str(outcome.path), "seconds": outcome.duration_s, **about, **outcome.figures})
    else:
        typer.echo(str(outcome.path))


class ProgressBar:
    """A bar on stderr that draws events; nothing at all where stderr is no terminal."""

    def __init__(self, duration_s: float | None, *, at_once: bool = False) -> None:
        """`at_once`: the sound comes after all steps, so they are what is counted."""
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        console = terminal()
        self._duration_s = duration_s
        self._at_once = at_once
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
        elif isinstance(event, StepDone) and event.total is not None and self._at_once:
            done = event.step / event.total * (self._duration_s or 0.0)
            self._bar.update(self._task, description=f"Step {event.step} of {event.total}", completed=done)
        elif isinstance(event, AudioChunk):
            made_s = event.end_sample / event.sample_rate
            time = f"{format_time(made_s)} / {self._end}"
            self._bar.update(self._task, description=f"Rendering {time}", completed=made_s)
        elif isinstance(event, Telemetry):
            speed = f"{event.realtime_factor:.2f} × real time, {event.rss_mb:.0f} MB"
            self._bar.update(self._task, status=speed if event.audio_s else "")
