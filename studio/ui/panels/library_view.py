"""What the Library's tab shows, and what its buttons do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio.core.audio import format_time
from studio.core.binding import fill
from studio.core.defaults import ModelDefaults
from studio.core.errors import InvalidRequestError, OutOfResourcesError, StudioError
from studio.core.files import disk_error
from studio.core.modes import MODES
from studio.core.preset import Preset
from studio.core.speech import format_script
from studio.service.jobs.intake import RESUMABLE
from studio.service.recordings.mono import MAX_S
from studio.service.studio import Studio
from studio.service.takes.library import Take, settings_of
from studio.service.takes.order import Order
from studio.service.takes.savepoint import SUFFIX
from studio.service.takes.shelf import is_of_a_set
from studio.ui.handing import handed
from studio.ui.panels import cards, take_detail
from studio.ui.panels.cards import counted, readable
from studio.ui.words import words

PAGE = 60  # takes, and as many more each time they are asked for
SHOWN_OF_SET = 12
SHOWN_UNREADABLE = 12  # even where the list is full of others
TEXT = words.library


@dataclass(frozen=True)
class Asked:
    """What the tab is asked to list: words, favourites alone, an order, and how many at the most."""

    words: str = ""
    favourites: bool = False
    order: Order = "newest"
    most: int = PAGE


@dataclass(kw_only=True)
class Shown:
    """What the tab's components show, by the names that the tab has for them; what is None stays as it is."""

    chosen: Any = None
    detail: Any = None
    name: Any = None
    listing: Any = None
    most: Any = None
    about: Any = None
    said: Any = None
    why: Any = None  # a button can't be pressed
    undone: Any = None  # the ids in the trash of what was deleted last, while that can be undone
    doomed: Any = None  # the ids of what could not be moved to the trash, and can be deleted for good
    trash: Any = None
    part: Any = None  # of the page that holds the trash
    opened: Any = None
    extend: Any = None
    favour: Any = None
    resume: Any = None
    rename: Any = None
    delete: Any = None
    undo: Any = None
    erase: Any = None
    empty: Any = None


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
        self._settings = studio.settings
        self._defaults_of = studio.defaults_of

    def listing(self, asked: Asked = Asked(), chosen: str = "") -> str:
        """The cards of the takes asked for, as HTML."""
        takes, others = self._library.find(asked.words, favourites=asked.favourites, order=asked.order)
        if not takes and not others:
            return cards.NONE.format(TEXT.no_match if asked.words or asked.favourites else TEXT.empty)
        listed = _listed(takes, asked.most)
        room = max(asked.most - len(listed), SHOWN_UNREADABLE)
        left = len(takes) - len(listed) + max(0, len(others) - room)
        return cards.cards(listed, others[:room], chosen) + cards.more(min(left, PAGE))

    def refresh(self, chosen: str, asked: Asked) -> Shown:
        """The list as the disk has it now."""
        return self._all(chosen, asked)

    def act(self, asked: Asked, chosen: str, event: Mapping[str, Any]) -> Shown:
        """What was done on the list: `action` to `takes`, ids of the library or, to restore, of the trash."""
        ids = [str(one) for one in event.get("takes", ())]
        match event.get("action"):
            case "choose":
                return self.choose(ids[0] if ids else "")
            case "more":
                return self._listed(
                    Asked(asked.words, asked.favourites, asked.order, asked.most + PAGE), chosen
                )
            case "look":
                return self._listed(asked, chosen)
            case "made":  # a take elsewhere on the page
                return self._held(self._listed(asked, chosen))
            case "favour":
                return self.favour(ids, chosen, asked)
            case "delete":
                return self.delete(ids, chosen, asked)
            case "restore":
                return self.restore(ids, asked)
        return Shown()

    def choose(self, take_id: str) -> Shown:
        """A card was clicked; none where a click took the choice back."""
        return self._chosen(take_id)

    def rename(self, chosen: str, name: str, asked: Asked) -> Shown:
        """Give the chosen take the name typed."""
        return self._done(chosen, asked, lambda: (self._library.rename(chosen, name).id, TEXT.renamed))

    def favour(self, ids: Sequence[str], chosen: str, asked: Asked) -> Shown:
        """Make takes favourites, or no longer where all of them are."""

        def turn() -> tuple[str, str]:
            on = not all(take.about.favourite for take in self._library.get_all(ids))
            self._library.favour_all(ids, on)
            one, all_ = (TEXT.favoured, TEXT.favoured_all) if on else (TEXT.unfavoured, TEXT.unfavoured_all)
            return chosen, one if len(ids) == 1 else all_.format(number=len(ids))

        return self._done(chosen, asked, turn)

    def delete(self, ids: Sequence[str], chosen: str, asked: Asked) -> Shown:
        """Move takes to the trash; where the disk is too full for that, offer more."""
        try:
            deleted = self._library.delete_all(ids)
        except StudioError as error:
            shown = self._all(chosen, asked, str(error))
            if isinstance(error, OutOfResourcesError):
                shown.erase, shown.doomed = _offered(True), tuple(ids)
            return shown
        said = TEXT.deleted if len(ids) == 1 else TEXT.deleted_all.format(number=len(ids))
        shown = self._all("" if chosen in ids else chosen, asked, said)
        shown.undone, shown.undo = tuple(deleted), _offered(True)
        return shown

    def erase(self, doomed: Sequence[str], chosen: str, asked: Asked) -> Shown:
        """Delete takes for good."""

        def erase() -> tuple[str, str]:
            freed = self._library.erase_all(doomed)
            return "" if chosen in doomed else chosen, TEXT.erased.format(size=readable(freed))

        return self._done(chosen, asked, erase)

    def restore(self, deleted: Sequence[str], asked: Asked) -> Shown:
        """Put takes back from the trash; one alone is chosen then."""

        def restore() -> tuple[str, str]:
            back = self._library.trash.restore_all(deleted)
            if len(back) == 1:
                return back[0], TEXT.restored
            return "", TEXT.restored_all.format(number=len(back))

        return self._done("", asked, restore)

    def empty(self, chosen: str, asked: Asked) -> Shown:
        """Delete for good what is in the trash."""
        return self._done(
            chosen, asked, lambda: (chosen, TEXT.emptied.format(size=readable(self._library.trash.empty())))
        )

    def open_take(self, chosen: str) -> Opened:
        """The chosen take's settings, for the form of its tab."""
        try:
            return self._opened(self._library.get(chosen).record)
        except StudioError as error:
            return Opened(said=str(error))

    def extend_take(self, chosen: str) -> Opened:
        """The chosen take's settings, and the take as what the next begins with."""
        try:
            take = self._library.get(chosen)
            if take.status == "running":
                raise InvalidRequestError(TEXT.still_grows)
            if take.about.duration_s > MAX_S:
                raise InvalidRequestError(TEXT.too_long.format(limit=format_time(MAX_S)))
            more = {"continue_from": handed(take.path), "endless": True, "say": left_to_say(take)}
            return self._opened(take.record, **more)
        except StudioError as error:
            return Opened(said=str(error))
        except OSError as error:
            return Opened(said=str(disk_error(error, take.path)))

    def open_file(self, file: str | None) -> Opened:
        """The settings inside an uploaded file, for the form of its tab."""
        try:
            return self._opened(settings_of(Path(file))) if file else Opened()
        except StudioError as error:
            return Opened(said=str(error))

    def _opened(self, record: Preset, **more: Any) -> Opened:
        """A record for the tab that it is of. `more` are values of the Infinite tab's, which then opens it
        whatever it is of.
        """
        mode = "infinite" if more or record.mode not in MODES else record.mode
        return Opened(mode, fill(mode, record, self._own(record, mode)) | more)

    def _own(self, record: Preset, mode: str = "infinite") -> ModelDefaults:
        """What takes of a record's model begin with; of the tab's model where it names none."""
        return self._defaults_of(record.model_id or self._settings.model_of(mode))

    def _done(self, chosen: str, asked: Asked, do: Callable[[], tuple[str, str]]) -> Shown:
        """The tab after `do`, which gives what is chosen then and what was done; or what was wrong."""
        try:
            chosen, said = do()
        except StudioError as error:
            said = str(error)
        return self._all(chosen, asked, said)

    def _all(self, chosen: str, asked: Asked, said: str = "") -> Shown:
        """Everything, as the disk has it now; what was `said` takes the place of what could be undone."""
        shown = self._listed(asked, chosen, self._chosen(chosen))
        if said:
            shown.said, shown.undone, shown.doomed = said, (), ()
            shown.undo, shown.erase = _offered(False), _offered(False)
        deleted = self._library.trash.takes()
        shown.trash, shown.empty = cards.trash(deleted), gr.update(interactive=bool(deleted))
        shown.part = gr.update(label=trash_label(len(deleted), self._library.trash.size()))
        return self._held(shown)

    def _held(self, shown: Shown) -> Shown:
        """With what the library holds."""
        number, size = self._library.holds()
        shown.about = TEXT.holds.format(takes=counted(number), size=readable(size)) if number else ""
        return shown

    def _listed(self, asked: Asked, chosen: str, shown: Shown | None = None) -> Shown:
        shown = shown or Shown()
        shown.listing, shown.most = self.listing(asked, chosen), asked.most
        return shown

    def _chosen(self, take_id: str) -> Shown:
        """What is told of a take, and which of the buttons can be pressed for it."""
        take, here = None, ""
        detail, said, why = take_detail.nobody(), "", ""
        try:
            take = self._library.get(take_id) if take_id else None
        except StudioError as error:
            if any(other.id == take_id for other in self._library.find()[1]):
                here, why = take_id, TEXT.why_unreadable
                detail = take_detail.unreadable(take_id, str(error))
            else:
                said = str(error)
        if take is not None:
            here, why, detail = take.id, unresumable(take), take_detail.detail(take, self._own(take.record))
        whole = take is not None and take.status != "running"
        favourite = take is not None and take.about.favourite
        return Shown(
            chosen=here, detail=detail, name=take.name if take else "", said=said or None,
            why=escape(why),
            opened=gr.update(interactive=take is not None), extend=gr.update(interactive=whole),
            rename=gr.update(interactive=whole),
            delete=gr.update(interactive=whole or bool(here and not take)),
            resume=gr.update(interactive=take is not None and not why),
            favour=gr.update(interactive=whole, value=TEXT.unfavour if favourite else TEXT.favour),
        )  # fmt: skip


