"""What a tab says of its model's knowledge: what it has learned, and what of a prompt it has not."""

from __future__ import annotations

from functools import lru_cache

import gradio as gr

from studio.backends.catalog import vocabulary
from studio.core.settings import Settings
from studio.core.vocabulary import Vocabulary
from studio.ui.widgets import HIDDEN

NAMED_WORDS = 8


def describe_knowledge(known: Vocabulary | None) -> str:
    """What a model knows, where it says so, in a sentence."""
    return f"It knows {', '.join(known.families)}, and scenes of two of them." if known else ""


def warn_of(prompt: str, known: Vocabulary | None) -> str:
    """A sentence that names what of a prompt the model has not learned; nothing where it is all known."""
    unknown = known.unknown(prompt) if known else ()
    if not unknown:
        return ""
    told = ", ".join(unknown[:NAMED_WORDS]) + (" and more" if len(unknown) > NAMED_WORDS else "")
    return f"The embedded model has not learned: {told}. It makes what comes nearest."


class Knowledge:
    """The warning below a tab's prompt, once both it and the model's field are laid out."""

    def __init__(self, tab: str, settings: Settings) -> None:
        self._tab = tab
        # Asked at every key in the prompt: a file to read, or the Hub's cache to search, once a model.
        self.of = lru_cache(maxsize=16)(lambda model: vocabulary(model or "", settings))

    def lay_out_warning(self) -> None:
        """Where the warning stands."""
        self._warning = gr.Markdown("", elem_id=f"{self._tab}-outside", elem_classes="lw-said")

    def bind(self, prompt: gr.Textbox, model: gr.Dropdown) -> None:
        """Warn of what these two hold, as soon as it changes."""
        gr.on(
            [prompt.change, model.change],
            lambda prompt, model: warn_of(prompt or "", self.of(model)),
            [prompt, model], self._warning, trigger_mode="always_last", **HIDDEN,
        )  # fmt: skip
