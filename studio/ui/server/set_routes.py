"""What the page fetches of sets: how they stand, their rows and sounds, one ZIP; and what it does to them.

Where strangers may open pages a set's id can't be guessed, and is told to nobody but the page that began it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from studio.core.errors import InvalidRequestError, StudioError
from studio.service.batch.example import example
from studio.service.studio import Studio
from studio.service.takes.export_cache import ExportCache
from studio.service.takes.naming import portable, slug
from studio.service.takes.zip_stream import zip_stream
from studio.ui.panels import sets
from studio.ui.panels.making import OWN_HEADER
from studio.ui.server.exporting import NO_STORE, Refusal, fetched, made, told
from studio.ui.server.library_routes import MEDIA_TYPES
from studio.ui.server.page_calls import caller_of
from studio.ui.server.pictures import picture_png, width_of
from studio.ui.words import words

MAX_SHEET_BYTES = 8_000_000
MAX_ZIP_BYTES = 16 * 10**9
MAX_ROWS_SHOWN = 200
MAX_SETS_SHOWN = 100
TEXT = words.sets


def set_routes(studio: Studio, scratch: Path) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`; `scratch` is the private folder for exports and sheets."""
    return [
        *_sheet_routes(studio),
        *_look_routes(studio),
        *_sound_routes(studio, ExportCache(scratch)),
    ]


async def _answer(do: Callable[[], Any]) -> Response:
    """What `do` gives, as JSON; or what was wrong with what was asked."""
    try:
        return JSONResponse(await run_in_threadpool(do), headers=NO_STORE)
    except InvalidRequestError as error:
        return JSONResponse({"message": str(error)}, 400, headers=NO_STORE)
    except StudioError as error:
        return JSONResponse({"message": str(error)}, 507, headers=NO_STORE)


def _sheet_routes(studio: Studio) -> list[BaseRoute]:
    async def sheet(request: Request) -> Response:
        """Of a sheet's text, what it would make; with `begin` in the address, make it."""
        if OWN_HEADER not in request.headers:
            return PlainTextResponse(TEXT.foreign, 403)
        text = bytearray()
        async for part in request.stream():
            text += part
            if len(text) > MAX_SHEET_BYTES:
                said = TEXT.sheet_large.format(size=MAX_SHEET_BYTES // 1_000_000)
                return JSONResponse({"message": said}, 413, headers=NO_STORE)
        query = request.query_params

        def read() -> dict[str, Any]:
            rows = sets.rows_of_sheet(studio, bytes(text))
            if "begin" in query:
                return {"id": studio.sets.begin(rows, query.get("name", ""), caller_of(request))}
            return {"said": sets.told_of_plan(studio.sets.plan(rows), rows)}

        return await _answer(read)

    async def example_sheet(request: Request) -> Response:
        headers = {"Content-Disposition": 'attachment; filename="set.csv"'}
        return Response(example("csv"), media_type="text/csv; charset=utf-8", headers=headers)

    return [Route("/sets/sheet", sheet, methods=["POST"]), Route("/sets/example.csv", example_sheet)]


def _look_routes(studio: Studio) -> list[BaseRoute]:
    async def all_sets(request: Request) -> Response:
        """All of them; where strangers ask, those of the ids that they know."""
        known = request.query_params.getlist("id")[:MAX_SETS_SHOWN]

        def look() -> list[dict[str, Any]]:
            ids = None if studio.settings.trusted else known
            return [sets.summary_of(one) for one in studio.sets.all(ids, MAX_SETS_SHOWN)]

        return await _answer(look)

    async def one_set(request: Request) -> Response:
        query, set_id = request.query_params, request.path_params["id"]
        try:
            first, most = int(query.get("from", "0")), int(query.get("count", "50"))
        except ValueError:
            return PlainTextResponse("from and count are numbers.", 400)

        def look() -> dict[str, Any]:
            found = studio.sets.look(set_id)
            shown = min(max(most, 0), MAX_ROWS_SHOWN)
            rows, matching = sets.rows_of(found, query.get("only", ""), max(first, 0), shown)
            return {**sets.summary_of(found.summary), "rows": rows, "matching": matching}

        return await _answer(look)

    async def act(request: Request) -> Response:
        if OWN_HEADER not in request.headers:
            return PlainTextResponse(TEXT.foreign, 403)
        set_id, what = request.path_params["id"], request.path_params["what"]
        row = request.query_params.get("row")
        client = caller_of(request)

        def do() -> dict[str, Any]:
            if what == "stop":
                studio.sets.stop(set_id)
            elif what == "go":
                studio.sets.go_on(set_id, client)
            else:
                studio.sets.retry(set_id, client, [row] if row else ())
            return {}

        return await _answer(do)

    return [
        Route("/sets", all_sets),
        Route("/sets/{id}", one_set),
        Route("/sets/{id}/{what:str}", act, methods=["POST"]),
    ]


def _sound_routes(studio: Studio, exports: ExportCache) -> list[BaseRoute]:
    async def asked(request: Request) -> Path | Refusal:
        try:
            return await run_in_threadpool(
                studio.sets.sound, request.path_params["id"], request.query_params.get("row", "")
            )
        except StudioError as error:
            return Refusal(str(error), 404)

    async def sound(request: Request) -> Response:
        path = await asked(request)
        if isinstance(path, Refusal):
            return PlainTextResponse(path.message, path.status)
        return FileResponse(path, media_type=MEDIA_TYPES.get(path.suffix), content_disposition_type="inline")

    async def picture(request: Request) -> Response:
        path = await asked(request)
        try:
            if isinstance(path, Refusal):
                return PlainTextResponse(path.message, path.status)
            width = width_of(request.query_params.get("width"))
            png = await run_in_threadpool(picture_png, path, path.stat().st_mtime_ns, width)
        except ValueError:
            return PlainTextResponse("width is a number.", 400)
        except (OSError, StudioError):
            return PlainTextResponse(words.library.sound_gone, 404)
        return Response(png, media_type="image/png", headers=NO_STORE)

    async def export(request: Request) -> Response:
        path = await asked(request)
        if isinstance(path, Refusal):
            return fetched(path)
        return fetched(await made(exports, path, request.query_params))

    async def prepare(request: Request) -> Response:
        path = await asked(request)
        if isinstance(path, Refusal):
            return told(path)
        return told(await made(exports, path, request.query_params))

    async def archive(request: Request) -> Response:
        """All sounds that are whole, as they are read: there is no copy of them on the disk."""
        try:
            look = await run_in_threadpool(studio.sets.look, request.path_params["id"])
            size = await run_in_threadpool(sets.size_of, look)
        except StudioError as error:
            return PlainTextResponse(str(error), 404)
        if size > MAX_ZIP_BYTES:
            return PlainTextResponse(TEXT.zip_large.format(folder=look.summary.id), 413)
        name = portable(f"{slug(look.summary.about.name)}.zip")
        headers = {**NO_STORE, "Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}"}
        return StreamingResponse(zip_stream(sets.zipped(look)), media_type="application/zip", headers=headers)

    return [
        Route("/sets/{id}/sound", sound),
        Route("/sets/{id}/picture", picture),
        Route("/sets/{id}/export", export),
        Route("/sets/{id}/export/prepare", prepare),
        Route("/sets/{id}/zip", archive),
    ]
