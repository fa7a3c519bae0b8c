"""Takes as the Library shows them: cards, those made together in one box, and what lies in the trash."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from studio.core.audio import format_time
from studio.core.errors import InvalidRequestError
from studio.core.modes import MODES
from studio.service.batch.listing import read_about
from studio.service.takes.library import Take, Unreadable
from studio.service.takes.shelf import is_of_a_set, shown
from studio.service.takes.trash import Deleted
from studio.ui.panels.differences import differences
from studio.ui.words import words

NONE = '<p class="lw-none">{}</p>'
TEXT = words.library
STATUSES = {"running": TEXT.being_made, "interrupted": TEXT.interrupted, "failed": TEXT.failed}
PLAY = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path class="lw-icon-play" d="M8 5v14l11-7z"/>'
    '<path class="lw-icon-pause" d="M7 5h4v14H7zm6 0h4v14h-4z"/></svg>'
)


def cards(takes: Sequence[Take], others: Sequence[Unreadable], chosen: str) -> str:
    """The takes to choose from, those made together in one box, and after them those that can't be read."""
    parts = "".join(
        _card(part[0], chosen) if len(part) == 1 else _group(part, chosen) for part in grouped(takes)
    )
    unreadable = "".join(_unreadable(other, chosen) for other in others)
    return f'<div class="lw-takes" role="list" aria-label="{TEXT.list_name}">{parts}{unreadable}</div>'


def more(number: int) -> str:
    """A button that shows so many more; nothing where there are none."""
    if number <= 0:
        return ""
    return f'<button type="button" class="lw-takes-more">{TEXT.more.format(number=number)}</button>'


def grouped(takes: Iterable[Take]) -> list[list[Take]]:
    """Takes, those made together side by side where their first one stands, as they were made."""
    parts: dict[str, list[Take]] = {}
    for take in takes:
        parts.setdefault(take.entry.group_id or take.id, []).append(take)
    return [part if len(part) == 1 else sorted(part, key=_place) for part in parts.values()]


def source_of(take: Take) -> dict[str, Any]:
    """A take as the page's transport plays it."""
    address = _query(take.id)
    loudness = take.about.figures.get("lufs")
    return {
        "id": take.id,
        "title": take.name,
        "url": f"library/sound?{address}",
        "exportUrl": f"library/export?{address}",
        "prepareUrl": f"library/export/prepare?{address}",
        "file": take.path.name,
        "lengthS": take.length_s,
        "lufs": loudness,
        "pictureUrl": f"library/picture?{address}&v={_changed(take)}",
        "mode": take.record.mode,
        "topHz": take.about.sample_rate / 2,
        "extendedHz": take.about.bands.extended_hz if take.about.bands else None,
    }


def trash(deleted: Sequence[Deleted]) -> str:
    """What lies in the trash, each with a button that puts it back."""
    if not deleted:
        return NONE.format(TEXT.trash_empty)
    rows = "".join(
        f'<li><span class="lw-deleted-name">{escape(one.name)}</span>'
        f'<span class="lw-about">{escape(_about_deleted(one))}</span>'
        f'<button type="button" data-take="{escape(one.id)}" '
        f'aria-label="{escape(TEXT.put_back_one.format(name=one.name))}">{TEXT.put_back}</button></li>'
        for one in deleted
    )
    return f'<ul class="lw-deleted">{rows}</ul>'


def made_at(take: Take) -> str:
    """When a take was made, to the minute."""
    return take.about.created[:16].replace("T", " ")


def title_of(mode: str) -> str:
    """What the tab of a mode is called."""
    return MODES[mode].title if mode in MODES else mode


def counted(number: int) -> str:
    """So many takes."""
    return TEXT.one_take if number == 1 else TEXT.takes.format(number=f"{number:,}")


def readable(size: int) -> str:
    """A size that a person reads."""
    if size < 1e5:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e9:.2f} GB"


def status_of(take: Take) -> str:
    """How a take stands, where that is worth a word; empty for a whole one."""
    return STATUSES.get(take.status, "")


def _query(take_id: str) -> str:
    return f"take={quote(take_id, safe='')}"


def _place(take: Take) -> tuple[int, Any]:
    group = take.about.group
    return (group.position if group else 0), take.age


