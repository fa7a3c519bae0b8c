"""What the tabs share whose takes are played as they are made: how one is begun, followed and ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from studio.core.binding import Values
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.events import TERMINAL, Preview, Progress, Telemetry
from studio.core.messages import FieldError
from studio.service.jobs.job import Job
from studio.service.recordings.read import read_recording
from studio.service.studio import Studio
from studio.ui import widgets
from studio.ui.callers import client_of
from studio.ui.forms import Form, read_form
from studio.ui.panels.live import LiveView, LiveViews
from studio.ui.widgets import HIDDEN

MAX_LISTENERS = 16  # each holds one of the server's threads; the takes themselves queue in the service
CLIP_GAUGES = {
    "memory": ("Memory", "of the whole studio"),
    "rtf": ("Real-time factor", "work for a second of sound"),
    "step": ("A step", "the whole clip, once"),
}
_STOP_PLAYER = "(id) => {{ window.longwave?.{tab}?.stop(); return [id]; }}"

Following = tuple[Any, Any, Any, Any]  # player, Generate, download, job id


class TakeHandlers:
    """A tab's take from the press of a button to its end. A tab adds what its own buttons do."""

    def __init__(self, studio: Studio, views: LiveViews, mode: str) -> None:
        """`mode` is that of the tab's takes."""
        self._studio = studio
        self._views = views
        self._mode = mode

    def generate(self, **values: Any) -> Iterator[Following]:
        """Start a take of the form's values and follow it."""
        yield from self._begin(lambda: self._submit(values))

    def resume(self, take_id: str, job_id: str) -> Iterator[Following]:
        """Go on with an interrupted take of the library and follow it, unless this page's own still plays."""

        def begin() -> Job:
            if any(job.id == job_id and not job.ended for job in self._studio.jobs()):
                raise InvalidRequestError("A take plays here: stop it first, then go on with the other.")
            return self._studio.resume(take_id, listen=True)

        yield from self._begin(begin)

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

    def _submit(self, values: Values, instead_of: str = "") -> Job:
        """Queue a take of these values; once they are known to make one, it may take another's place."""
        request = read_form(self._mode, values, self._studio)
        sound = values.get("continue_from")
        recording = read_recording(Path(sound)) if sound else None
        if instead_of:
            self._views.supersede(instead_of)
            self.stop(instead_of)
        return self._studio.submit(
            request,
            listen=True,
            keep_running=bool(values.get("keep_running")),
            recording=recording,
            client=client_of(),
        )

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


@dataclass(frozen=True)
class TakeTab:
    """What others need of a tab: the form to fill, and how to follow a job on its player.

    `followed` are the components of a `Following`.
    """

    form: Form
    followed: list[Any]
    handlers: TakeHandlers

    def bind(self, stop: gr.Button) -> None:
        """Make Generate and Stop do what they say."""
        _, start, _, job_id = self.followed
        self.follow(start.click, self.handlers.generate, None, inputs_kwargs=self.form.fields)
        quiet = _STOP_PLAYER.format(tab=self.form.mode)
        stop.click(self.handlers.stop, job_id, None, js=quiet, **HIDDEN)

    def follow(
        self, event: Any, handler: Callable[..., Iterator[Following]], inputs: Any, **options: Any
    ) -> None:
        """Run `handler` at a component's `event`, its take on this tab's player; Generate waits meanwhile."""
        run = event(
            handler, inputs, self.followed,
            show_progress="hidden", concurrency_limit=MAX_LISTENERS, concurrency_id="listeners",
            api_visibility="private", **options,
        )  # fmt: skip
        # Whatever ended the generator, a failure of the server included, one can start again. Not a moment
        # sooner: Gradio drops a click while the event before it is still pending.
        run.then(self.handlers.ready, self.followed[-1], self.followed[1], **HIDDEN)


def lay_out_actions(tab: str) -> tuple[gr.Button, gr.Button]:
    """The buttons Generate and Stop."""
    with gr.Row(elem_classes="lw-actions"):
        start = gr.Button("Generate", variant="primary", elem_id=f"{tab}-generate", min_width=120)
        return start, gr.Button("Stop", elem_id=f"{tab}-stop", min_width=90)


def lay_out_gauges(tab: str, **gauges: tuple[str, str]) -> None:
    """Gauges beside each other, each with its name and a note."""
    with gr.Row(elem_classes="lw-gauges"):
        for figure, (name, note) in gauges.items():
            widgets.gauge(tab, figure, name, note)
