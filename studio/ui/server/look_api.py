"""The function `check` for `gradio_client`: what is wrong with a take of the library, and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from studio.core.errors import StudioError
from studio.service.looks import Looks
from studio.ui.server.client_api import MAX_CALLS


def build(looks: Looks) -> None:
    """Add the function to the Blocks one is in. It has no place on the page."""

    def check(take: str) -> Iterator[dict[str, Any]]:
        """Seams, clicks, dropouts, silence, repeats, drift and level of a take, an id of the library.

        Gives {"share": done} while it looks, and at last what `longwave eval take --json` prints.
        """
        try:
            for step in looks.look(looks.of_library(take)):
                yield {"share": round(step, 3)} if isinstance(step, float) else step.as_json()
        except StudioError as error:
            raise gr.Error(str(error), print_exception=False) from error

    gr.Button(visible=False).click(
        check, gr.Textbox(visible=False, label="Take"), gr.JSON(visible=False, label="Figures"),
        api_name="check", concurrency_limit=MAX_CALLS, concurrency_id="callers",
    )  # fmt: skip
