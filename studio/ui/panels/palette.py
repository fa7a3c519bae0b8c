"""The palette below a tab's prompt: words that its model knows, and what of the prompt it does not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import gradio as gr

from studio.backends.catalog import vocabulary
from studio.core.palette import palette_of
from studio.core.settings import Settings
from studio.core.vocabulary import Vocabulary
from studio.ui.widgets import HIDDEN
from studio.ui.words import words

NAMED_WORDS = 8
# The place of the warning is kept: what comes and goes with every word typed would move all below.
_TEMPLATE = """
<div class="lw-palette"></div>
<p class="lw-outside" id="{tab}-outside" role="status" aria-live="polite"></p>
"""
_ATTACH = """
import(new URL('page/palette.js', document.baseURI))
  .then(({ attach }) => attach('%s', element, props, watch));
"""


def describe_knowledge(known: Vocabulary | None) -> str:
    """What a model knows, where it says so, in a sentence."""
    return words.palette.knows.format(families=", ".join(known.families)) if known else ""


def warn_of(prompt: str, known: Vocabulary | None) -> str:
    """A sentence that names what of a prompt the model has not learned; nothing where it is all known."""
    unknown = known.unknown(prompt) if known else ()
    if not unknown:
        return ""
    told = ", ".join(unknown[:NAMED_WORDS])
    if len(unknown) > NAMED_WORDS:
        told = words.palette.unknown_more.format(words=told)
    return words.palette.unknown.format(words=told)


class PalettePanel:
    """A tab's palette. Its script is `assets/page/palette.js`.

    The component's value is what that shows: `groups` of sounds (empty for a model that does not say what it
    knows), the tab's `examples`, the `prompt` as it stands, and what is said of it, `unknown`.
    """

    def __init__(self, tab: str, settings: Settings, model: str, examples: Sequence[str] = ()) -> None:
        """Lay it out, for a model by its id. `examples` are shown in place of sounds."""
        # Asked at every key in the prompt: a file to read, or the Hub's cache to search, once a model.
        self.of = lru_cache(maxsize=16)(lambda model: vocabulary(model or "", settings))
        self._examples = list(examples)
        self.element = gr.HTML(
            value=self.shown("", model),
            html_template=_TEMPLATE.format(tab=tab),
            js_on_load=_ATTACH % tab,
            apply_default_css=False,
            elem_id=f"{tab}-palette",
        )

    def bind(self, prompt: gr.Textbox, model: gr.Dropdown) -> None:
        """Follow these two, once both are laid out."""
        gr.on(
            [prompt.change, model.change],
            self.shown, [prompt, model], self.element, trigger_mode="always_last", **HIDDEN,
        )  # fmt: skip

    def shown(self, prompt: str | None, model: str | None) -> dict[str, Any]:
        """The component's value for what the form holds."""
        known = self.of(model)
        return {
            "groups": [group.model_dump() for group in palette_of(known)] if known else [],
            "examples": self._examples,
            "prompt": prompt or "",
            "unknown": warn_of(prompt or "", known),
        }


def build(tab: str, settings: Settings, model: str, examples: Sequence[str] = ()) -> PalettePanel:
    """Lay a tab's palette out, for a model by its id; `bind` it to the form's fields afterwards."""
    return PalettePanel(tab, settings, model, examples)
