"""What the page fetches beside Gradio: the sound as it is made, the heartbeat, drafts, its own files.

The token in a path is the key to a take: unguessable, and told to nobody but the page that started it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from studio.service.live.codecs import CODECS, encoder
from studio.service.live.pcm_stream import PcmStream
from studio.ui.panels import drafted
from studio.ui.panels.live import LiveViews
from studio.ui.server.exporting import NO_STORE
from studio.ui.words import as_script, words

POLL_S = 0.05
DRAFT_VIEWS = {
    "sound": (drafted.sound, "audio/wav"),
    "picture": (drafted.picture, "image/png"),
    "tokens": (drafted.tokens, "image/png"),
}


# Said here, not guessed: what a system's own table makes of .js may be text/plain, and no browser runs that.
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png"}


def preloads(page_files: Path) -> str:
    """Links that have a browser fetch the page's scripts while Gradio lays it out, not import by import."""
    names = sorted({*(path.name for path in page_files.glob("*.js")), "words.js"})
    return "".join(f'<link rel="modulepreload" href="page/{name}">' for name in names)


def live_routes(views: LiveViews, page_files: Path) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`; `page_files` is the folder of the page's scripts and style."""

    async def pcm(request: Request) -> Response:
        codec = request.query_params.get("codec", "raw")
        if codec not in CODECS:
            return PlainTextResponse(words.sound.codec_unknown, 400)
        view = views.get(request.path_params["token"])
        if view is None or not view.stream.attach():
            return PlainTextResponse("That take is over, or somebody listens to it already.", 404)
        return StreamingResponse(
            _sound(view.stream, codec, request),
            media_type="application/octet-stream",
            headers={
                **NO_STORE,
                "X-Accel-Buffering": "no",
                "X-First-Sample": str(view.stream.sent),
                "X-Channels": str(view.stream.channels),
            },
        )

    async def beat(request: Request) -> Response:
        view = views.get(request.path_params["token"])
        if view is None:
            return PlainTextResponse("That take is not known any more.", 404)
        try:
            position_s = float(request.query_params.get("position", "0"))
            columns_from = int(request.query_params.get("columns", "0"))
            attention_from = int(request.query_params.get("attention", "0"))
            preview_from = int(request.query_params.get("preview", "0"))
        except ValueError:
            return PlainTextResponse("position, columns, attention and preview are numbers.", 400)
        if not math.isfinite(position_s):
            return PlainTextResponse("position is a finite number of seconds.", 400)
        view.stream.acknowledge(position_s)
        return JSONResponse(view.beat(columns_from, attention_from, preview_from), headers=NO_STORE)

    # Not Starlette's mount of a folder: under a proxy's sub-path it looks for the files in the wrong place.
    own_files = {path.name: path for path in page_files.iterdir() if path.is_file()}

    texts = as_script()

    async def page_words(request: Request) -> Response:
        return Response(texts, media_type="text/javascript")

    async def page_file(request: Request) -> Response:
        path = own_files.get(request.path_params["name"])
        if path is None:
            return PlainTextResponse("There is no such file.", 404)
        return FileResponse(path, media_type=MEDIA_TYPES.get(path.suffix))

    async def draft(request: Request) -> Response:
        view = views.get(request.path_params["token"])
        drafted = view.draft if view is not None else None
        what = DRAFT_VIEWS.get(request.path_params["what"])
        if drafted is None or what is None:
            return PlainTextResponse("There is no such draft.", 404)
        show, media_type = what
        return Response(await run_in_threadpool(show, drafted), media_type=media_type, headers=NO_STORE)

    return [
        Route("/draft/{token}/{what}", draft),
        Route("/pcm/{token}", pcm),
        Route("/live/{token}", beat, methods=["POST"]),
        Route("/page/words.js", page_words),
        Route("/page/{name}", page_file),
    ]


async def _sound(stream: PcmStream, codec: str, request: Request) -> AsyncIterator[bytes]:
    """The stream's samples as bytes of a codec, until it ends or the listener is gone.

    Polls instead of waiting in a thread: paused listeners would use up the server's threads. A listener who
    left while nothing was to be sent shows in `is_disconnected` alone.
    """
    sent = encoder(codec, stream.sample_rate, stream.channels)
    try:
        while not await request.is_disconnected():
            block: Any = stream.read(timeout_s=0.0)
            if block is None:
                yield await run_in_threadpool(sent.flush)
                return
            if len(block):
                yield await run_in_threadpool(sent.push, block)
            else:
                await asyncio.sleep(POLL_S)
    finally:
        stream.detach()
