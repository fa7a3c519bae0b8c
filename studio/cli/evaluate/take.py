"""`longwave eval take`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.common import AsJson, Device, print_json, terminal
from studio.cli.evaluate.commands import eval_commands
from studio.core.audio import format_time
from studio.core.errors import InvalidRequestError
from studio.core.files import disk_error, replacing_path
from studio.core.settings import Settings

if TYPE_CHECKING:
    from studio.evaluation.embedders.base import Embedder
    from studio.evaluation.metrics.drift import Course
    from studio.evaluation.suites.take import TakeLook


@eval_commands.command("take")
def eval_take(
    file: Annotated[Path, typer.Argument(help="Any sound file, of any rate and length.")],
    prompt: Annotated[
        str | None, typer.Option(help="What it was asked to be, for an embedder that reads text.")
    ] = None,
    embedder: Annotated[str, typer.Option(help="Who hears drift.")] = "judge",
    weights: Annotated[str | None, typer.Option(help="The embedder's: a file, a folder, or an id.")] = None,
    plot: Annotated[Path | None, typer.Option(help="A PNG of what was found.")] = None,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """One long sound: drift, repeats, seams, clicks, dropouts, silence, level, band and mono."""
    if plot and plot.suffix.lower() != ".png":
        raise InvalidRequestError(f"--plot: {plot.name} should be a .png.")
    from studio.evaluation.embedders.registry import load_embedder

    settings = Settings()
    ears = load_embedder(embedder, weights=weights, assets=settings.assets, device=device)
    look = _look(file, ears, prompt)
    if plot:
        from studio.evaluation.suites.take_plot import draw_take

        try:
            with replacing_path(plot) as part:
                draw_take(look, part)
        except OSError as error:
            raise disk_error(error, plot) from error
    if as_json:
        print_json({**look.as_json(), "embedder": embedder})
        return
    for name, said in _lines(look):
        typer.echo(f"{name:<14}{said}")


def _look(file: Path, ears: Embedder, prompt: str | None) -> TakeLook:
    """What was found, with a bar on stderr meanwhile where that is a terminal."""
    from rich.progress import Progress

    from studio.evaluation.suites.take import look_through

    console = terminal()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Looking through {file.name}", total=1.0)
        for step in look_through(file, ears, prompt):
            if not isinstance(step, float):
                return step
            bar.update(task, completed=step)
    raise AssertionError("a look ends in what it found")


def _lines(look: TakeLook) -> list[tuple[str, str]]:
    """What is printed where no JSON was asked for."""
    level, again, mono = look.level.as_json(), look.repetition, look.mono
    seconds = ", ".join(f"{lag:.1f} s" for lag, _ in again.lags[:3])
    return [
        ("length", f"{format_time(look.duration_s)}, {look.sample_rate} Hz, {look.channels} channels"),
        ("drift", _course(look.drift)),
        *([("prompt", _course(look.prompt))] if look.prompt else []),
        ("heard before", "-" if again.share is None else f"{again.share:.0%} of its seconds"),
        ("like itself", f"after {seconds}" if seconds else "at no lag"),
        ("seams", _times([seam.at_s for seam in look.seams])),
        ("clicks", _times(look.clicks_s)),
        ("dropouts", _times([span.at_s for span in look.dropouts])),
        ("silence", f"{look.silence_share:.1%}, {len(look.silence)} times"),
        ("loudness", f"{_db(level['integrated_lufs'])} LUFS"),
        ("short-term", f"{_db(level['short_term_min_lufs'])} to {_db(level['short_term_max_lufs'])} LUFS"),
        ("true peak", f"{_db(level['true_peak_dbtp'])} dBTP"),
        ("bandwidth", f"{look.bandwidth_hz:.0f} Hz"),
        *([("mono", f"correlation {mono.correlation:.2f}, loses {-mono.loss_db:.1f} dB")] if mono else []),
        *([("not a number", f"{look.broken_samples} samples")] if look.broken_samples else []),
    ]  # fmt: skip


def _course(course: Course | None) -> str:
    return "too short to tell" if course is None else f"{course.per_minute} a minute"


def _times(seconds: list[float]) -> str:
    listed = ", ".join(format_time(at) for at in seconds[:12])
    more = f" and {len(seconds) - 12} more" if len(seconds) > 12 else ""
    return f"{len(seconds)}: {listed}{more}" if seconds else "none"


def _db(figure: float | None) -> str:
    return "-∞" if figure is None else f"{figure:.1f}"
