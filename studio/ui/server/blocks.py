"""Gradio's Blocks, but for what a call is told whose values it can't even read."""

from __future__ import annotations

from typing import Any

import gradio as gr

FOREIGN_FILE = "That file was not uploaded to this studio: upload it first (gradio_client: handle_file)."
LATE = "lw-late"  # the class of what a list of values may lack at its end
UNREADABLE = "These values are not those that the function takes: gradio_client's view_api() lists them."


class StudioBlocks(gr.Blocks):
    """What goes wrong before a function is reached is told in a sentence, and not written to the log.

    Gradio would answer with no reason at all, and put everything that was sent, megabytes too, into the log.
    """

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], *args: Any, **options: Any
    ) -> list[Any]:
        """As Gradio's. Raises `gr.Error` with the sentence."""
        lacking = block_fn.inputs[len(inputs) :]
        if all(LATE in (getattr(one, "elem_classes", None) or ()) for one in lacking):
            inputs = [*inputs, *(one.value for one in lacking)]
        try:
            return await super().preprocess_data(block_fn, inputs, *args, **options)
        except gr.Error:
            raise
        except gr.exceptions.InvalidPathError as error:
            raise gr.Error(FOREIGN_FILE, print_exception=False) from error
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            foreign = "Hostname" in str(error)  # Gradio's guard against fetching from inside a network
            raise gr.Error(FOREIGN_FILE if foreign else UNREADABLE, print_exception=False) from error
