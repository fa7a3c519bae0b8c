"""What an export is beside its format: its rate and depth, and what it is called."""

from __future__ import annotations

from studio.ui.words import words

TEXT = words.transport
_CHOICES = (
    ("", TEXT.as_it_is), ("48 24", TEXT.film), ("48 16", TEXT.games), ("44.1 16", TEXT.music),
    ("48 32", TEXT.mixing),
)  # fmt: skip


def quality_field(disabled: str = "") -> str:
    """The choice of a rate in kHz and of bits."""
    options = "".join(f'<option value="{value}">{text}</option>' for value, text in _CHOICES)
    return (
        f'<label>{TEXT.quality} <select name="quality" title="{TEXT.quality_help}"{disabled}>{options}'
        "</select></label>"
    )


def name_field(disabled: str = "", after: str = "") -> str:
    """The pattern of its name."""
    return (
        f'<label>{TEXT.name} <input name="name" class="lw-name" placeholder="{TEXT.name_as}" '
        f'title="{TEXT.name_help}" maxlength="200"{disabled}>{after}</label>'
    )