def _group(takes: Sequence[Take], chosen: str) -> str:
    """Takes made together, each with what only it was asked for."""
    badges, by_seed = differences([take.record for take in takes])
    folder = takes[0].folder
    in_set = is_of_a_set(folder)
    kind = TEXT.set if in_set else TEXT.variations if by_seed else TEXT.comparison
    name, actions = _of_set(folder.parent) if in_set else (takes[0].name, "")
    group = takes[0].about.group
    most = max(group.takes if group else 0, len(takes))
    told = (
        TEXT.group.format(kind=kind, takes=counted(most))
        if most == len(takes)
        else TEXT.group_part.format(kind=kind, number=len(takes), takes=most)
    )
    if in_set:  # of many sounds, whose names say what they are
        badges, by_seed = [[] for _ in takes], False
    inside = "".join(_card(take, chosen, own, by_seed) for take, own in zip(takes, badges, strict=True))
    return (
        f'<section class="lw-group" role="listitem"><header><h3>{escape(told)}'
        f'<span class="lw-about">{escape(name)}</span></h3>{actions}'
        f'<button type="button" class="lw-group-select">{TEXT.select_group}</button></header>'
        f'<div class="lw-takes" role="list" aria-label="{escape(told)}">{inside}</div></section>'
    )


def _of_set(folder: Path) -> tuple[str, str]:
    """What a set is called, and what can be done with all of it, if it is one that the studio made."""
    try:
        name = read_about(folder).name
    except InvalidRequestError:
        return shown(folder.name), ""
    address = quote(shown(folder.name), safe="")
    return name, (
        f'<button type="button" class="lw-group-open" data-set="{escape(shown(folder.name))}">'
        f'{TEXT.open_set}</button><a class="lw-group-zip" href="sets/{address}/zip" download>{TEXT.zip}</a>'
    )


def _card(take: Take, chosen: str, differs: Sequence[str] = (), by_seed: bool = False) -> str:
    source, name = source_of(take), escape(take.name)
    star = f'<span class="lw-star" role="img" aria-label="{TEXT.favourite}">★</span>'
    status = status_of(take)
    badges = "".join(
        f'<span class="lw-tag {style}">{escape(text)}</span>'
        for text, style in (
            (title_of(take.record.mode), "lw-tag-tab"),
            *((text, "lw-tag-differs") for text in differs),
            *([(status, "lw-tag-status")] if status else []),
        )
    )
    seed = TEXT.seed.format(seed=take.record.settings.get("seed"))
    about = made_at(take) if by_seed else f"{made_at(take)} · {seed}"
    return (
        f'<article class="lw-take" role="listitem" data-take="{escape(take.id)}" '
        f'data-status="{take.status}" data-source="{escape(json.dumps(source))}">'
        f'<div class="lw-take-picture" draggable="true">'
        f'<img src="{escape(source["pictureUrl"])}" alt="" loading="lazy" draggable="false">'
        f"{_check(name)}"
        f'<button type="button" class="lw-take-play" aria-label="{TEXT.play.format(name=name)}">{PLAY}'
        f'</button><span class="lw-take-length">{format_time(take.length_s)}</span></div>'
        f"{_title(name, take.id == chosen, star if take.about.favourite else '')}"
        f'<div class="lw-tags">{badges}</div>'
        f'<span class="lw-about">{escape(about)}</span></article>'
    )


def _unreadable(other: Unreadable, chosen: str) -> str:
    name = escape(other.name)
    return (
        f'<article class="lw-take lw-unreadable" role="listitem" data-take="{escape(other.id)}">'
        f'<div class="lw-take-picture">{_check(name)}</div>{_title(name, other.id == chosen)}'
        f'<div class="lw-tags"><span class="lw-tag lw-tag-status">{TEXT.unreadable}</span></div>'
        f'<span class="lw-about">{escape(other.reason)}</span></article>'
    )


def _check(name: str) -> str:
    label = TEXT.select.format(name=name)
    return f'<label class="lw-take-check"><input type="checkbox" aria-label="{label}"></label>'


def _title(name: str, chosen: bool, star: str = "") -> str:
    pressed = str(chosen).lower()
    return f'<button type="button" class="lw-take-name" aria-pressed="{pressed}">{star}{name}</button>'


def _about_deleted(one: Deleted) -> str:
    if isinstance(one.found, Unreadable):
        return one.found.reason
    return f"{format_time(one.found.length_s)} · {made_at(one.found)}"


def _changed(take: Take) -> int:
    """When the sound last changed, so that its picture is fetched again then, and not before."""
    try:
        return take.path.stat().st_mtime_ns
    except OSError:
        return 0
