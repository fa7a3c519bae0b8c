"""What a take was asked for in the words of its form, and in which of them takes made together differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from studio.core.binding import fill, opening
from studio.core.defaults import ModelDefaults
from studio.core.errors import StudioError
from studio.core.field import Field
from studio.core.fields import on_page
from studio.core.modes import MODES
from studio.core.preset import Preset
from studio.ui.words import words

SEED = "seed"
# Those that have lines of their own, and what the page shows and no file needs.
_APART = {"prompt", "negative_prompt", "lane", "say", "duration_s", SEED, "model", "attention_interval"}
MAX_CHARS = 40


def settings_of(record: Preset) -> dict[str, str]:
    """What a record asks for, by the names of its form's fields; empty where no form has such a take."""
    if record.mode not in MODES:
        return {}
    try:
        values = fill(record.mode, record)
        request = record.request()
    except StudioError:
        return {}
    said = {
        name: _said(field, values[name])
        for name, field in on_page(record.mode).items()
        if name in values and field.path
    }
    if "strategy" in said and request.sampler.kind == "concat":
        said["strategy"] = words.library.joined
    return said


def changed(record: Preset, own: ModelDefaults) -> list[str]:
    """The settings of a record that are not what its form opens on, its model's `own` those of the model;
    each as "label: value".
    """
    said = settings_of(record)
    if not said:
        return []
    fields, opened = on_page(record.mode), opening(record.mode, own)
    return [
        _labelled(fields[name], value)
        for name, value in said.items()
        if name not in _APART and value != _said(fields[name], opened[name])
    ]


def differences(records: Sequence[Preset]) -> tuple[list[list[str]], bool]:
    """For each record its settings that not all of them share, each as "label: value"; and whether it is the
    seed alone that differs.
    """
    if len({record.mode for record in records}) > 1 or records[0].mode not in MODES:
        return [[] for _ in records], False
    said = [settings_of(record) for record in records]
    fields = on_page(records[0].mode)
    apart = [
        name
        for name in fields
        if name not in ("lane", "endless") and len(Counter(one.get(name, "") for one in said)) > 1
    ]
    badges = [[_labelled(fields[name], one[name]) for name in apart if one.get(name)] for one in said]
    return badges, apart == [SEED]


def _labelled(field: Field, value: str) -> str:
    return words.library.setting.format(label=field.label, value=value)


def _said(field: Field, value: Any) -> str:
    """A value of the form as one reads it; empty for none."""
    if isinstance(value, bool):
        return words.library.on if value else words.library.off
    if value is None or isinstance(value, (list, tuple, dict)):
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    choices = {own: shown for shown, own in field.page.choices} if field.page else {}
    text = str(choices.get(value, value))
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 1]}…"
