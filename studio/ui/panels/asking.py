"""Small forms beside the main button, which ask what would be made of the tab's form and begin it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.ui.forms import Form


def bind_ask(part: gr.HTML, form: Form, answer: Callable[..., dict[str, Any]]) -> None:
    """Let it ask about the form and begin something of it.

    Of its event and the form's values `answer` gives what it is told.
    """

    def run(event: gr.EventData, **values: Any) -> dict[str, Any]:
        return answer(event._data or {}, values)

    run.__annotations__["event"] = gr.EventData  # which is how Gradio knows it
    part.click(
        run, None, part, inputs_kwargs=form.fields, trigger_mode="always_last",
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip
