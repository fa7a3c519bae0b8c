"""What /v1 takes and gives, as OpenAPI: read off the bodies that it validates."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from studio import __version__
from studio.core.modes import MODES
from studio.service.live.containers import CONTAINERS
from studio.service.takes.files.coding import FORMATS
from studio.service.takes.wire import USUAL_WIRE, WIRE_NAMES
from studio.ui.server.v1.bodies import TAKES, SoundBody

_ERROR = {
    "type": "object",
    "properties": {
        "detail": {
            "type": "object",
            "properties": {"status": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}
_TAKE = {
    "type": "object",
    "required": ["id", "status", "status_url"],
    "properties": {
        "id": {"type": "string"},
        "status": {"enum": ["queued", "running", "finished", "stopped", "failed", "interrupted"]},
        "message": {"type": "string"},
        "mode": {"enum": list(MODES)},
        "prompt": {"type": "string"},
        "seed": {"type": "string"},
        "seconds": {"type": "number", "description": "What is made of it."},
        "length": {"type": ["number", "null"], "description": "What is asked for; null without an end."},
        "remaining": {"type": ["number", "null"], "description": "Seconds until it is made, about."},
        "take": {"type": "string", "description": "Its id in the library."},
        "status_url": {"type": "string"},
        "stream_url": {"type": "string"},
        "file_url": {"type": "string"},
    },
}
_KEYS = {
    "xi-api-key": {"type": "apiKey", "in": "header", "name": "xi-api-key"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
}


def described(root: str) -> dict[str, Any]:
    """The description for who finds the studio at `root`."""
    schemas = {"Sound": _schema(SoundBody), "Take": _TAKE, "Error": _ERROR}
    bodies = {f"{mode.title()}Take": _schema(body) for mode, body in TAKES.items()}
    asked = [{"$ref": f"#/components/schemas/{name}"} for name in bodies]
    one = {"$ref": "#/components/schemas/Take"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Longwave", "version": __version__},
        "servers": [{"url": root}],
        "security": [{}, *({name: []} for name in _KEYS)],
        "paths": {
            "/v1/sound-generation": {
                "post": _call(
                    "A sound, once it is made.", _audio(), body={"$ref": "#/components/schemas/Sound"},
                    query=_choice("output_format", WIRE_NAMES, USUAL_WIRE),
                )
            },
            "/v1/takes": {"post": _call("Begin a take.", _json(one), body={"oneOf": asked}, status="201")},
            "/v1/takes/{id}": {
                "get": _call("How a take stands.", _json(one), _ID),
                "delete": _call("End a take; what was made is kept.", _json(one), _ID),
            },
            "/v1/takes/{id}/stream": {
                "get": _call(
                    "A live take as it is made.", _audio(), _ID, query=_choice("format", CONTAINERS, "mp3")
                )
            },
            "/v1/takes/{id}/file": {
                "get": _call(
                    "The file of a take that has ended.", _audio(), _ID,
                    query=_choice("format", [name[1:] for name in FORMATS], ""),
                )
            },
        },
        "components": {"schemas": {**schemas, **bodies}, "securitySchemes": _KEYS},
    }  # fmt: skip


_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def _schema(body: type[BaseModel]) -> dict[str, Any]:
    return body.model_json_schema(ref_template="#/components/schemas/{model}")


def _choice(name: str, values: Any, usual: str) -> dict[str, Any]:
    schema = {"type": "string", "enum": list(values), **({"default": usual} if usual else {})}
    return {"name": name, "in": "query", "schema": schema}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _audio() -> dict[str, Any]:
    return {"audio/*": {"schema": {"type": "string", "format": "binary"}}}


def _call(
    summary: str,
    answer: dict[str, Any],
    place: dict[str, Any] | None = None,
    *,
    query: dict[str, Any] | None = None,
    body: dict[str, Any] | None = None,
    status: str = "200",
) -> dict[str, Any]:
    parameters = [one for one in (place, query) if one]
    answers = {
        status: {"description": summary, "content": answer},
        "default": {
            "description": "Why not.", "content": _json({"$ref": "#/components/schemas/Error"}),
        },
    }  # fmt: skip
    call: dict[str, Any] = {"summary": summary, "responses": answers}
    if parameters:
        call["parameters"] = parameters
    if body is not None:
        call["requestBody"] = {"required": True, "content": _json(body)}
    return call
