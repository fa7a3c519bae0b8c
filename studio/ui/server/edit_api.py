"""The function `edit` for `gradio_client`: a take of the library changed, as a new one beside it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.core.edit import Vary, edit_of_words
from studio.core.errors import InvalidRequestError
from studio.core.events import Finished
from studio.core.preset import load_preset
from studio.service.edits import open_take, varied_request
from studio.service.jobs.job import Job
from studio.service.studio import Studio
from studio.ui.callers import Callers, client_of
from studio.ui.server.client_api import MAX_CALLS, attended, bounded, render_file

NO_OTHER = "A splice goes on with another take: give its id as other."
LABELS = {
    "take": "Take", "kind": "Edit", "other": "The take that follows", "start": "From", "end": "To",
    "prompt": "Prompt", "seed": "Seed", "steps": "Steps", "strength": "Strength", "left": "Seconds before",
    "right": "Seconds after", "bridge": "Seconds of the bridge", "leave": "Where the first is left",
    "enter": "Where the second is entered", "bpm": "BPM", "bars": "Bars", "share": "Share of the noise",
}  # fmt: skip


def build(studio: Studio, callers: Callers) -> None:
    """Add the function to the Blocks one is in. It has no place on the page, and knows ids of takes alone."""

    async def edit(
        caller: gr.Request,
        *,
        take: str,
        kind: str,
        other: str = "",
        start: str = "",
        end: str = "",
        prompt: str = "",
        seed: str = "",
        steps: str = "",
        strength: str = "",
        left: str = "",
        right: str = "",
        bridge: str = "",
        leave: str = "",
        enter: str = "",
        bpm: str = "",
        bars: str = "",
        share: str = "",
    ) -> tuple[str, dict[str, Any]]:
        """Change a take of the library: a new one is made beside it. Gives its file, and what was made.

        `take` and `other` are ids; `kind` is repaint, extend, splice, loop or vary. `start`, `end`, `leave`
        and `enter` are m:ss or seconds, `left`, `right` and `bridge` seconds. What is empty is as the edit
        has it; what the edit has not must be empty.
        """
        said = {
            "start": start, "end": end, "prompt": prompt, "seed": seed, "steps": steps, "strength": strength,
            "left": left, "right": right, "bridge": bridge, "leave": leave, "enter": enter, "bpm": bpm,
            "bars": bars, "share": share,
        }  # fmt: skip
        jobs: list[Job] = []

        def submit() -> Job:
            wanted = edit_of_words(kind, said if kind == "splice" else {**said, "other": other})
            if kind == "splice" and not other.strip():
                raise InvalidRequestError(NO_OTHER)
            if isinstance(wanted, Vary):
                bounded(varied_request(open_take(take, studio.library)), studio)
            jobs.append(studio.edit(wanted, take, other, client=client_of()))
            return jobs[0]

        file, figures = await render_file(studio, submit, attended(callers, caller))
        return file, {**figures, **_made(jobs[0])}

    components = {name: gr.Textbox("", visible=False, label=label) for name, label in LABELS.items()}
    file, figures = gr.File(visible=False, label="Take"), gr.JSON(visible=False, label="Figures")
    gr.Button(visible=False).click(
        edit, None, [file, figures], inputs_kwargs=components,
        api_name="edit", concurrency_limit=MAX_CALLS, concurrency_id="callers",
    )  # fmt: skip


def _made(job: Job) -> dict[str, Any]:
    """The edit's seed, and which samples are new, or go round."""
    outcome = job.outcome
    assert isinstance(outcome, Finished), "its file was handed out"
    assert outcome.path is not None, "likewise"
    record = load_preset(outcome.path.with_suffix(".json")).take
    edit = None if record is None else record.edit
    if record is None or edit is None:
        return {}
    told = {"seed": str(edit.settings.seed), "made": [list(span) for span in edit.made]}
    return {**told, "loop": list(record.loop)} if record.loop else told
