"""The tab "Infinite": one prompt, sound for as long as one likes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from studio.backends.catalog import ModelInfo
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.events import TERMINAL, Progress, Telemetry
from studio.core.request import parse_request
from studio.service.jobs import Studio
from studio.ui import widgets
from studio.ui.live import LiveViews

TAB = "infinite"
MAX_LISTENERS = 16  # each holds one of the server's threads; the takes themselves queue in the service
EXAMPLES = (
    "heavy rain with distant thunder",
    "birds over a stream",
    "ocean waves on a shore",
    "crickets at night",
    "a helicopter passing",
    "a crackling fire",
    "slow lo-fi drums",
    "a warm evolving pad",
)


def build(studio: Studio, views: LiveViews, models: Sequence[ModelInfo]) -> None:
    """Lay the tab out and bind it to the service; call inside a `gr.Tab`."""
    with gr.Row(elem_classes="lw-columns"):
        with gr.Column(scale=4, min_width=320, elem_classes="lw-form"):
            prompt = gr.Textbox(
                label="Prompt", lines=2, max_lines=6, value=EXAMPLES[0],
                placeholder="Describe the sound, for example: heavy rain", elem_id=f"{TAB}-prompt",
            )  # fmt: skip
            _example_buttons(prompt)
            with gr.Row(elem_classes="lw-numbers"):
                duration = gr.Number(60, label="Seconds", elem_id=f"{TAB}-duration", min_width=90)
                seed = gr.Number(-1, label="Seed (−1 any)", precision=0, elem_id=f"{TAB}-seed", min_width=90)
                endless = gr.Checkbox(True, label="Endless", elem_id=f"{TAB}-endless", min_width=90)
            model = widgets.model_choice(TAB, models, studio.settings.model_id)
            with gr.Row(elem_classes="lw-actions"):
                start = gr.Button("Generate", variant="primary", elem_id=f"{TAB}-generate", min_width=120)
                stop = gr.Button("Stop", elem_id=f"{TAB}-stop", min_width=90)
            widgets.status(TAB)
        with gr.Column(scale=7, min_width=320, elem_classes="lw-stage"):
            widgets.spectrogram(TAB)
            player = widgets.player(TAB)
            with gr.Row(elem_classes="lw-gauges"):
                widgets.gauge(TAB, "memory", "Memory", "stays flat however long the take")
                widgets.gauge(TAB, "rtf", "Real-time factor", "below 1 is faster than you listen")
            download = gr.DownloadButton("Download the take", interactive=False, elem_id=f"{TAB}-download")

    job_id = gr.State("")
    handlers = Handlers(studio, views)
    run = start.click(
        handlers.generate, [prompt, duration, endless, seed, model], [player, start, download, job_id],
        show_progress="hidden", concurrency_limit=MAX_LISTENERS, concurrency_id="listeners",
        api_visibility="private",
    )  # fmt: skip
    # Whatever ended the generator, a failure of the server included, one can start again. Not a moment
    # sooner: Gradio drops a click while the event before it is still pending.
    run.then(
        lambda: gr.update(interactive=True), None, start,
        show_progress="hidden", queue=False, api_visibility="private",
    )  # fmt: skip
    stop.click(
        handlers.stop, job_id, None, js=f"(id) => {{ window.longwave?.{TAB}?.stop(); return [id]; }}",
        show_progress="hidden", queue=False, api_visibility="private",
    )  # fmt: skip


class Handlers:
    """What the tab's buttons do."""

    def __init__(self, studio: Studio, views: LiveViews) -> None:
        self._studio = studio
        self._views = views

    def generate(
        self, prompt: str, duration_s: float | None, endless: bool, seed: float | None, model: str
    ) -> Iterator[tuple[Any, ...]]:
        """Start a take and follow it: yields (player, generate, download, job id) until it has ended.

        A sync generator, because a Space's GPU calls allow no other. A closed tab ends it at the next yield,
        at the latest a second later, and with it the job.
        """
        try:
            request = parse_request(
                mode="infinite",
                prompt=prompt,
                duration_s=None if endless else (duration_s or 0.0),
                seed=seed,
                model={
                    "id": model or "",
                    "device": self._studio.settings.device,
                    "dtype": self._studio.settings.dtype,
                },
            )
            job = self._studio.submit(request, listen=True)
        except StudioError as error:
            yield {"token": "", "phase": "failed", "message": str(error)}, gr.skip(), gr.skip(), gr.skip()
            return
        view = self._views.open(job)
        try:
            yield view.state(), gr.update(interactive=False), gr.update(interactive=False), job.id
            for event in self._studio.events(job.id):
                view.see(event)
                if isinstance(event, (Progress, Telemetry)):
                    yield view.state(), gr.skip(), gr.skip(), gr.skip()
                elif isinstance(event, TERMINAL):
                    done = event.path
                    offer = gr.update(value=str(done.resolve()), interactive=True) if done else gr.skip()
                    yield view.state(), gr.skip(), offer, gr.skip()
        finally:
            # Runs on the event loop when a tab is closed; only sets flags, and means nothing to an ended job.
            self._studio.stop(job.id)

    def stop(self, job_id: str) -> None:
        """End the take that this page started, if it still runs."""
        if not job_id:
            return
        try:
            self._studio.stop(job_id)
        except InvalidRequestError:
            return  # forgotten long after its end: nothing to stop


def _example_buttons(prompt: gr.Textbox) -> None:
    with gr.Row(elem_classes="lw-examples"):
        for text in EXAMPLES:
            gr.Button(text, size="sm", min_width=40).click(
                None, None, prompt, js=f"() => {text!r}", show_progress="hidden", api_visibility="private"
            )