def _listed(takes: Sequence[Take], most: int) -> list[Take]:
    """The first so many, with all that were made together with one of them; but of a set, which may be of
    thousands, only the beginning, and more of it as more are asked for.
    """
    together = {one.entry.group_id for one in takes[:most]} - {""}
    room, of_set = SHOWN_OF_SET + most - PAGE, Counter[str]()
    listed: list[Take] = []
    for place, take in enumerate(takes):
        group = take.entry.group_id
        if place >= most and group not in together:
            continue
        if group and is_of_a_set(take.folder):
            of_set[group] += 1
            if of_set[group] > room:
                continue
        listed.append(take)
    return listed


def left_to_say(take: Take) -> str:
    """What of a take's script comes after what was said in it."""
    sentences, said = take.record.request().speech.sentences, take.about.said
    follows = [one.text for one in said] == [one.text for one in sentences[: len(said)]]
    return format_script(sentences[len(said) :]).rstrip("\n") if follows else ""


def unresumable(take: Take) -> str:
    """Why a take can't be resumed, as a sentence; nothing where it can."""
    if take.status == "running":
        return TEXT.why_running
    if take.status not in RESUMABLE:
        return TEXT.why_status.format(status=take.status)
    if not take.path.with_suffix(SUFFIX).is_file():
        return TEXT.why_unsaved
    return ""


def trash_label(takes: int, size: int) -> str:
    """What the trash holds, in a few words."""
    if not takes:
        return TEXT.trash_size.format(size=readable(size)) if size else TEXT.trash
    return TEXT.trash_holds.format(takes=counted(takes), size=readable(size))


def _offered(offered: bool) -> Any:
    """A button that is there only while it can be pressed."""
    return gr.update(visible=offered, interactive=offered)
