"""The tab "Infinite": one prompt, sound for as long as one likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from studio.backends.catalog import ModelInfo
from studio.core.errors import InvalidRequestError, StudioError
from studio.service.jobs.job import Job
from studio.service.recordings.read import read_recording
from studio.service.studio import Studio
from studio.ui import widgets
from studio.ui.forms import TAB, Form, FormValues, read_form
from studio.ui.panels import compare
from studio.ui.panels.live import LiveViews
from studio.ui.server.callers import client_of
from studio.ui.tabs.take_tab import Following, TakeHandlers, follow_on


def build(studio: Studio, views: LiveViews, models: Sequence[ModelInfo]) -> InfiniteTab:
    """Lay the tab out and bind it to the service; call inside a `gr.Tab`. Gives what other tabs need."""
    with gr.Row(elem_classes="lw-columns"):
        with gr.Column(scale=4, min_width=320, elem_classes="lw-form"):
            form = Form(studio.settings, models)
            with gr.Row(elem_classes="lw-actions"):
                start = gr.Button("Generate", variant="primary", elem_id=f"{TAB}-generate", min_width=120)
                stop = gr.Button("Stop", elem_id=f"{TAB}-stop", min_width=90)
            with gr.Row(elem_classes="lw-actions"):
                finish = gr.Button("Fade out and end", size="sm", elem_id=f"{TAB}-finish", min_width=120)
                again = gr.Button("New take", size="sm", elem_id=f"{TAB}-again", min_width=90)
            widgets.status(TAB)
            form.rest()
        with gr.Column(scale=7, min_width=320, elem_classes="lw-stage"):
            widgets.spectrogram(TAB)
            player = widgets.player(TAB)
            with gr.Row(elem_classes="lw-gauges"):
                widgets.gauge(TAB, "memory", "Memory", "stays flat however long the take")
                widgets.gauge(TAB, "rtf", "Real-time factor", "below 1 is faster than you listen")
                widgets.gauge(TAB, "ahead", "Made ahead", "then it waits for your ears")
            widgets.attention(TAB)
            download = gr.Button("Download the take", interactive=False, elem_id=f"{TAB}-download")
            if studio.settings.trusted:  # its takes are served from the folder of everybody's
                compare.build(studio, form)

    job_id = gr.State("")
    handlers = Handlers(studio, views, TAB)
    tab = InfiniteTab(form, handlers, [player, start, download, job_id])
    tab.follow(start.click, handlers.generate, form.fields)
    stop.click(
        handlers.stop, job_id, None, js=f"(id) => {{ window.longwave?.{TAB}?.stop(); return [id]; }}",
        show_progress="hidden", queue=False, api_visibility="private",
    )  # fmt: skip
    finish.click(
        handlers.finish, job_id, None,
        show_progress="hidden", queue=False, api_visibility="private",
    )  # fmt: skip
    # As often as one likes: by default Gradio drops a press while the take of the one before still plays.
    tab.follow(again.click, handlers.again, [job_id, *form.fields], trigger_mode="multiple")
    form.unload.click(
        handlers.unload, None, form.unloaded,
        show_progress="hidden", queue=False, api_visibility="private",
    )  # fmt: skip
    form.steer.click(
        handlers.steer, [job_id, *form.fields], form.steered,
        show_progress="hidden", queue=False, api_visibility="private",
    )  # fmt: skip
    return tab


@dataclass(frozen=True)
class InfiniteTab:
    """What other tabs need of this one: the form to fill, and how to follow a job on its player."""

    form: Form
    handlers: Handlers
    followed: list[Any]

    def follow(
        self, event: Any, handler: Callable[..., Iterator[Following]], inputs: Any, **options: Any
    ) -> None:
        """Run `handler` at a component's `event`, its take on this tab's player."""
        follow_on(event, handler, inputs, self.followed, self.handlers.ready, **options)


class Handlers(TakeHandlers):
    """What the tab's buttons do."""

    def generate(self, *values: Any) -> Iterator[Following]:
        """Start a take of the form's values and follow it."""
        yield from self._begin(lambda: self._submit(FormValues(*values)))

    def again(self, job_id: str, *values: Any) -> Iterator[Following]:
        """Stop the take that plays here, and start another of the same values with a seed of its own."""

        def begin() -> Job:
            form = FormValues(*values)._replace(seed=-1)
            return self._submit(form, instead_of=job_id)

        yield from self._begin(begin)

    def resume(self, take_id: str, job_id: str) -> Iterator[Following]:
        """Go on with an interrupted take of the library and follow it, unless this page's own still plays."""

        def begin() -> Job:
            if any(job.id == job_id and not job.ended for job in self._studio.jobs()):
                raise InvalidRequestError("A take plays here: stop it first, then go on with the other.")
            return self._studio.resume(take_id, listen=True)

        yield from self._begin(begin)

    def _submit(self, form: FormValues, instead_of: str = "") -> Job:
        """Queue a take of these values; once they are known to make one, it may take another's place."""
        request = read_form(form, self._studio)
        recording = read_recording(Path(form.continue_from)) if form.continue_from else None
        if instead_of:
            self._views.supersede(instead_of)
            self.stop(instead_of)
        return self._studio.submit(
            request,
            listen=True,
            keep_running=bool(form.keep_running),
            recording=recording,
            client=client_of(),
        )

    def unload(self) -> str:
        """Let go of the loaded models; what that freed, in a sentence."""
        try:
            freed = self._studio.unload()
        except StudioError as error:
            return str(error)
        return f"Unloaded: {freed / 1e6:.0f} MB freed. The next take loads its model again."

    def steer(self, job_id: str, *values: Any) -> str:
        """Change the running take to the form's prompt and lane; what comes of it, in a sentence."""
        if not job_id:
            return "Nothing plays yet: press Generate, then change the scene."
        try:
            # Its draft stays what it is: a recording need not be read again.
            wanted = read_form(FormValues(*values)._replace(draft="none"), self._studio)
            self._studio.steer(job_id, wanted.prompt, wanted.lane)
        except StudioError as error:
            return str(error)
        return "Taken up: it is heard in a few seconds."

    def finish(self, job_id: str) -> None:
        """Let the take that this page started fade out, if it still runs."""
        with suppress(InvalidRequestError):
            self._studio.finish(job_id)
