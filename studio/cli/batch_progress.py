"""How far a set is: a bar on stderr, or a line now and then where that is no terminal, and what came."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from studio.cli.common import print_json, terminal
from studio.core.audio import format_time

if TYPE_CHECKING:
    from studio.service.batch.folder import SetFolder
    from studio.service.batch.units import Unit
    from studio.service.batch.work import Progressed, State, Tally

SHOWN_FAILURES = 20
DRAWN_EVERY_S, LINE_EVERY_S = 0.2, 30.0


class RowsBar:
    """Rows that are done of all, hours of sound, what failed, and the time that is left; a context."""

    def __init__(self, units: Sequence[Unit], folder: SetFolder) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self._seconds = {row.id: row.request.duration_s or 0.0 for unit in units for row in unit.rows}
        self._before = folder.survey(self._seconds).done
        self._states: dict[str, State] = {}
        self._counts: Counter[State] = Counter()
        self._all_s = self._left_s = sum(self._seconds.values())
        self._come_s = 0.0  # of the rows that came in this run, whoever made them
        self._made_s = 0.0
        self._failures: set[str] = set()
        self._console = terminal()
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[status]}"),
            console=self._console, transient=True, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("Starting", total=len(self._seconds), status="")
        self._began = self._said_at = time.monotonic()

    def __enter__(self) -> RowsBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def wall_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def tell(self, news: Progressed) -> None:
        """Show how a row stands."""
        if news.state == "making":
            return
        self._note(news)
        if news.state == "failed":
            self._tell_failure(news)
        every_s = DRAWN_EVERY_S if self._console.is_terminal else LINE_EVERY_S
        if time.monotonic() - self._said_at >= every_s:
            self._said_at = time.monotonic()
            self._show()

    def _note(self, news: Progressed) -> None:
        before, seconds = self._states.get(news.row), self._seconds[news.row]
        self._states[news.row] = news.state
        self._counts[news.state] += 1
        if before is not None:
            self._counts[before] -= 1
        else:
            self._left_s -= seconds
        if news.state == "made":
            self._made_s += news.duration_s
        if news.state != "failed" and news.row not in self._before:
            self._come_s += seconds

    def _show(self) -> None:
        done = f"{len(self._states):,} of {len(self._seconds):,} rows"
        if self._console.is_terminal:
            self._bar.update(self._task, completed=len(self._states), description=done, status=self._status())
        else:
            typer.echo(f"{done}, {self._status()}", err=True)

    def tally(self, *, stopped: bool) -> Tally:
        """What was told until now."""
        from studio.service.batch.work import Tally

        made, there, failed = (self._counts[state] for state in ("made", "there", "failed"))
        return Tally(len(self._seconds), made, there, failed, self._made_s, stopped)

    def _tell_failure(self, news: Progressed) -> None:
        """Each sentence once for a line, however many variations it has."""
        where = f"Line {news.line:,}" if news.line else news.row
        sentence = f"{where}: {news.sentence}"
        if sentence in self._failures:
            return
        self._failures.add(sentence)
        if len(self._failures) <= SHOWN_FAILURES:
            self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)
        elif len(self._failures) == SHOWN_FAILURES + 1:
            self._console.print("More rows failed: why is in their .error.json.")

    def _status(self) -> str:
        """Sound, failures, and the time left at the pace of this run."""
        parts = [f"{format_time(self._all_s - self._left_s)} of sound"]
        parts += [f"{failed:,} failed"] if (failed := self._counts["failed"]) else []
        parts += [f"{format_time(self._left_s * self.wall_s / self._come_s)} left"] if self._come_s else []
        return ", ".join(parts)


def tell_tally(tally: Tally, folder: SetFolder, bar: RowsBar, as_json: bool, **about: Any) -> None:
    """What came of a run: a line on stdout for people, or the figures as JSON."""
    if as_json:
        print_json(
            {
                "folder": str(folder.path), "rows": tally.rows, "made": tally.made, "there": tally.there,
                "failed": tally.failed, "left": tally.left, "stopped": tally.stopped,
                "seconds_of_sound": round(tally.sound_s, 3), "wall_s": round(bar.wall_s, 3), **about,
            }
        )  # fmt: skip
        return
    said = f"{tally.rows:,} rows: {tally.made:,} made ({format_time(tally.sound_s)} of sound)"
    said += f", {tally.there:,} there already" if tally.there else ""
    said += f", {tally.failed:,} failed" if tally.failed else ""
    said += f", {tally.left:,} still to be made" if tally.left else ""
    typer.echo(f"{said}. They are in {folder.path}.")
    if tally.failed:
        typer.echo("Why rows failed is in their .error.json; --retry-errors tries them again.", err=True)
    if tally.stopped:
        typer.echo("Stopped: the same command goes on.", err=True)
