"""What the page fetches of the Library: sounds, pictures, exports, and several takes in one ZIP.

Takes are named by their ids in the library: nothing else of the disk is to be had.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from studio.core.errors import InvalidRequestError, StudioError
from studio.service.takes.archive import Archives
from studio.service.takes.export import FORMATS, Export
from studio.service.takes.export_cache import ExportCache
from studio.service.takes.library import MAKING, Library, Take
from studio.service.takes.naming import portable
from studio.service.takes.shelf import shown
from studio.ui.panels.making import OWN_HEADER
from studio.ui.server.exporting import NO_STORE, Refusal, fetched, made, told
from studio.ui.server.pictures import picture_png, width_of
from studio.ui.words import words

CHUNK_BYTES = 1 << 16
MEDIA_TYPES = {
    ".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg", ".opus": "audio/ogg",
}  # fmt: skip
FOR_A_DAY = {"Cache-Control": "private, max-age=86400"}  # the page's addresses say when the sound changed


def library_routes(library: Library, scratch: Path) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`; exports are made in the private folder `scratch`."""
    exports = ExportCache(scratch)
    return [*_sound_routes(library), *_export_routes(library, exports), *_archive_routes(library, exports)]


def _sound_routes(library: Library) -> list[BaseRoute]:
    async def sound(request: Request) -> Response:
        take = await _asked(library, request)
        if isinstance(take, Refusal):
            return PlainTextResponse(take.message, take.status)
        if take.status == "running":
            return _so_far(take.path)
        return FileResponse(
            take.path,
            filename=portable(shown(take.path.name)),
            media_type=MEDIA_TYPES.get(take.path.suffix.lower()),
            content_disposition_type="attachment" if "download" in request.query_params else "inline",
        )

    async def picture(request: Request) -> Response:
        take = await _asked(library, request)
        if isinstance(take, Refusal):
            return PlainTextResponse(take.message, take.status)
        try:
            width = width_of(request.query_params.get("width"))
            png = await run_in_threadpool(picture_png, take.path, take.path.stat().st_mtime_ns, width)
        except ValueError:
            return PlainTextResponse("width is a number.", 400)
        except (OSError, StudioError) as error:
            return PlainTextResponse(
                words.library.sound_gone if isinstance(error, OSError) else str(error), 404
            )
        headers = NO_STORE if take.status == "running" else FOR_A_DAY
        return Response(png, media_type="image/png", headers=headers)

    return [Route("/library/sound", sound), Route("/library/picture", picture)]


def _export_routes(library: Library, exports: ExportCache) -> list[BaseRoute]:
    async def exported(request: Request) -> Export | Refusal:
        take = await _asked(library, request)
        if isinstance(take, Refusal):
            return take
        if take.status == "running":
            return Refusal(MAKING, 409)
        return await made(exports, take.path, request.query_params)

    async def export(request: Request) -> Response:
        return fetched(await exported(request))

    async def prepare(request: Request) -> Response:
        return told(await exported(request))

    return [Route("/library/export", export), Route("/library/export/prepare", prepare)]


def _archive_routes(library: Library, exports: ExportCache) -> list[BaseRoute]:
    archives = Archives(exports.folder, exports)

    def make(ids: list[str], suffix: str, coding: dict[str, str | None], name: str) -> dict[str, str]:
        takes = [library.get(one) for one in ids]
        if any(take.status == "running" for take in takes):
            raise InvalidRequestError(MAKING)
        token, path = archives.make([take.path for take in takes], suffix, coding, name)
        return {"name": path.name, "url": f"library/archive/{token}"}

    async def archive(request: Request) -> Response:
        """Of a JSON {"takes": [ids], "format": ".flac" or ""}, and of an export's "rate", "bits", "name"."""
        if OWN_HEADER not in request.headers:
            return PlainTextResponse("Only Longwave's own page may ask for this.", 403)
        try:
            asked = json.loads(await request.body())
            ids, suffix = [str(one) for one in asked["takes"]], str(asked.get("format", ""))
            if suffix not in ("", *FORMATS):
                raise InvalidRequestError(f"Choose one of {', '.join(FORMATS)}.")
            coding: dict[str, str | None] = {key: str(asked.get(key) or "") for key in ("bits", "rate")}
            name = str(asked.get("name") or "")
            return JSONResponse(await run_in_threadpool(make, ids, suffix, coding, name), headers=NO_STORE)
        except InvalidRequestError as error:
            return _wrong(str(error), 400)
        except StudioError as error:
            return _wrong(str(error), 507)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return _wrong("Send the takes' ids.", 400)

    async def fetch(request: Request) -> Response:
        path = archives.get(request.path_params["token"])
        if path is None or not path.is_file():
            return PlainTextResponse(words.library.archive_gone, 404)
        return FileResponse(path, filename=path.name, media_type="application/zip")

    return [
        Route("/library/archive", archive, methods=["POST"]),
        Route("/library/archive/{token}", fetch),
    ]


async def _asked(library: Library, request: Request) -> Take | Refusal:
    """The take of an address, whose sound is there; or why there is none."""
    try:
        take = await run_in_threadpool(library.get, request.query_params.get("take", ""))
    except InvalidRequestError as error:
        return Refusal(str(error), 404)
    return take if take.path.is_file() else Refusal(words.library.sound_gone, 404)


def _wrong(message: str, status: int) -> Response:
    return JSONResponse({"message": message}, status, headers=NO_STORE)


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
