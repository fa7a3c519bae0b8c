"""The comparisons of the tabs: the same prompt and seed in every way, under each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from studio.core.binding import Values
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.events import TERMINAL, Failed, Finished
from studio.evaluation.tagging import AudioTagger
from studio.service.compare import Variant, difference, variants
from studio.service.jobs.job import Job
from studio.service.studio import Studio
from studio.service.takes.library import picture_of
from studio.service.takes.shelf import id_of
from studio.ui import widgets
from studio.ui.callers import client_of
from studio.ui.forms import Form, read_form
from studio.ui.panels.attention import dress
from studio.ui.panels.batches import told
from studio.ui.words import words

SECONDS = 15.0
PICTURE_WIDTH = 600
HEARD = 3  # families in the plot of a sweep
Shown = tuple[Any, Any, Any]
Wanted = Callable[[Values], list[Variant]]
texts = words.compare


def build(studio: Studio, form: Form) -> None:
    """Lay the Infinite tab's comparison out in the column one is in."""
    tab = form.mode
    with gr.Accordion(texts.title, open=False, elem_id=f"{tab}-compare"):
        gr.Markdown(texts.help, elem_classes="lw-said")
        with gr.Row(elem_classes="lw-seed"):
            seconds = gr.Number(SECONDS, label=texts.seconds, elem_id=f"{tab}-compare-seconds", min_width=120)
            buttons = _buttons(tab)
        _bind(tab, Comparison(studio, strategies(studio)), buttons, {"seconds": seconds, **form.fields})


def build_methods(studio: Studio, form: Form, wanted: Wanted, tagger: AudioTagger) -> None:
    """Lay the Sparse tab's comparison out in the column one is in."""
    tab = form.mode
    with gr.Accordion(texts.title, open=False, elem_id=f"{tab}-compare"):
        gr.Markdown(texts.methods_help, elem_classes="lw-said")
        with gr.Row(elem_classes="lw-actions"):
            buttons = _buttons(tab)
        _bind(tab, Comparison(studio, wanted, tagger), buttons, form.fields)


def build_grid(studio: Studio, form: Form, wanted: Wanted) -> None:
    """Lay the Dual tab's grid of scales out in the column one is in."""
    tab = form.mode
    with gr.Accordion(texts.grid, open=False, elem_id=f"{tab}-compare"):
        gr.Markdown(texts.grid_help, elem_classes="lw-said")
        with gr.Row(elem_classes="lw-numbers"):
            text = gr.Textbox("1 4 8", label=texts.text, elem_id=f"{tab}-grid-text", min_width=100)
            acoustic = gr.Textbox(
                "0 4 8", label=texts.acoustic, elem_id=f"{tab}-grid-acoustic", min_width=100
            )
        with gr.Row(elem_classes="lw-actions"):
            buttons = _buttons(tab)
        comparison = Comparison(studio, wanted, AudioTagger(studio.settings.assets), grid=True)
        asked = {"text_scales": text, "acoustic_scales": acoustic, **form.fields}
        _bind(tab, comparison, buttons, asked)


def build_sweep(studio: Studio, form: Form, wanted: Wanted) -> None:
    """Lay the Dual tab's sweep over w, one scale for text and draft, out in the column one is in."""
    part = f"{form.mode}-sweep"
    with gr.Accordion(texts.sweep, open=False, elem_id=part):
        gr.Markdown(texts.sweep_help, elem_classes="lw-said")
        with gr.Row(elem_classes="lw-seed"):
            scales = gr.Textbox("1 2 4 8", label=texts.scales, elem_id=f"{part}-scales", min_width=100)
            buttons = _buttons(part)
        plot = gr.Plot(visible=False, show_label=False, elem_id=f"{part}-plot")
        tagger = AudioTagger(studio.settings.assets)
        comparison = Comparison(studio, wanted, tagger, plotted=True)
        _bind(part, comparison, buttons, {"scales": scales, **form.fields}, plot)


