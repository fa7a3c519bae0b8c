"""The tabs' functions for `gradio_client`: one call, one file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.core.errors import StudioError
from studio.core.events import Failed, Finished
from studio.core.lane import opening_prompt, parse_lane
from studio.core.request import GenerationRequest, parse_request
from studio.service.jobs import Studio

MAX_CALLS = 4  # waiting callers hold the server's threads; the service makes one take at a time anyway


def build(studio: Studio) -> None:
    """Add the named functions to the Blocks one is in. They have no place on the page."""
    prompt = gr.Textbox(visible=False, label="Prompt")
    negative = gr.Textbox("", visible=False, label="Negative prompt")
    seconds = gr.Number(10, visible=False, label="Seconds")
    seed = gr.Number(-1, visible=False, label="Seed")
    lane = gr.Textbox("", visible=False, label="Prompt lane")
    model = gr.Textbox(studio.settings.model_id, visible=False, label="Model")
    file = gr.File(visible=False, label="Take")
    figures = gr.JSON(visible=False, label="Figures")

    def infinite(
        prompt: str, negative_prompt: str, seconds: float, seed: float, model: str, lane: str
    ) -> tuple[str, dict[str, Any]]:
        """Render an endless take's first `seconds`; gives its file and its figures, the seed among them.

        `lane` is lines of `mm:ss | prompt`; where there is no prompt, the lane's at 0:00 is it.
        """
        settings = studio.settings

        def request() -> GenerationRequest:
            points = parse_lane(lane)
            return parse_request(
                mode="infinite",
                prompt=prompt or opening_prompt(points) or "",
                negative_prompt=negative_prompt,
                lane=points,
                duration_s=seconds or 0.0,
                seed=seed,
                model={"id": model, "device": settings.device, "dtype": settings.dtype},
            )

        return render_file(studio, request)

    gr.Button(visible=False).click(
        infinite, [prompt, negative, seconds, seed, model, lane], [file, figures],
        api_name="infinite", concurrency_limit=MAX_CALLS, concurrency_id="callers",
    )  # fmt: skip


def render_file(studio: Studio, request: Callable[[], GenerationRequest]) -> tuple[str, dict[str, Any]]:
    """Make a whole take without a listener; its path and figures.

    Whatever is wrong with the values, `request` included, is raised as `gr.Error` with one sentence.
    """
    try:
        job = studio.submit(request())
        for _ in studio.events(job.id):
            pass
    except StudioError as error:
        raise gr.Error(str(error), print_exception=False) from error
    outcome = job.outcome
    if isinstance(outcome, Finished) and outcome.path is not None:
        return str(outcome.path.resolve()), {**outcome.figures, "seed": str(job.request.seed)}
    message = outcome.message if isinstance(outcome, Failed) else "The take was stopped before it had sound."
    raise gr.Error(message, print_exception=False)
