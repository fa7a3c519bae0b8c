"""The tab "Library": every take, found again, kept in order, opened as settings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from studio.core.audio import format_time
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.preset import Preset
from studio.service.jobs import RESUMABLE, Studio
from studio.service.library import Take, picture_of, settings_of
from studio.service.recording import MAX_S
from studio.ui import dual, sparse, widgets
from studio.ui.dual import DualTab
from studio.ui.form import FormValues, fill_form
from studio.ui.infinite import InfiniteTab
from studio.ui.sparse import SparseTab

TAB = "library"
SHOWN = 60  # a list longer than this is better searched than read
_EMPTY = '<p class="lw-none">{}</p>'
_PICK = """
element.addEventListener('click', (event) => {
  const card = event.target.closest('[data-take]');
  if (card) trigger('click', { take: card.dataset.take });
});
"""


# Each tab's fields, and how a record fills them, in the order in which the page hands them over.
_FILLED: dict[str, tuple[Any, Any]] = {
    "infinite": (FormValues, fill_form),
    sparse.TAB: (sparse.FormValues, sparse.fill_form),
    dual.TAB: (dual.FormValues, dual.fill_form),
}
Shown = tuple[str, str, str, str, str, Any]  # chosen, detail, name, list, what was done, the button "Resume"


def build(
    studio: Studio, tabs: gr.Tabs, tab: gr.Tab, player: InfiniteTab, clips: SparseTab, drafted: DualTab
) -> None:
    """Lay the `tab` out; takes are opened in the others of the `tabs`, and resumed in `player`."""
    view = LibraryView(studio)
    with gr.Row(elem_classes="lw-search"):
        words = gr.Textbox(
            label="Search",
            placeholder="Words of the name or prompt, or a seed",
            elem_id=f"{TAB}-search",
            scale=4,
        )
        favourites = gr.Checkbox(label="Favourites", elem_id=f"{TAB}-favourites", min_width=110)
        refresh = gr.Button("Refresh", elem_id=f"{TAB}-refresh", min_width=90)
    with gr.Row(elem_classes="lw-columns"):
        with gr.Column(scale=7, min_width=320):
            listing = gr.HTML(js_on_load=_PICK, apply_default_css=False, elem_id=f"{TAB}-list")
        with gr.Column(scale=4, min_width=320, elem_classes="lw-form"):
            chosen = gr.State("")
            detail = gr.HTML(view.detail(""), apply_default_css=False, elem_id=f"{TAB}-detail")
            name = gr.Textbox(label="Name", elem_id=f"{TAB}-name", max_lines=1)
            with gr.Row(elem_classes="lw-actions"):
                opened = gr.Button(
                    "Open its settings", variant="primary", elem_id=f"{TAB}-open", min_width=120
                )
                extend = gr.Button("Go on from its end", elem_id=f"{TAB}-extend", min_width=120)
                favour = gr.Button("Favourite", elem_id=f"{TAB}-favour", min_width=90)
            with gr.Row(elem_classes="lw-actions"):
                resume = gr.Button("Resume", interactive=False, elem_id=f"{TAB}-resume", min_width=90)
                rename = gr.Button("Rename", elem_id=f"{TAB}-rename", min_width=90)
                delete = gr.Button("Delete", elem_id=f"{TAB}-delete", min_width=90)
            said = gr.Markdown("", elem_id=f"{TAB}-said", elem_classes="lw-said")
            file = gr.File(
                label="Settings from a file made here",
                file_types=[".json", ".wav", ".flac", ".mp3", ".ogg"], elem_id=f"{TAB}-file", height=140,
            )  # fmt: skip
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    asked = [words, favourites]
    shown = [chosen, detail, name, listing, said, resume]
    gr.on(
        [words.change, favourites.change, refresh.click, tab.select], view.listing, asked, listing,
        trigger_mode="always_last", **hidden,
    )  # fmt: skip
    listing.click(view.choose, asked, shown, **hidden)
    rename.click(view.rename, [chosen, name, *asked], shown, **hidden)
    favour.click(view.favour, [chosen, *asked], shown, **hidden)
    delete.click(view.delete, [chosen, *asked], shown, **hidden)
    fields = [*player.form.fields, *clips.fields, *drafted.fields]
    opened.click(view.open_take, [chosen, *fields], [tabs, *fields, said], **hidden)
    extend.click(view.extend_take, [chosen, *fields], [tabs, *fields, said], **hidden)
    file.upload(view.open_file, [file, *fields], [tabs, *fields, said], **hidden)
    shows = resume.click(lambda: gr.Tabs(selected="infinite"), None, tabs, queue=False, **hidden)
    player.follow(shows.then, player.handlers.resume, [chosen, player.followed[3]])


class LibraryView:
    """What the tab shows, and what its buttons do. Every answer fits the components it goes to."""

    def __init__(self, studio: Studio) -> None:
        self._library = studio.library

    def listing(self, words: str = "", favourites: bool = False, chosen: str = "") -> str:
        """The cards of the takes asked for, as HTML."""
        found = list(islice(self._library.takes(words, favourites=favourites), SHOWN + 1))
        if not found:
            said = (
                "Nothing like that." if words or favourites else "No takes yet: press Generate in Infinite."
            )
            return _EMPTY.format(said)
        more = _EMPTY.format("There are more: search for the one you mean.") if found[SHOWN:] else ""
        cards = "".join(_card(take, take.id == chosen) for take in found[:SHOWN])
        return f'<div class="lw-takes">{cards}</div>{more}'

    def detail(self, take_id: str) -> str:
        """One take to listen to, as HTML."""
        if not take_id:
            return _EMPTY.format("Choose a take to hear it.")
        take = self._library.get(take_id)
        source = widgets.file_url(take.path)
        rows = "".join(
            f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in _facts(take).items()
        )
        return (
            f'<audio controls preload="metadata" src="{escape(source)}" aria-label="The chosen take"></audio>'
            f'<dl class="lw-facts">{rows}</dl>'
            f'<a href="{escape(source)}" download>Download {escape(take.path.name)}</a>'
        )

    def choose(self, words: str, favourites: bool, event: gr.EventData) -> Shown:
        """A card was clicked."""
        return self._shown(str(event._data.get("take", "")), words, favourites, "")

    def rename(self, chosen: str, name: str, words: str, favourites: bool) -> Shown:
        """Give the chosen take the name typed."""
        try:
            chosen = self._library.rename(chosen, name).id
        except StudioError as error:
            return self._shown(chosen, words, favourites, str(error))
        return self._shown(chosen, words, favourites, "Renamed.")

    def favour(self, chosen: str, words: str, favourites: bool) -> Shown:
        """Make the chosen take a favourite, or no longer."""
        try:
            on = not self._library.get(chosen).about.favourite
            self._library.favour(chosen, on)
        except StudioError as error:
            return self._shown(chosen, words, favourites, str(error))
        return self._shown(chosen, words, favourites, "A favourite now." if on else "No favourite any more.")

    def delete(self, chosen: str, words: str, favourites: bool) -> Shown:
        """Move the chosen take to the trash folder."""
        try:
            self._library.delete(chosen)
        except StudioError as error:
            return self._shown(chosen, words, favourites, str(error))
        return self._shown("", words, favourites, "Moved to the trash.")

    def open_take(self, chosen: str, *values: Any) -> tuple[Any, ...]:
        """The chosen take's settings into the form of its tab."""
        try:
            return _opened(self._library.get(chosen).record, values)
        except StudioError as error:
            return _unchanged(values, str(error))

    def extend_take(self, chosen: str, *values: Any) -> tuple[Any, ...]:
        """The chosen take's settings into the form, and the take as what the next begins with."""
        try:
            take = self._library.get(chosen)
            if take.status == "running":
                raise InvalidRequestError("This take still grows: stop it first.")
            if take.about.duration_s > MAX_S:
                limit = format_time(MAX_S)
                raise InvalidRequestError(
                    f"This take is longer than {limit}: export its end, and go on from that."
                )
            more = {"continue_from": str(take.path.resolve()), "endless": True}
            return _opened(take.record, values, **more)
        except StudioError as error:
            return _unchanged(values, str(error))

    def open_file(self, file: str | None, *values: Any) -> tuple[Any, ...]:
        """The settings inside an uploaded file into the form of its tab."""
        try:
            return _opened(settings_of(Path(file)), values) if file else _unchanged(values)
        except StudioError as error:
            return _unchanged(values, str(error))

    def _shown(self, chosen: str, words: str, favourites: bool, said: str) -> Shown:
        try:
            detail = self.detail(chosen)
            take = self._library.get(chosen) if chosen else None
        except StudioError as error:
            chosen, detail, take, said = "", self.detail(""), None, said or str(error)
        name = take.record.name if take else ""
        can_go_on = gr.update(interactive=take is not None and take.status in RESUMABLE)
        return chosen, detail, name, self.listing(words, favourites, chosen), said, can_go_on