def strategies(studio: Studio) -> Wanted:
    """The Infinite tab's takes to compare, of the seconds and the form's values."""

    def wanted(values: Values) -> list[Variant]:
        if values["continue_from"]:
            raise InvalidRequestError(texts.no_audio)
        return variants(read_form("infinite", values, studio), values["seconds"])

    return wanted


def _buttons(tab: str) -> tuple[gr.Button, gr.Button]:
    start = gr.Button(texts.title, size="sm", elem_id=f"{tab}-compare-start", min_width=80)
    return start, gr.Button(words.form.stop, size="sm", elem_id=f"{tab}-compare-stop", min_width=60)


def _bind(
    tab: str,
    comparison: Comparison,
    buttons: tuple[gr.Button, gr.Button],
    asked: Mapping[str, Any],
    plot: gr.Plot | None = None,
) -> None:
    start, stop = buttons
    said = gr.Markdown("", elem_id=f"{tab}-compared", elem_classes="lw-said")
    rows = gr.HTML("", apply_default_css=False, elem_id=f"{tab}-compare-rows")
    job_id = gr.State("")
    start.click(
        comparison.run, None, [said, rows, job_id, *([plot] if plot else [])], inputs_kwargs=dict(asked),
        show_progress="hidden", concurrency_limit=2, concurrency_id="comparisons", api_visibility="private",
    )  # fmt: skip
    stop.click(comparison.stop, job_id, None, show_progress="hidden", queue=False, api_visibility="private")


class Comparison:
    """Makes the takes in one job and shows each when it is whole."""

    def __init__(
        self,
        studio: Studio,
        wanted: Wanted,
        tagger: AudioTagger | None = None,
        *,
        plotted: bool = False,
        grid: bool = False,
    ) -> None:
        """`wanted` are the takes that a form asks for; with a `tagger`, each is held against the first.

        `plotted`: what the tagger hears of all of them is drawn at the end. `grid`: they are laid out as
        one, by text scale and acoustic scale.
        """
        self._studio = studio
        self._wanted = wanted
        self._tagger = tagger
        self._plotted = plotted
        self._grid = grid

    def run(self, **values: Any) -> Iterator[tuple[Any, ...]]:
        """Yields (what happens, the rows so far, the job) until all are made or it is stopped, with
        a fourth, the plot, where there is one.

        A closed page ends it.
        """
        made: list[tuple[Variant, Path]] = []
        for shown in self._run(values, made):
            yield (*shown, gr.skip()) if self._plotted else shown
        if self._plotted and self._tagger is not None and len(made) > 1:
            heard = [(variant, self._tagger.tag(path, None)) for variant, path in made]
            yield gr.skip(), gr.skip(), "", gr.update(value=sweep_figure(heard), visible=True)

    def _run(self, values: Values, whole: list[tuple[Variant, Path]]) -> Iterator[Shown]:
        job: Job | None = None
        rows: list[str] = []
        try:
            wanted = self._wanted(values)
            job = self._studio.submit_all([variant.request for variant in wanted], client=client_of())
            yield words.takes.starting, "", job.id
            for event in self._studio.events(job.id):
                new = list(zip(wanted, job.outcomes, strict=False))[len(rows) :]
                for variant, outcome in new:
                    rows.append(self._row(variant, outcome, whole))
                    yield gr.skip(), self._laid_out(rows, wanted), job.id
                if job.cancel.is_set() and isinstance(event, TERMINAL):
                    yield texts.stopped, gr.skip(), ""
                elif isinstance(event, TERMINAL):
                    yield texts.made.format(count=len(wanted)), gr.skip(), ""
                elif len(rows) < len(wanted) and (said := told(event)):
                    yield (
                        texts.under_way.format(
                            n=len(rows) + 1, count=len(wanted), name=wanted[len(rows)].name, said=said
                        ),
                        gr.skip(),
                        job.id,
                    )
        except StudioError as error:
            yield str(error), gr.skip(), ""
        finally:
            # Runs on the event loop when the page is closed; only sets flags.
            if job is not None and not job.ended:
                self._studio.stop(job.id)

    def stop(self, job_id: str) -> None:
        """End the comparison with the take that is being made."""
        with suppress(InvalidRequestError):  # nothing is compared
            self._studio.stop(job_id)

    def _laid_out(self, rows: Sequence[str], wanted: Sequence[Variant]) -> str:
        """The rows under each other; those of a grid beside each other, a line for each text scale."""
        if not self._grid:
            return "".join(rows)
        columns = sum(one.request.guidance_scale == wanted[0].request.guidance_scale for one in wanted)
        return f'<div class="lw-grid" style="--columns: {columns}">{"".join(rows)}</div>'

    def _row(self, variant: Variant, outcome: Finished | Failed, whole: list[tuple[Variant, Path]]) -> str:
        """What became of a take, empty for one that was stopped; what is whole joins `whole`."""
        if isinstance(outcome, Failed):
            return _row(variant, f"<p>{escape(outcome.message)}</p>")
        if outcome.path is None or outcome.stopped:
            return ""
        whole.append((variant, outcome.path))
        figures, strip = outcome.figures, _strip(variant, outcome.path)
        if self._tagger is None:
            return _row(variant, strip, texts.speed.format(rtf=f"{figures.get('rtf', 0):.2f}"))
        took_s = figures.get("steps_s", 0)
        heard = ", ".join(f"{name.replace('_', ' ')} {p:.0%}" for name, p in self._tagger.tag(outcome.path))
        first = whole[0][1]
        if first != outcome.path:
            picture = widgets.picture_url(difference(outcome.path, first, PICTURE_WIDTH))
            strip += f'<div class="lw-strip lw-difference"><img src="{picture}" alt="{texts.difference}">'
            strip += "</div>"
        about = f"{took_s:.1f} s · {figures.get('rss_peak_mb', 0):.0f} MB · {heard}"
        return _row(variant, strip, about)


