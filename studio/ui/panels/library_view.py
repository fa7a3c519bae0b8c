"""What the Library's tab shows, and what its buttons do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio.core.audio import format_time
from studio.core.binding import fill
from studio.core.errors import InvalidRequestError, OutOfResourcesError, StudioError
from studio.core.files import disk_error
from studio.core.modes import MODES
from studio.core.preset import Preset
from studio.service.jobs.intake import RESUMABLE
from studio.service.recordings.mono import MAX_S
from studio.service.studio import Studio
from studio.service.takes.library import Take, settings_of
from studio.service.takes.savepoint import SUFFIX
from studio.ui.handing import handed
from studio.ui.panels import cards

SHOWN = 60  # a list longer than this is better searched than read
SHOWN_UNREADABLE = 12  # even where the list is full of others
NOBODY = "Choose a take to hear it."


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the tab's components show, by the names that the tab has for them."""

    chosen: str
    detail: str
    name: str
    listing: str
    said: str
    why: str  # Resume can't be pressed
    undone: Any = ""  # the id in the trash of what was deleted last, while that can be undone
    trash: str
    part: Any  # of the page that holds the trash
    opened: Any
    extend: Any
    favour: Any
    resume: Any
    rename: Any
    delete: Any
    undo: Any
    erase: Any
    empty: Any


@dataclass(frozen=True)
class Opened:
    """The tab that a record's settings go to, if they go anywhere, and what its fields hold then, by name."""

    mode: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    said: str = ""


