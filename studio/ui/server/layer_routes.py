"""What the page fetches of layers: how a scene lies, its sound piece by piece, what is missing, its mix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from studio.core.errors import InvalidRequestError
from studio.core.scene import MAX_SCENE_BYTES, SCENES, parse_scene, shipped_scenes
from studio.service.layers.scenes import scene_of
from studio.service.studio import Studio
from studio.service.takes.export import FORMATS
from studio.service.takes.files.coding import read_coding
from studio.service.takes.naming import portable
from studio.ui.panels.layers import shown, told
from studio.ui.panels.making import NO_STORE
from studio.ui.server.page_calls import Answer, answered, caller_of, refused, sent
from studio.ui.words import words

MAX_PIECE_S = 10.0
FOR_A_DAY = {"Cache-Control": "private, max-age=86400"}
TEXT = words.layers


def layer_routes(studio: Studio) -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`."""
    return [*_scene_routes(studio), *_errand_routes(studio)]


async def _answer(request: Request, do: Callable[[Any], Answer]) -> Response:
    """What `do` makes of what the page sent; or what is wrong with it, in a sentence."""
    try:
        asked = await sent(request, MAX_SCENE_BYTES, too_large=TEXT.too_large, no_json=TEXT.no_json)
    except InvalidRequestError as error:
        return refused(error)
    return await answered(lambda: do(asked))


def _scene_routes(studio: Studio) -> list[BaseRoute]:
    async def plan(request: Request) -> Response:
        def look(asked: Any) -> dict[str, Any]:
            scene = parse_scene(asked)
            missing = studio.mixes.missing(scene)
            if missing:
                return {"missing": missing, "layers": []}
            with studio.mixes.open(scene) as mix:
                return {"missing": [], **shown(mix)}

        return await _answer(request, look)

    async def sound(request: Request) -> Response:
        """Samples of all layers, one after the other, before gain and pan: floats of 32 bits."""
        try:
            first, count = (int(request.query_params.get(name, "")) for name in ("from", "count"))
        except ValueError:
            return PlainTextResponse(TEXT.no_piece, 400)

        def read(asked: Any) -> Response:
            with studio.mixes.open(parse_scene(asked)) as mix:
                if not (0 <= first < mix.frames and 0 < count <= MAX_PIECE_S * mix.rate):
                    raise InvalidRequestError(TEXT.no_piece)
                pieces = [layer.read(first, count).astype("<f4", copy=False) for layer in mix.layers]
            data = b"".join(np.ascontiguousarray(piece).tobytes() for piece in pieces)
            return Response(data, media_type="application/octet-stream", headers=NO_STORE)

        return await _answer(request, read)

    async def scene_of_mix(request: Request) -> Response:
        def look() -> dict[str, Any]:
            take = studio.library.get(request.query_params.get("take", ""))
            return scene_of(take.record, take.name).model_dump(mode="json", exclude_defaults=True)

        try:
            return JSONResponse(await run_in_threadpool(look), headers=NO_STORE)
        except InvalidRequestError as error:
            return JSONResponse({"message": str(error)}, 404, headers=NO_STORE)

    async def picture(request: Request) -> Response:
        folder, stem = studio.settings.presets / SCENES, request.path_params["stem"]
        path = folder / f"{stem}.webp"
        if stem not in shipped_scenes(studio.settings.presets) or not path.is_file():
            return PlainTextResponse(words.library.sound_gone, 404)
        return FileResponse(path, media_type="image/webp", headers=FOR_A_DAY)

    return [
        Route("/layers/plan", plan, methods=["POST"]),
        Route("/layers/sound", sound, methods=["POST"]),
        Route("/layers/scene", scene_of_mix),
        Route("/layers/picture/{stem}", picture),
    ]


def _errand_routes(studio: Studio) -> list[BaseRoute]:
    async def make(request: Request) -> Response:
        client = caller_of(request)
        return await _answer(
            request, lambda asked: {"id": studio.mixes.begin_takes(parse_scene(asked), client)}
        )

    async def mix(request: Request) -> Response:
        query, client = request.query_params, caller_of(request)
        suffix = query.get("format", "")

        def begin(asked: Any) -> dict[str, Any]:
            if suffix not in FORMATS:
                raise InvalidRequestError(f"Choose one of {', '.join(FORMATS)}.")
            coding = read_coding(query, suffix)
            stems = "stems" in query
            scene = parse_scene(asked)
            mixes = studio.mixes
            return {"id": mixes.begin_mix(scene, suffix=suffix, coding=coding, stems=stems, client=client)}

        return await _answer(request, begin)

    async def look(request: Request) -> Response:
        try:
            return JSONResponse(told(studio.mixes.look(request.path_params["id"])), headers=NO_STORE)
        except InvalidRequestError as error:
            return JSONResponse({"message": str(error)}, 404, headers=NO_STORE)

    async def stop(request: Request) -> Response:
        def end(_: Any) -> dict[str, Any]:
            studio.mixes.stop(request.path_params["id"])
            return {}

        return await _answer(request, end)

    async def stems(request: Request) -> Response:
        try:
            made = studio.mixes.look(request.path_params["id"]).made
        except InvalidRequestError as error:
            return PlainTextResponse(str(error), 404)
        path = getattr(made, "stems", None)
        if path is None or not path.is_file():
            return PlainTextResponse(TEXT.stems_gone, 404)
        return FileResponse(path, filename=portable(path.name), media_type="application/zip")

    return [
        Route("/layers/make", make, methods=["POST"]),
        Route("/layers/mix", mix, methods=["POST"]),
        Route("/layers/errands/{id}", look),
        Route("/layers/errands/{id}/stop", stop, methods=["POST"]),
        Route("/layers/errands/{id}/stems", stems),
    ]