def sweep_figure(heard: Sequence[tuple[Variant, list[tuple[str, float]]]]) -> go.Figure:
    """The judge's shares of the families that it hears most, over the takes' w."""
    total: dict[str, float] = {}
    for _, shares in heard:
        for name, share in shares:
            total[name] = total.get(name, 0.0) + share
    most = sorted(total, key=lambda name: -total[name])[:HEARD]
    figure = go.Figure()
    for name in most:
        figure.add_scatter(
            x=[variant.request.guidance_scale for variant, _ in heard],
            y=[100 * dict(shares).get(name, 0.0) for _, shares in heard],
            name=name.replace("_", " "), mode="lines+markers",
        )  # fmt: skip
    dress(figure, texts.sweep_title)
    figure.update_layout(showlegend=True, plot_bgcolor="rgba(0,0,0,0)")
    figure.update_xaxes(title=texts.scales)
    figure.update_yaxes(range=[0, 105])
    return figure


def _row(variant: Variant, content: str, about: str = "") -> str:
    return (
        f'<figure class="lw-compared"><figcaption>{escape(variant.name)}'
        f'<span class="lw-about">{escape(about)}</span></figcaption>{content}</figure>'
    )


def _strip(variant: Variant, path: Path) -> str:
    """The take's picture with a line at each join, and the take to listen to."""
    source = escape(widgets.take_url(id_of(path)))
    picture = widgets.picture_url(picture_of(path, PICTURE_WIDTH))
    length_s = variant.request.duration_s or 1.0
    marks = "".join(
        f'<i style="left:{100 * at_s / length_s:.2f}%" title="{texts.join.format(at=f"{at_s:.1f}")}"></i>'
        for at_s in variant.joins_s
    )
    return (
        f'<div class="lw-strip"><img src="{picture}" '
        f'alt="{escape(texts.picture.format(name=variant.name))}">{marks}</div>'
        f'<audio controls preload="metadata" src="{source}" aria-label="{escape(variant.name)}">'
        "</audio>"
    )
