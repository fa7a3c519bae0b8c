"""The comparison in the Infinite tab: the same prompt and seed in every way, under each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio.core.errors import InvalidRequestError, StudioError
from studio.core.events import Failed, Finished, Progress, Telemetry
from studio.service.comparison import Variant, variants
from studio.service.job import Job
from studio.service.jobs import Studio
from studio.service.library import picture_of
from studio.ui import widgets
from studio.ui.form import TAB, Form, FormValues, read_form

SECONDS = 15.0
PICTURE_WIDTH = 600
Shown = tuple[Any, Any, Any]
HELP = "The same prompt and seed by each strategy, and as clips joined end to end, the joins marked."


def build(studio: Studio, form: Form) -> None:
    """Lay the comparison out in the column one is in."""
    comparison = Comparison(studio)
    with gr.Accordion("Compare", open=False, elem_id=f"{TAB}-compare"):
        gr.Markdown(HELP, elem_classes="lw-said")
        with gr.Row(elem_classes="lw-seed"):
            seconds = gr.Number(
                SECONDS, label="Seconds of each", elem_id=f"{TAB}-compare-seconds", min_width=120
            )
            start = gr.Button("Compare", size="sm", elem_id=f"{TAB}-compare-start", min_width=80)
            stop = gr.Button("Stop", size="sm", elem_id=f"{TAB}-compare-stop", min_width=60)
        said = gr.Markdown("", elem_id=f"{TAB}-compared", elem_classes="lw-said")
        rows = gr.HTML("", apply_default_css=False, elem_id=f"{TAB}-compare-rows")
    job_id = gr.State("")
    start.click(
        comparison.run, [seconds, *form.fields], [said, rows, job_id],
        show_progress="hidden", concurrency_limit=2, concurrency_id="comparisons", api_visibility="private",
    )  # fmt: skip
    stop.click(comparison.stop, job_id, None, show_progress="hidden", queue=False, api_visibility="private")


class Comparison:
    """Makes the takes one after the other and shows each when it is whole."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def run(self, seconds: float | None, *values: Any) -> Iterator[Shown]:
        """Yields (what happens, the rows so far, the take's job) until all are made or one is stopped.

        A closed page ends it.
        """
        rows = ""
        try:
            if FormValues(*values).continue_from:
                raise InvalidRequestError("Joined clips can't go on from a recording: remove it to compare.")
            wanted = variants(read_form(values, self._studio.settings), seconds)
            yield "Starting", rows, ""
            for number, variant in enumerate(wanted, start=1):
                place = f"{number} of {len(wanted)}, {variant.name}"
                for made, row, job in self._make(variant):
                    if job.cancel.is_set():
                        yield "Stopped; what was finished stays.", gr.skip(), ""
                        return
                    rows += row
                    yield f"{place}: {made}", rows if row else gr.skip(), job.id
            yield f"All {len(wanted)} made; they are in the Library too.", gr.skip(), ""
        except StudioError as error:
            yield str(error), gr.skip(), ""

    def stop(self, job_id: str) -> None:
        """End the comparison with the take that is being made."""
        with suppress(InvalidRequestError):  # nothing is compared
            self._studio.stop(job_id)

    def _make(self, variant: Variant) -> Iterator[tuple[str, str, Job]]:
        """How far the take is, in words, and its row, empty until it is whole."""
        job = self._studio.submit(variant.request)
        try:
            yield "starting", "", job
            for event in self._studio.events(job.id):
                if isinstance(event, Progress):
                    yield event.message, "", job
                elif isinstance(event, Telemetry):
                    yield f"{event.audio_s:.0f} s", "", job
                elif isinstance(event, Failed):
                    yield "failed", _row(variant, f"<p>{escape(event.message)}</p>"), job
                elif isinstance(event, Finished):
                    strip = _strip(variant, event.path) if event.path and not event.stopped else ""
                    yield "done", _row(variant, strip, f"{event.figures.get('rtf', 0):.2f} × real time"), job
        finally:
            # Runs on the event loop when the page is closed; only sets flags.
            if not job.ended:
                self._studio.stop(job.id)


def _row(variant: Variant, content: str, about: str = "") -> str:
    return (
        f'<figure class="lw-compared"><figcaption>{escape(variant.name)}'
        f'<span class="lw-about">{about}</span></figcaption>{content}</figure>'
    )


def _strip(variant: Variant, path: Path) -> str:
    """The take's picture with a line at each join, and the take to listen to."""
    source = escape(widgets.file_url(path))
    picture = widgets.picture_url(picture_of(path, PICTURE_WIDTH))
    length_s = variant.request.duration_s or 1.0
    marks = "".join(
        f'<i style="left:{100 * at_s / length_s:.2f}%" title="Join at {at_s:.1f} s"></i>'
        for at_s in variant.joins_s
    )
    return (
        f'<div class="lw-strip"><img src="{picture}" '
        f'alt="Spectrogram: {escape(variant.name)}">{marks}</div>'
        f'<audio controls preload="metadata" src="{source}" aria-label="{escape(variant.name)}">'
        "</audio>"
    )
