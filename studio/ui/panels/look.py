"""What is wrong with a finished take, and where: seams, clicks, holes, silence, repeats, drift."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from studio.core.audio import format_time
from studio.core.errors import StudioError
from studio.service.looks import Looks
from studio.ui.widgets import HIDDEN
from studio.ui.words import words

if TYPE_CHECKING:
    from studio.evaluation.suites.take import TakeLook

texts = words.look
# None, one, or several of a kind.
COUNTED = {
    "seams": (texts.seams_none, texts.seams_one, texts.seams_many),
    "clicks": (texts.clicks_none, texts.clicks_one, texts.clicks_many),
    "dropouts": (texts.dropouts_none, texts.dropouts_one, texts.dropouts_many),
}
MARKS = {
    "seam": texts.mark_seam,
    "click": texts.mark_click,
    "dropout": texts.mark_dropout,
    "again": texts.mark_again,
    "silence": texts.mark_silence,
}
MOST_PLACES = 8
STEREO_LOSS_DB = -3.3  # what two unlike channels lose; beyond it they work against each other
CURVE_POINTS = 240
_ATTACH = "import(new URL('page/look.js', document.baseURI)).then(look => look.attach(element, '{tab}'));"
_CHOSEN = "(asked, token, looking) => [asked, window.longwave?.{tab}?.strip?.selected ?? '', looking]"
Shown = tuple[Any, Any, str]  # words, the card, the name of what goes on


def build(
    looks: Looks,
    tab: str,
    path_of: Callable[[str], Path],
    asked: gr.State,
    in_strip: Callable[[str], Path | None] = lambda token: None,
) -> None:
    """Lay the card out in the column one is in.

    Args:
        looks: what looks through files.
        tab: the elements' ids begin with its name.
        path_of: the file of what is `asked`; raises `StudioError` where there is none.
        asked: holds a job's id, or a take's.
        in_strip: the file of a take by its token. That of the take chosen in the tab's strip goes before what
            is `asked`.
    """
    handlers = Handlers(looks, path_of, in_strip)
    with gr.Accordion(texts.title, open=False, elem_id=f"{tab}-look"):
        gr.Markdown(texts.help, elem_classes="lw-said")
        with gr.Row(elem_classes="lw-actions"):
            start = gr.Button(texts.start, size="sm", elem_id=f"{tab}-look-start", min_width=80)
            stop = gr.Button(words.form.stop, size="sm", elem_id=f"{tab}-look-stop", min_width=60)
        said = gr.Markdown("", elem_id=f"{tab}-look-said", elem_classes="lw-said")
        card = gr.HTML(
            "", js_on_load=_ATTACH.format(tab=tab), apply_default_css=False, elem_id=f"{tab}-look-card"
        )
    looking = gr.State("")
    token = gr.Textbox("", visible=False)  # no state: the page's scripts alone know which take is chosen
    # By default Gradio drops a press while it tidies up after the one before. A press always begins anew.
    start.click(
        handlers.look, [asked, token, looking], [said, card, looking], js=_CHOSEN.format(tab=tab),
        show_progress="hidden", trigger_mode="multiple",
        concurrency_limit=2, concurrency_id="looks", api_visibility="private",
    )  # fmt: skip
    stop.click(handlers.stop, looking, None, **HIDDEN)
    # What is told is of one take, and names it: it goes when another is made, or chosen in the Library.
    asked.change(handlers.leave, looking, [said, card], **HIDDEN)


class Handlers:
    """What the buttons do."""

    def __init__(
        self,
        looks: Looks,
        path_of: Callable[[str], Path],
        in_strip: Callable[[str], Path | None] = lambda token: None,
    ) -> None:
        self._looks = looks
        self._path_of = path_of
        self._in_strip = in_strip
        self._going: dict[str, threading.Event] = {}

    def look(self, asked: str, token: str = "", before: str = "") -> Iterator[Shown]:
        """Yields how far it is, then what was found, with the name to `stop` it by; a closed page ends it.

        `token` is of the take in the strip that is chosen; without one it is what is `asked`. The look of the
        name `before` ends without another word.
        """
        if (other := self._going.pop(before, None)) is not None:
            other.set()
        name, stopped = secrets.token_hex(8), threading.Event()
        self._going[name] = stopped
        try:
            for step in self._looks.look(self._in_strip(token) or self._path_of(asked)):
                if stopped.is_set():
                    if name in self._going:
                        yield texts.stopped, gr.skip(), ""
                    return
                if isinstance(step, float):
                    yield texts.under_way.format(share=f"{100 * step:.0f} %"), gr.skip(), name
                else:
                    yield "", card(step), ""
        except StudioError as error:
            yield str(error), "", ""
        finally:
            self._going.pop(name, None)

    def stop(self, name: str) -> None:
        """End the look of this name, if it still goes on."""
        if (stopped := self._going.get(name)) is not None:
            stopped.set()

    def leave(self, name: str) -> tuple[str, str]:
        """End it, and tell nothing more of its take."""
        self.stop(name)
        return "", ""


def card(look: TakeLook) -> str:
    """What was found in sentences, whose times can be pressed, and in a picture of the take's length."""
    lines = "".join(f"<li>{sentence}</li>" for sentence in sentences(look))
    return (
        f'<div class="lw-look" data-file="{escape(look.name)}" data-length="{look.duration_s:.3f}">'
        f"<h4>{escape(look.name)}</h4>{_picture(look)}<ul>{lines}</ul></div>"
    )


