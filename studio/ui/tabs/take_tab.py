"""What the tabs share whose takes are played as they are made: how one is begun, followed and ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from studio.core.errors import InvalidRequestError, StudioError
from studio.core.events import TERMINAL, Preview, Progress, Telemetry
from studio.core.fields import FieldError
from studio.service.jobs.job import Job
from studio.service.studio import Studio
from studio.ui.panels.live import LiveView, LiveViews

MAX_LISTENERS = 16  # each holds one of the server's threads; the takes themselves queue in the service
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}

Following = tuple[Any, Any, Any, Any]  # player, Generate, download, job id


class TakeHandlers:
    """A tab's take from the press of a button to its end. A tab adds what its own buttons do."""

    def __init__(self, studio: Studio, views: LiveViews, mode: str) -> None:
        """`mode` is that of the tab's takes."""
        self._studio = studio
        self._views = views
        self._mode = mode

    def reattach(self) -> Iterator[Following]:
        """A page was opened: follow the take that runs with nobody listening, if there is one.

        Not where strangers may open pages: a take's sound is for who started it.
        """
        view = self._views.alone(self._mode) if self._studio.settings.trusted else None
        if view is None:
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip()
        else:
            yield from self._follow(view)

    def turn_to(self) -> Any:
        """The tab itself, when a page is opened while a take of it is made with nobody looking on."""
        left = self._studio.settings.trusted and self._views.alone(self._mode) is not None
        return gr.Tabs(selected=self._mode) if left else gr.skip()

    def ready(self, job_id: str) -> Any:
        """Generate can be pressed again, unless another take has begun on this page meanwhile."""
        playing = any(job.id == job_id and not job.ended for job in self._studio.jobs())
        return gr.update(interactive=not playing)

    def stop(self, job_id: str) -> None:
        """End the take that this page started, if it still runs and was not forgotten long after its end."""
        with suppress(InvalidRequestError):
            self._studio.stop(job_id)

    def _begin(self, begin: Callable[[], Job]) -> Iterator[Following]:
        try:
            job = begin()
        except StudioError as error:
            yield refusal(error), gr.skip(), gr.skip(), gr.skip()
            return
        yield from self._follow(self._views.open(job, self._studio.events(job.id)))

    def _follow(self, view: LiveView) -> Iterator[Following]:
        """Yields (player, generate, download, job id) until the job has ended.

        A sync generator, because a Space's GPU calls allow no other. A closed tab ends it at the next yield,
        at the latest a second later; a job that plays is then ended by its watchdog, if no page comes back.
        """
        job = view.job
        try:
            waiting = gr.update(interactive=False)
            yield view.state(), waiting, gr.update(interactive=False, link=None), job.id
            for event in self._studio.events(job.id):
                if view.superseded:
                    return
                if isinstance(event, (Progress, Preview, Telemetry)):
                    yield view.state(), gr.skip(), gr.skip(), gr.skip()
                elif isinstance(event, TERMINAL):
                    view.wait()
                    yield view.state(), gr.skip(), _offer(view, event.path), gr.skip()
        finally:
            # Runs on the event loop when a tab is closed; only sets flags.
            if job.status == "queued" and not job.keep_running:
                self._studio.stop(job.id)


def _offer(view: LiveView, path: Path | None) -> Any:
    """The button that downloads the take: by the token of its player, never by a path."""
    if path is None:
        return gr.skip()
    return gr.update(link=f"take/{view.stream.token}?format={path.suffix.lower()}", interactive=True)


def refusal(error: StudioError) -> dict[str, Any]:
    """A player's value that says why there is no take, and at which field of the form."""
    label = error.label if isinstance(error, FieldError) else ""
    # The page hears of a value that changes: the same refusal a second time is news too.
    return {
        "token": "",
        "phase": "failed",
        "message": str(error),
        "label": label,
        "time": time.monotonic_ns(),
    }


def follow_on(
    event: Any,
    handler: Callable[..., Iterator[Following]],
    inputs: Any,
    followed: list[Any],
    ready: Callable[[str], Any],
    **options: Any,
) -> None:
    """Run `handler` at a component's `event` with its take on a tab's player; Generate waits meanwhile.

    `followed` are the components of a `Following`.
    """
    run = event(
        handler, inputs, followed,
        show_progress="hidden", concurrency_limit=MAX_LISTENERS, concurrency_id="listeners",
        api_visibility="private", **options,
    )  # fmt: skip
    # Whatever ended the generator, a failure of the server included, one can start again. Not a moment
    # sooner: Gradio drops a click while the event before it is still pending.
    run.then(ready, followed[-1], followed[1], **HIDDEN)
