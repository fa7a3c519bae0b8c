"""Every take that is being made or waits, whoever asked for it, with a way to stop it."""

from __future__ import annotations

from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from studio.core.audio import format_time
from studio.core.errors import InvalidRequestError
from studio.service.batch.standing import Summary
from studio.service.jobs.errands import Errand
from studio.service.jobs.job import Job
from studio.service.kit.kits import Standing
from studio.service.studio import Studio
from studio.ui.words import words

OWN_HEADER = "x-longwave"  # no other site's page can send it without asking first, which is refused
SHOWN_CHARS = 80
NO_STORE = {"Cache-Control": "no-store"}
_LIST = """
<details class="lw-making" hidden><summary></summary><ul></ul></details>
"""
_ATTACH = """
import(new URL('page/making.js', document.baseURI)).then(script => script.attach(element));
"""


def build() -> None:
    """Lay the list out where one is. It shows itself as soon as something is being made."""
    gr.HTML(html_template=_LIST, js_on_load=_ATTACH, apply_default_css=False, elem_id="making")


def job_routes(studio: Studio) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`: the list, and the end of one of its takes."""

    async def making(request: Request) -> Response:
        rows = [_row(job) for job in studio.jobs() if not job.ended]
        rows += map(_row_of_set, await run_in_threadpool(studio.sets.running))
        rows += [_row_of_errand(one, words.making.kit) for one in studio.kits.running()]
        rows += [_row_of_errand(one, words.making.mix) for one in studio.mixes.running()]
        return JSONResponse(rows, headers=NO_STORE)

    async def stop(request: Request) -> Response:
        if OWN_HEADER not in request.headers:
            return PlainTextResponse("Only Longwave's own page may stop a take.", 403)
        asked = request.path_params["id"]
        try:
            if any(one.id == asked for one in await run_in_threadpool(studio.sets.running)):
                studio.sets.stop(asked)
            elif any(one.id == asked for one in studio.kits.running()):
                studio.kits.stop(asked)
            elif any(one.id == asked for one in studio.mixes.running()):
                studio.mixes.stop(asked)
            else:
                studio.stop(asked, "Stopped from the list of takes.")
        except InvalidRequestError as error:
            return PlainTextResponse(str(error), 404)
        return PlainTextResponse("Stopping.")

    return [Route("/making", making), Route("/making/{id}/stop", stop, methods=["POST"])]


def _row(job: Job) -> dict[str, Any]:
    """What the page shows of a job."""
    prompt = job.request.prompt
    return {
        "id": job.id,
        "mode": job.request.mode.title(),
        "prompt": prompt if len(prompt) <= SHOWN_CHARS else f"{prompt[: SHOWN_CHARS - 1]}…",
        "stands": words.making.ending
        if job.cancel.is_set()
        else words.making.waits
        if job.status == "queued"
        else _made(job),
        "takes_left": job.takes_left,
    }


def _row_of_set(one: Summary) -> dict[str, Any]:
    """The same of a set, whose takes come one after the other."""
    made = words.making.made_of.format(made=f"{one.made:,}", length=f"{one.about.rows:,}")
    return {
        "id": one.id,
        "mode": words.making.set,
        "prompt": one.about.name,
        "stands": words.making.waits if one.phase == "waiting" else made,
        "takes_left": one.about.rows - one.made - one.failed,
    }


def _row_of_errand(one: Standing | Errand[Any], what: str) -> dict[str, Any]:
    """The same of a kit or a mix."""
    return {
        "id": one.id,
        "mode": what,
        "prompt": one.name,
        "stands": words.making.waits if one.phase == "waiting" else f"{one.share:.0%}",
        "takes_left": 1,
    }


def _made(job: Job) -> str:
    latest, length_s = job.latest, job.request.duration_s
    made = format_time(latest.audio_s) if latest is not None and latest.audio_s else ""
    if not made:
        return words.making.being_made
    length = "" if length_s is None else format_time(length_s)
    return (words.making.made_of if length else words.making.made).format(made=made, length=length)
