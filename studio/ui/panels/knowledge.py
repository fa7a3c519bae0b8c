"""What a tab says of its model's knowledge: what it has learned, and what of a prompt it has not."""

from __future__ import annotations

from functools import lru_cache

import gradio as gr

from studio.backends.catalog import vocabulary
from studio.core.settings import Settings
from studio.ui.panels.palette import warn_of
from studio.ui.widgets import HIDDEN


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
