"""What is known of the take that was chosen in the Library."""

from __future__ import annotations

import json
from html import escape

from studio.core.audio import format_time
from studio.core.defaults import ModelDefaults
from studio.service.takes.export import FORMATS
from studio.service.takes.library import Take
from studio.service.takes.trash import size_of
from studio.ui import widgets
from studio.ui.panels.cards import NONE, PLAY, made_at, readable, source_of, status_of, title_of
from studio.ui.panels.differences import changed
from studio.ui.panels.quality import name_field, quality_field
from studio.ui.words import words

TEXT = words.library
PICTURE_WIDTH = 480


def nobody() -> str:
    """Where no take is chosen."""
    return NONE.format(TEXT.choose)


def unreadable(take_id: str, reason: str) -> str:
    """One that can't be opened, and why."""
    return f'<div class="lw-detail" data-take="{escape(take_id)}">{NONE.format(escape(reason))}</div>'


def detail(take: Take, own: ModelDefaults) -> str:
    """One take to play, to export and to know about."""
    source, name = source_of(take), escape(take.name)
    facts = _facts(take, own)
    rows = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in facts.items())
    formats = "".join(
        f'<option value="{suffix}"{" selected" if suffix == take.path.suffix.lower() else ""}>'
        f"{suffix[1:].upper()}</option>"
        for suffix in FORMATS
    )
    disabled = " disabled" if take.status == "running" else ""
    return (
        f'<div class="lw-detail" data-take="{escape(take.id)}" data-source="{escape(json.dumps(source))}">'
        f'<div class="lw-detail-picture"><img src="{escape(source["pictureUrl"])}&amp;width={PICTURE_WIDTH}"'
        f' alt=""><button type="button" class="lw-take-play" '
        f'aria-label="{TEXT.play.format(name=name)}">{PLAY}</button></div>'
        f'<h3 class="lw-detail-name">{name}</h3>'
        f'<div class="lw-detail-export"><label>{TEXT.format} <select{disabled}>{formats}</select></label>'
        f"{quality_field(disabled)}{name_field(disabled)}"
        f'<button type="button" class="lw-detail-save"{disabled} title="{TEXT.export_help}">{TEXT.export}'
        f'</button><span class="lw-told" role="status"></span></div>'
        f'<div class="lw-detail-lay">{lay(take, disabled)}</div>'
        f'<dl class="lw-facts">{rows}</dl>'
        f'<a href="{escape(widgets.take_url(take.id))}&amp;download=1" download draggable="true">'
        f"{escape(TEXT.download.format(name=take.path.name))}</a></div>"
    )


def lay(take: Take, disabled: str) -> str:
    """The way into the layers, and of a mix to those that it was made of."""
    button = '<button type="button" class="lw-quiet" data-lay="{what}"{disabled}>{text}</button>'
    shown = [("take", TEXT.lay)]
    if take.about.mix is not None:
        shown.append(("scene", TEXT.open_layers))
    return "".join(button.format(what=what, text=text, disabled=disabled) for what, text in shown)


def _facts(take: Take, own: ModelDefaults) -> dict[str, str]:
    """What is told of a take, by terms; what it has nothing of is left out."""
    record, about = take.record, take.about
    settings = record.settings
    lane = settings.get("lane") or ()
    facts = {
        TEXT.prompt: str(settings.get("prompt", "")),
        TEXT.negative: str(settings.get("negative_prompt") or ""),
        TEXT.changes: " · ".join(f"{format_time(one['at_s'])} {one['prompt']}" for one in lane),
        TEXT.words_said: " · ".join(f"{format_time(one.start_s)} {one.text}" for one in about.said),
        TEXT.voice: TEXT.synthetic if about.said else "",
        TEXT.length: format_time(take.length_s),
        TEXT.tab: title_of(record.mode),
        TEXT.made: made_at(take),
        TEXT.status: status_of(take) or take.status,
        TEXT.seed_label: str(settings.get("seed")),
        TEXT.model: record.model_id,
        TEXT.settings: " · ".join(changed(record, own)),
        TEXT.continued_from: about.source.file if about.source else "",
        TEXT.group_of: TEXT.place_in_group.format(position=about.group.position, takes=about.group.takes)
        if about.group
        else "",
        TEXT.size: readable(size_of(take.path)),
    }
    return {term: text for term, text in facts.items() if text}