def sentences(look: TakeLook) -> list[str]:
    """What was found, as HTML: the faults first, then how the take is."""
    again = look.repetition
    said = [
        _places("seams", [seam.at_s for seam in look.seams]),
        _places("clicks", look.clicks_s),
        _places("dropouts", [span.at_s for span in look.dropouts]),
        _repeated(look),
        _drift(look),
    ]
    if again.lags and again.lags[0][1] >= 0.5:
        said.append(texts.like_itself.format(lag=f"{again.lags[0][0]:.1f}"))
    if look.silence:
        seconds = f"{sum(span.length_s for span in look.silence):.1f}"
        said.append(texts.silence.format(seconds=seconds, places=_times([s.at_s for s in look.silence])))
    said.append(_level(look))
    if look.mono is not None:
        said.append(_mono(look.mono.loss_db))
    if look.broken_samples:
        said.append(texts.broken.format(count=look.broken_samples))
    return [one for one in said if one]


def _places(kind: str, seconds: Sequence[float]) -> str:
    text: str = COUNTED[kind][min(2, len(seconds))]
    return text.format(count=len(seconds), places=_times(seconds))


def _repeated(look: TakeLook) -> str:
    again = look.repetition
    if again.share is None:
        return str(texts.again_unknown)
    if not again.again:
        return str(texts.again_none)
    longest = sorted(again.again, key=lambda one: -one.length_s)[:MOST_PLACES]
    pairs = [
        texts.again_place.format(at=_time(one.at_s), origin=_time(one.from_s))
        for one in sorted(longest, key=lambda one: one.at_s)
    ]
    return str(texts.again.format(share=f"{100 * again.share:.0f}", places=", ".join(pairs)))


def _drift(look: TakeLook) -> str:
    if look.drift is None:
        return str(texts.drift_unknown)
    return str(texts.drift if look.drift.rises else texts.drift_none)


def _level(look: TakeLook) -> str:
    level = look.level.as_json()
    if level["integrated_lufs"] is None or level["true_peak_dbtp"] is None:
        return str(texts.level_none)
    return str(
        texts.level.format(
            lufs=_signed(level["integrated_lufs"]),
            peak=_signed(level["true_peak_dbtp"]),
            band=f"{look.bandwidth_hz / 1000:.1f}",
        )
    )


def _mono(loss_db: float) -> str:
    if loss_db < 2 * STEREO_LOSS_DB:
        return str(texts.mono_gone)
    return str(
        (texts.mono_loses if loss_db < STEREO_LOSS_DB else texts.mono).format(db=f"{max(0.0, -loss_db):.1f}")
    )


def _signed(figure: float) -> str:
    return f"{figure:.1f}".replace("-", "\N{MINUS SIGN}")


def _times(seconds: Sequence[float]) -> str:
    """The first of them to press, and how many more there are."""
    listed = ", ".join(_time(at_s) for at_s in seconds[:MOST_PLACES])
    left = len(seconds) - MOST_PLACES
    return listed if left <= 0 else texts.more.format(places=listed, count=left)


def _time(at_s: float) -> str:
    time = format_time(at_s)
    return (
        f'<button type="button" class="lw-place" data-at="{at_s:.3f}" '
        f'aria-label="{texts.play_from.format(time=time)}">{time}</button>'
    )


def _picture(look: TakeLook) -> str:
    """Loudness over time with a line at each place; pressed anywhere, it plays from there."""
    marks = [
        *(("seam", seam.at_s, 0.0) for seam in look.seams),
        *(("click", at_s, 0.0) for at_s in look.clicks_s[:500]),
        *(("dropout", span.at_s, span.length_s) for span in look.dropouts),
        *(("again", one.at_s, one.length_s) for one in look.repetition.again),
        *(("silence", span.at_s, span.length_s) for span in look.silence),
    ]
    drawn = "".join(
        f'<i class="lw-{kind}" style="left:{100 * at / look.duration_s:.3f}%;'
        f'width:{100 * length / look.duration_s:.3f}%" title="{_mark_name(kind, at)}"></i>'
        for kind, at, length in marks
    )
    kinds = {kind for kind, _, _ in marks}
    key = "".join(
        f'<span><i class="lw-{kind}"></i>{name}</span>' for kind, name in MARKS.items() if kind in kinds
    )
    return (
        f'<div class="lw-look-picture"><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{texts.picture}"><polyline points="{_curve(look)}"/></svg>{drawn}</div>'
        f'<p class="lw-look-key">{key}</p>'
    )


def _mark_name(kind: str, at_s: float) -> str:
    return f"{MARKS[kind]}, {format_time(at_s)}"


def _curve(look: TakeLook) -> str:
    """Short-term loudness in a square of 100 × 100, from 40 LU below the loudest up to it."""
    values = look.level.short_term_lufs
    if not len(values) or not np.isfinite(values).any():
        return "0,99 100,99"
    top = float(values[np.isfinite(values)].max())
    chosen = np.unique(np.linspace(0, len(values) - 1, CURVE_POINTS).astype(int))
    heights = np.clip((np.maximum(values[chosen], top - 40) - (top - 40)) / 40, 0, 1)
    places = np.clip(100 * (1.5 + 0.1 * chosen) / look.duration_s, 0, 100)
    return " ".join(f"{x:.2f},{95 - 85 * y:.2f}" for x, y in zip(places, heights, strict=True))
