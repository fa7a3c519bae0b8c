"""The page as an application of the desktop's: what a browser asks before it offers to install it.

In place of Gradio's own manifest, whose addresses lie at a host's root, which behind a proxy is another's.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from studio.ui.words import words

INK = "#121216"  # the page's ground in the dark, which is behind the window while it opens
ICONS = (
    ("favicon.svg", "image/svg+xml", "any", "any"),
    ("icon-192.png", "image/png", "192x192", "any"),
    ("icon-512.png", "image/png", "512x512", "any"),
    ("icon-maskable.png", "image/png", "512x512", "maskable"),
)


def manifest() -> dict[str, object]:
    """The web application's manifest. Addresses are relative to its own, which is beside the page's."""
    return {
        "name": "Longwave",
        "short_name": "Longwave",
        "description": words.page.tagline,
        "id": "./",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": INK,
        "theme_color": INK,
        "categories": ["music", "multimedia"],
        "icons": [
            {"src": f"page/{name}", "type": kind, "sizes": sizes, "purpose": purpose}
            for name, kind, sizes, purpose in ICONS
        ],
    }


def install_routes() -> list[BaseRoute]:
    """Routes for `launch(app_kwargs=…)`: before the login too, as a browser asks without it."""

    async def answer(request: Request) -> Response:
        return JSONResponse(manifest(), media_type="application/manifest+json")

    return [Route("/manifest.json", answer)]