def _opened(record: Preset, values: Sequence[Any], **more: Any) -> tuple[Any, ...]:
    """The tab that a record is of, and the values of all tabs' fields: those of the others stay.

    `more` are values of the Infinite tab's, which then opens the record whatever it is of.
    """
    parts = _by_tab(values)
    mode = "infinite" if more or record.mode not in _FILLED else record.mode
    skipped = {tab: tuple(gr.skip() for _ in part) for tab, part in parts.items()}
    fields, fill = _FILLED[mode]
    filled = fill(record, fields(*parts[mode]))
    shown = {**skipped, mode: tuple(filled._replace(**more) if more else filled)}
    return gr.Tabs(selected=mode), *(value for part in shown.values() for value in part), ""


def _by_tab(values: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """The values of all tabs' fields, apart."""
    parts, start = {}, 0
    for tab, (fields, _) in _FILLED.items():
        end = start + len(fields._fields)
        parts[tab] = values[start:end]
        start = end
    return parts


def _unchanged(values: Sequence[Any], said: str = "") -> tuple[Any, ...]:
    return gr.skip(), *(gr.skip() for _ in values), said


def _card(take: Take, chosen: bool) -> str:
    star = '<span class="lw-star" title="Favourite">★</span>' if take.about.favourite else ""
    status = "" if take.status in ("finished", "stopped") else f" · {take.status}"
    about = f"{format_time(take.about.duration_s)} · seed {take.record.settings.get('seed')}{status}"
    pressed = str(chosen).lower()
    return (
        f'<button type="button" class="lw-take" data-take="{escape(take.id)}" aria-pressed="{pressed}">'
        f'<img src="{_picture(take.path, _changed(take))}" alt="" loading="lazy">'
        f'<span class="lw-title">{star}{escape(take.record.name)}</span>'
        f'<span class="lw-about">{escape(about)}</span>'
        f'<span class="lw-about">{escape(take.about.created.replace("T", " "))}</span></button>'
    )


def _facts(take: Take) -> dict[str, str]:
    settings = take.record.settings
    model = settings.get("model")
    return {
        "Prompt": take.prompts,
        "Length": format_time(take.about.duration_s),
        "Seed": str(settings.get("seed")),
        "Model": str(model.get("id") if isinstance(model, dict) else ""),
        **({"Goes on from": take.about.source.file} if take.about.source else {}),
        "Made": take.about.created.replace("T", " "),
        "Status": take.status,
    }


def _changed(take: Take) -> int:
    """When the sound last changed; one that still grows has one picture for now."""
    return 0 if take.status == "running" else take.path.stat().st_mtime_ns


@lru_cache(maxsize=512)
def _picture(path: Path, changed_ns: int) -> str:
    try:
        return widgets.picture_url(picture_of(path))
    except StudioError:
        return ""