class LibraryView:
    """What the tab shows, and what its buttons do. Every answer fits the components it goes to."""

    def __init__(self, studio: Studio) -> None:
        self._library = studio.library

    def listing(self, words: str = "", favourites: bool = False, chosen: str = "") -> str:
        """The cards of the takes asked for, as HTML."""
        takes, others = self._library.find(words, favourites=favourites)
        if not takes and not others:
            said = (
                "Nothing like that." if words or favourites else "No takes yet: press Generate in Infinite."
            )
            return cards.NONE.format(said)
        more = cards.NONE.format("There are more: search for the one you mean.")
        left = max(0, SHOWN - len(takes))
        shown = cards.cards(takes[:SHOWN], others[: max(left, SHOWN_UNREADABLE)], chosen)
        return shown + (more if len(takes) > SHOWN or len(others) > max(left, SHOWN_UNREADABLE) else "")

    def detail(self, take_id: str) -> str:
        """One take to listen to, as HTML."""
        return cards.detail(self._library.get(take_id)) if take_id else cards.NONE.format(NOBODY)

    def refresh(self, chosen: str, words: str, favourites: bool) -> Shown:
        """The list as the disk has it now."""
        return self._shown(chosen, words, favourites)

    def choose(self, words: str, favourites: bool, event: gr.EventData) -> Shown:
        """A card was clicked."""
        return self._shown(str(event._data.get("take", "")), words, favourites)

    def rename(self, chosen: str, name: str, words: str, favourites: bool) -> Shown:
        """Give the chosen take the name typed."""
        return self._done(
            chosen, words, favourites, lambda: (self._library.rename(chosen, name).id, "Renamed.")
        )

    def favour(self, chosen: str, words: str, favourites: bool) -> Shown:
        """Make the chosen take a favourite, or no longer."""

        def turn() -> tuple[str, str]:
            on = not self._library.get(chosen).about.favourite
            self._library.favour(chosen, on)
            return chosen, "A favourite now." if on else "No favourite any more."

        return self._done(chosen, words, favourites, turn)

    def delete(self, chosen: str, words: str, favourites: bool) -> Shown:
        """Move the chosen take to the trash; where the disk is too full for that, offer more."""
        try:
            deleted = self._library.delete(chosen)
        except StudioError as error:
            shown = self._shown(chosen, words, favourites, str(error))
            full = isinstance(error, OutOfResourcesError)
            return replace(shown, erase=gr.update(visible=full, interactive=full))
        undo = gr.update(visible=True, interactive=True)
        shown = self._shown("", words, favourites, "Moved to the trash.")
        return replace(shown, undone=deleted, undo=undo)

    def erase(self, chosen: str, words: str, favourites: bool) -> Shown:
        """Delete the chosen take for good."""
        return self._done(
            chosen, words, favourites,
            lambda: ("", f"Deleted: {readable(self._library.erase(chosen))} freed."),
        )  # fmt: skip

    def restore(self, deleted: str, words: str, favourites: bool) -> Shown:
        """Put a take back from the trash, and choose it."""
        return self._done("", words, favourites, lambda: (self._library.trash.restore(deleted), "Put back."))

    def put_back(self, words: str, favourites: bool, event: gr.EventData) -> Shown:
        """A take in the trash was clicked."""
        return self.restore(str(event._data.get("take", "")), words, favourites)

    def empty(self, chosen: str, words: str, favourites: bool) -> Shown:
        """Delete for good what is in the trash."""
        return self._done(
            chosen, words, favourites,
            lambda: (chosen, f"The trash is empty: {readable(self._library.trash.empty())} freed."),
        )  # fmt: skip

    def open_take(self, chosen: str) -> Opened:
        """The chosen take's settings, for the form of its tab."""
        try:
            return _opened(self._library.get(chosen).record)
        except StudioError as error:
            return Opened(said=str(error))

    def extend_take(self, chosen: str) -> Opened:
        """The chosen take's settings, and the take as what the next begins with."""
        try:
            take = self._library.get(chosen)
            if take.status == "running":
                raise InvalidRequestError("This take still grows: stop it first.")
            if take.about.duration_s > MAX_S:
                limit = format_time(MAX_S)
                raise InvalidRequestError(
                    f"This take is longer than {limit}: export its end, and go on from that."
                )
            return _opened(take.record, continue_from=handed(take.path), endless=True)
        except StudioError as error:
            return Opened(said=str(error))
        except OSError as error:
            return Opened(said=str(disk_error(error, take.path)))

    def open_file(self, file: str | None) -> Opened:
        """The settings inside an uploaded file, for the form of its tab."""
        try:
            return _opened(settings_of(Path(file))) if file else Opened()
        except StudioError as error:
            return Opened(said=str(error))

    def _done(self, chosen: str, words: str, favourites: bool, do: Callable[[], tuple[str, str]]) -> Shown:
        """The tab after `do`, which gives what is chosen then and what was done; or what was wrong."""
        try:
            chosen, said = do()
        except StudioError as error:
            said = str(error)
        return self._shown(chosen, words, favourites, said)

    def _shown(self, chosen: str, words: str, favourites: bool, said: str = "") -> Shown:
        take, detail = None, cards.NONE.format(NOBODY)
        found = chosen
        if chosen:
            try:
                take = self._library.get(chosen)
                detail = cards.detail(take)
            except StudioError as error:
                here = any(other.id == chosen for other in self._library.find()[1])
                found = chosen if here else ""
                detail = cards.NONE.format(escape(str(error))) if here else detail
                said = said or ("" if here else str(error))
        why = unresumable(take) if take else ""
        can, can_delete = gr.update(interactive=take is not None), gr.update(interactive=bool(found))
        deleted, gone = self._library.trash.takes(), gr.update(visible=False, interactive=False)
        return Shown(
            chosen=found, detail=detail, name=take.record.name if take else "",
            listing=self.listing(words, favourites, found), said=said, why=why, trash=cards.trash(deleted),
            part=gr.update(label=trash_label(len(deleted), self._library.trash.size())),
            opened=can, extend=can, favour=can, rename=can, delete=can_delete,
            resume=gr.update(interactive=take is not None and not why),
            undo=gone, erase=gone, empty=gr.update(interactive=bool(deleted)),
        )  # fmt: skip


def unresumable(take: Take) -> str:
    """Why a take can't be resumed, as a sentence; nothing where it can."""
    if take.status == "running":
        return "Resume waits: this take is being made."
    if take.status not in RESUMABLE:
        return f"Resume is for interrupted takes: this one is {take.status}."
    if not take.path.with_suffix(SUFFIX).is_file():
        return "This take can't be resumed: it was not saved on the way. Open its settings to make it anew."
    return ""


def trash_label(takes: int, size: int) -> str:
    """What the trash holds, in a few words."""
    if not takes:
        return "Trash" if not size else f"Trash · {readable(size)}"
    return f"Trash · {takes} take{'s' if takes > 1 else ''}, {readable(size)}"


def readable(size: int) -> str:
    """A size that a person reads."""
    if size < 1e5:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e9:.2f} GB"


def _opened(record: Preset, **more: Any) -> Opened:
    """A record for the tab that it is of. `more` are values of the Infinite tab's, which then opens it
    whatever it is of.
    """
    mode = "infinite" if more or record.mode not in MODES else record.mode
    return Opened(mode, fill(mode, record) | more)
