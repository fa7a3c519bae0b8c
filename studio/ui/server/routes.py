"""What the page fetches beside Gradio: the sound, the heartbeat, finished takes, its own files.

The token in a path is the key to a take: unguessable, and told to nobody but the page that started it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from studio.core.errors import InvalidRequestError, StudioError
from studio.core.files import disk_error
from studio.service.live.codecs import CODECS, encoder
from studio.service.live.pcm_stream import PcmStream
from studio.service.takes.export import FORMATS, Export
from studio.service.takes.export_cache import ExportCache
from studio.service.takes.export_range import ExportRange, ExportRangeError, read_export_range
from studio.service.takes.library import Library
from studio.service.takes.naming import portable
from studio.service.takes.shelf import shown
from studio.ui.panels import drafted
from studio.ui.panels.live import LiveViews
from studio.ui.words import as_script, words

POLL_S = 0.05
CHUNK_BYTES = 1 << 16
DRAFT_VIEWS = {
    "sound": (drafted.sound, "audio/wav"),
    "picture": (drafted.picture, "image/png"),
    "tokens": (drafted.tokens, "image/png"),
}
MEDIA_TYPES = {".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg"}
NO_STORE = {"Cache-Control": "no-store"}


def library_routes(library: Library) -> list[BaseRoute]:
    """The sounds of the takes that the library lists, by their ids: nothing else of the disk is to be had."""

    async def sound(request: Request) -> Response:
        try:
            take = await run_in_threadpool(library.get, request.query_params.get("take", ""))
        except InvalidRequestError as error:
            return PlainTextResponse(str(error), 404)
        if not take.path.is_file():
            return PlainTextResponse("Its sound is not there any more: refresh the list.", 404)
        if take.status == "running":
            return _so_far(take.path)
        return FileResponse(
            take.path,
            filename=portable(shown(take.path.name)),
            media_type=MEDIA_TYPES.get(take.path.suffix.lower()),
            content_disposition_type="attachment" if "download" in request.query_params else "inline",
        )

    return [Route("/library/sound", sound)]


def _so_far(path: Path) -> Response:
    """What a growing file holds at the moment: an answer has to keep to the length that it began with."""
    size = path.stat().st_size
    headers = {**NO_STORE, "Content-Length": str(size)}
    return StreamingResponse(first_bytes(path, size), media_type="audio/wav", headers=headers)


def first_bytes(path: Path, size: int) -> Iterator[bytes]:
    """A file's first `size` bytes, whatever is appended meanwhile. Raises `OSError`."""
    with open(path, "rb") as file:
        while size > 0 and (part := file.read(min(size, CHUNK_BYTES))):
            size -= len(part)
            yield part


@dataclass(frozen=True)
class _Refusal:
    """Why there is no export, and which field of the form is at fault, if one is."""

    message: str
    status: int
    field: str = ""


def live_routes(views: LiveViews, page_files: Path, scratch: Path) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`.

    Args:
        page_files: folder of the page's scripts and style.
        scratch: private folder where takes are converted to other formats.
    """

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
            headers={**NO_STORE, "X-Accel-Buffering": "no", "X-First-Sample": str(view.stream.sent)},
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

    exports = ExportCache(scratch)

    async def made(request: Request) -> Export | _Refusal:
        """The export that an address asks for; or why there is none, in a sentence for the field at fault."""
        view = views.get(request.path_params["token"])
        outcome = view.job.outcome if view is not None else None
        if outcome is None or outcome.path is None or not outcome.path.is_file():
            return _Refusal("There is no finished take of that name any more.", 404)
        suffix = request.query_params.get("format", outcome.path.suffix)
        if suffix not in FORMATS:
            return _Refusal(f"Choose one of {', '.join(FORMATS)}.", 400, "format")
        try:
            return await run_in_threadpool(
                exports.make, outcome.path, suffix, read_export_range(request.query_params)
            )
        except ExportRangeError as error:
            return _Refusal(str(error), 400, error.field)
        except InvalidRequestError as error:
            return _Refusal(str(error), 400)
        except StudioError as error:
            return _Refusal(str(error), 507)
        except OSError as error:
            return _Refusal(str(disk_error(error, outcome.path)), 507)

    async def take(request: Request) -> Response:
        done = await made(request)
        if isinstance(done, _Refusal):
            return PlainTextResponse(done.message, done.status)
        disposition = "attachment" if "format" in request.query_params else "inline"
        return FileResponse(done.path, filename=done.path.name, content_disposition_type=disposition)

    async def prepare(request: Request) -> Response:
        """Make an export before the page fetches it, and tell what it came to: a link never leads nowhere."""
        done = await made(request)
        if isinstance(done, _Refusal):
            answer = {"message": done.message, "field": done.field}
            return JSONResponse(answer, done.status, headers=NO_STORE)
        level = done.level
        said = {"said": level.sentence, "level": level.report} if level else {"said": "", "level": None}
        return JSONResponse({"name": done.path.name, **said}, headers=NO_STORE)

    # Not Starlette's mount of a folder: under a proxy's sub-path it looks for the files in the wrong place.
    own_files = {path.name: path for path in page_files.iterdir() if path.is_file()}

    texts = as_script()

    async def page_words(request: Request) -> Response:
        return Response(texts, media_type="text/javascript")

    async def page_file(request: Request) -> Response:
        path = own_files.get(request.path_params["name"])
        return FileResponse(path) if path is not None else PlainTextResponse("There is no such file.", 404)

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
        Route("/take/{token}", take),
        Route("/take/{token}/prepare", prepare),
        Route("/page/words.js", page_words),
        Route("/page/{name}", page_file),
    ]


async def _sound(stream: PcmStream, codec: str, request: Request) -> AsyncIterator[bytes]:
    """The stream's samples as bytes of a codec, until it ends or the listener is gone.

    Polls instead of waiting in a thread: paused listeners would use up the server's threads. A listener who
    left while nothing was to be sent shows in `is_disconnected` alone.
    """
    sent = encoder(codec, stream.sample_rate)
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


def _converted(path: Path, suffix: str, cut: ExportRange, scratch: Path) -> Path:
    """The take, or a range of it, in a format."""
    return ExportCache(scratch).make(path, suffix, cut).path
