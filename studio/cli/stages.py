"""Work in stages on a terminal: a bar on stderr, and Ctrl-C, which ends it with the step that is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from studio.cli.common import terminal
from studio.core.interrupts import deferred

if TYPE_CHECKING:
    from studio.pipeline.cancel import CancelToken
    from studio.service.jobs.errands import Stage, Tell

Made = TypeVar("Made")


def in_stages(first: str, work: Callable[[CancelToken, Tell], Made]) -> Made:
    """What `work` makes; `first` is said before it says anything. Raises as it does."""
    from rich.progress import BarColumn, Progress, TextColumn

    from studio.pipeline.cancel import CancelToken

    console, cancel = terminal(), CancelToken()
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    with deferred() as asked, bar:
        task = bar.add_task(first, total=1.0)

        def show(stage: Stage) -> None:
            if asked:
                cancel.set("Stopped.")
            bar.update(task, description=stage.said, completed=stage.share)

        return work(cancel, show)
