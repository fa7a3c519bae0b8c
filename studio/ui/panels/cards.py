"""Takes as the Library shows them: cards, what is known of one, and what lies in the trash."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from pathlib import Path

from studio.core.audio import format_time
from studio.core.errors import StudioError
from studio.core.request import GenerationRequest
from studio.service.takes.library import Take, Unreadable, picture_of
from studio.service.takes.trash import Deleted
from studio.ui import widgets

ATTENTION = {"dense": "dense attention", "lite_focus": "LiteFocus", "token_merging": "token merging"}
NONE = '<p class="lw-none">{}</p>'


def cards(takes: Sequence[Take], others: Sequence[Unreadable], chosen: str) -> str:
    """The takes to choose from, and after them those that can't be read, each with its reason."""
    shown = "".join(_card(take, take.id == chosen) for take in takes)
    unreadable = "".join(_unreadable(other, other.id == chosen) for other in others)
    return f'<div class="lw-takes">{shown}{unreadable}</div>'


def detail(take: Take) -> str:
    """One take to listen to, to download and to know about."""
    source = escape(widgets.take_url(take.id))
    rows = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in _facts(take).items())
    return (
        f'<audio controls preload="metadata" src="{source}" aria-label="The chosen take"></audio>'
        f'<dl class="lw-facts">{rows}</dl>'
        f'<a href="{source}&amp;download=1" download>Download {escape(take.path.name)}</a>'
    )


def trash(deleted: Sequence[Deleted]) -> str:
    """What lies in the trash, each with a button that puts it back."""
    if not deleted:
        return NONE.format("The trash is empty.")
    rows = "".join(
        f'<li><span class="lw-title">{escape(one.name)}</span>'
        f'<span class="lw-about">{escape(_about_deleted(one))}</span>'
        f'<button type="button" data-take="{escape(one.id)}" '
        f'aria-label="Put back {escape(one.name)}">Put back</button></li>'
        for one in deleted
    )
    return f'<ul class="lw-deleted">{rows}</ul>'


def how(request: GenerationRequest) -> str:
    """What tells a take from others of the same prompt and seed, as those of a comparison are."""
    parts = []
    if request.sampler.kind == "endless":
        parts.append(f"strategy {request.sampler.strategy}")
    elif request.sampler.kind == "concat":
        parts.append("joined clips")
    if request.mode == "sparse" or request.attention.kind != "dense":
        ratio = "" if request.attention.kind == "dense" else f" {_number(request.attention.ratio)}"
        parts.append(ATTENTION[request.attention.kind] + ratio)
    if request.draft.kind == "none":
        parts.append(f"guidance {_number(request.guidance_scale)}")
    else:
        parts.append(f"text {_number(request.guidance_scale)}")
        parts.append(f"acoustic {_number(request.acoustic_scale)}")
        parts.extend([f"strength {_number(request.draft.strength)}"] if request.draft.strength < 1 else [])
    return " · ".join(parts)


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _card(take: Take, chosen: bool) -> str:
    star = '<span class="lw-star" title="Favourite">★</span>' if take.about.favourite else ""
    status = "" if take.status in ("finished", "stopped") else f" · {take.status}"
    about = f"{format_time(take.about.duration_s)} · seed {take.record.settings.get('seed')}{status}"
    return (
        f'<button type="button" class="lw-take" data-take="{escape(take.id)}" '
        f'aria-pressed="{str(chosen).lower()}">'
        f'<img src="{_picture(take.path, _changed(take))}" alt="" loading="lazy">'
        f'<span class="lw-title">{star}{escape(take.record.name)}</span>'
        f'<span class="lw-about">{escape(about)}</span>'
        f'<span class="lw-about">{escape(how(take.record.request()))}</span>'
        f'<span class="lw-about">{escape(take.about.created.replace("T", " "))}</span></button>'
    )


def _unreadable(other: Unreadable, chosen: bool) -> str:
    return (
        f'<button type="button" class="lw-take lw-unreadable" data-take="{escape(other.id)}" '
        f'aria-pressed="{str(chosen).lower()}"><span class="lw-title">{escape(other.name)}</span>'
        f'<span class="lw-about">{escape(other.reason)}</span></button>'
    )


def _facts(take: Take) -> dict[str, str]:
    settings = take.record.settings
    model = settings.get("model")
    return {
        "Prompt": take.prompts,
        "Length": format_time(take.about.duration_s),
        "Seed": str(settings.get("seed")),
        "How": how(take.record.request()),
        "Model": str(model.get("id") if isinstance(model, dict) else ""),
        **({"Goes on from": take.about.source.file} if take.about.source else {}),
        "Made": take.about.created.replace("T", " "),
        "Status": take.status,
    }


def _about_deleted(one: Deleted) -> str:
    if isinstance(one.found, Unreadable):
        return one.found.reason
    about = one.found.about
    return f"{format_time(about.duration_s)} · {about.created.replace('T', ' ')}"


def _changed(take: Take) -> int:
    """When the sound last changed; one that still grows, or has just gone, has one picture for now."""
    try:
        return 0 if take.status == "running" else take.path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=512)
def _picture(path: Path, changed_ns: int) -> str:
    try:
        return widgets.picture_url(picture_of(path))
    except StudioError:
        return ""
