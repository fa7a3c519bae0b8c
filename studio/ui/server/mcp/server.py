"""Gradio's MCP server, narrowed to the studio's tools, with its takes as resources."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from starlette.concurrency import run_in_threadpool

from studio.core.errors import InvalidRequestError
from studio.service.studio import Studio
from studio.ui.server.mcp.tools import TOOLS
from studio.ui.server.v1.refusals import RefusedError
from studio.ui.server.v1.takes import ApiTakes, Links

if TYPE_CHECKING:
    from gradio.mcp import GradioMCPServer

PATH = "gradio_api/mcp/"
SCHEME = "longwave://takes/"
MOST = 50
JSON = "application/json"
MISSING = (
    "MCP needs the package mcp: start by launch.py, which installs it, or pip install 'longwave[mcp]' "
    "(in a checkout, uv pip install --group mcp)."
)


def require_mcp() -> None:
    """Raise `InvalidRequestError` where the package that speaks MCP is not installed."""
    if importlib.util.find_spec("mcp") is None:
        raise InvalidRequestError(MISSING)


def narrow(server: GradioMCPServer, studio: Studio, takes: ApiTakes) -> None:
    """Leave the studio's own tools alone in place of all that callers of the API have, and add its takes."""
    wanted = {f"/{name}" for name in TOOLS}
    server.tool_to_endpoint = {
        name: endpoint for name, endpoint in server.tool_to_endpoint.items() if endpoint in wanted
    }
    _add_resources(server, studio, takes)


def _add_resources(server: Any, studio: Studio, takes: ApiTakes) -> None:
    """The latest takes, each with its status and addresses: those asked for here, and the library's."""
    from mcp import types
    from mcp.server.lowlevel.helper_types import ReadResourceContents

    own = server.mcp_server

    @own.list_resources()
    async def list_resources() -> list[types.Resource]:
        latest = await run_in_threadpool(takes.latest, MOST)
        return [
            types.Resource(uri=_uri(take_id), name=prompt or take_id, mimeType=JSON)
            for take_id, prompt in latest
        ]

    @own.list_resource_templates()
    async def list_resource_templates() -> list[types.ResourceTemplate]:
        about = "How a take stands, and the addresses of its sound."
        return [
            types.ResourceTemplate(
                uriTemplate=f"{SCHEME}{{take_id}}", name="take", description=about, mimeType=JSON
            )
        ]

    @own.read_resource()
    async def read_resource(uri: Any) -> list[ReadResourceContents]:
        links = Links.of(own.request_context.request, studio.settings.root_path)
        if not str(uri).startswith(SCHEME):
            raise ValueError("There is no such resource: they are listed.")
        try:
            told = await run_in_threadpool(takes.status, unquote(str(uri).removeprefix(SCHEME)), links)
        except RefusedError as error:
            raise ValueError(str(error)) from error
        return [ReadResourceContents(content=json.dumps(told, ensure_ascii=False), mime_type=JSON)]


def _uri(take_id: str) -> Any:
    from pydantic import AnyUrl

    return AnyUrl(f"{SCHEME}{quote(take_id, safe='')}")
