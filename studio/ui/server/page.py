"""The page around the tabs, and the server it is served by."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from starlette.middleware import Middleware

from studio.backends.catalog import DRAFTER, TRIAL, ModelInfo
from studio.core.errors import InvalidRequestError
from studio.core.hosts import in_address
from studio.core.settings import Settings, data_dir
from studio.service.downloads import Downloader
from studio.service.studio import Studio
from studio.service.takes.export_cache import ExportCache
from studio.service.takes.scratch import Scratch
from studio.ui import widgets
from studio.ui.callers import Callers, CallerWatch
from studio.ui.panels import downloads, edits, kits, layers, making, sets, transport
from studio.ui.panels.making import job_routes
from studio.ui.server import client_api, edit_api, export_api, kit_api, look_api
from studio.ui.server.blocks import StudioBlocks
from studio.ui.server.ear_routes import ear_routes
from studio.ui.server.edit_routes import edit_routes
from studio.ui.server.installable import install_routes
from studio.ui.server.keep_routes import keep_routes
from studio.ui.server.layer_routes import layer_routes
from studio.ui.server.library_routes import library_routes
from studio.ui.server.mcp import tools
from studio.ui.server.mcp.server import narrow, require_mcp
from studio.ui.server.network import require_address, require_folder, who_reaches, without_proxies
from studio.ui.server.routes import live_routes, preloads
from studio.ui.server.security import Hosts, LoginGuard, NoForeignReaders, guards, outermost
from studio.ui.server.set_routes import set_routes
from studio.ui.server.take_routes import take_routes
from studio.ui.server.theme import studio_theme
from studio.ui.server.uploads import UploadLimit
from studio.ui.server.v1.keys import KeyGuard
from studio.ui.server.v1.routes import v1_routes
from studio.ui.server.v1.takes import ApiTakes
from studio.ui.tabs import dual, infinite, library, reuse, sparse
from studio.ui.tabs.take_tab import Shared
from studio.ui.widgets import HIDDEN
from studio.ui.words import words

MAX_UPLOAD = "500mb"
MAX_QUEUED = 64
CACHE_CHECK_S, CACHE_AGE_S = 3600, 24 * 3600
POLL_S = 0.5
STYLES = tuple(
    f"{name}.css"
    for name in (
        "style",
        "transport",
        "timeline",
        "palette",
        "library",
        "sets",
        "layers",
        "ear",
        "edit",
        "stage",
        "access",
    )
)
GUARDED = re.compile(
    r"/(making|library|sets|kits|layers|edits)(/|$)"
)  # what is for who has logged in, and is not Gradio's

log = logging.getLogger(__name__)


class Page:
    """The studio's page: build, launch, close."""

    def __init__(self, studio: Studio, list_models: Callable[[], Sequence[ModelInfo]]) -> None:
        self.settings: Settings = studio.settings
        self._studio = studio
        self._scratch = Scratch()
        os.environ["GRADIO_TEMP_DIR"] = str(self._scratch.path)  # Gradio reads it at every use
        self._shared = shared = Shared.of(studio)
        self._callers = Callers()
        self._takes = ApiTakes(studio)
        self._hosts = Hosts(self.settings, [name] if (name := os.environ.get("SPACE_HOST")) else [])
        self.url = ""
        with StudioBlocks(title="Longwave", delete_cache=(CACHE_CHECK_S, CACHE_AGE_S)) as self.blocks:
            widgets.header()
            if self.settings.trusted:  # or strangers would read and stop each other's takes
                making.build()
            known = list_models()
            models = [model for model in known if model.system not in (DRAFTER, TRIAL)]
            with gr.Tabs() as tabs:
                with gr.Tab("Infinite", id="infinite"):
                    endless = infinite.build(shared, models)
                with gr.Tab("Sparse", id="sparse"):
                    clips = sparse.build(shared, models)
                with gr.Tab("Dual", id="dual"):
                    drafted = dual.build(shared, known)
                with gr.Tab(words.sets.all, id="sets"):
                    sets.build()
                if self.settings.trusted:  # layers are of the Library's takes
                    with gr.Tab(words.layers.tab, id="layers", elem_id="layers-tab"):
                        layers.build(self.settings.presets)
                if self.settings.trusted:  # or strangers would hear, rename and delete each other's takes
                    with gr.Tab("Library", id="library") as takes:
                        library.build(studio, shared.looks, tabs, takes, [endless, clips, drafted])
                    reuse.bind(tabs, [endless, clips, drafted], studio, shared.offers)
            if self.settings.private:  # the disk and the network are this machine's user's
                downloads.build(Downloader(self.settings), known)
            transport.build()
            if self.settings.trusted:  # edits are of the Library's takes
                edits.build()
            endless.follow(self.blocks.load, endless.handlers.reattach, None)
            for others in (clips, drafted):
                # A tab's parts are not on the page before it is opened, and only they can listen to its clip.
                self.blocks.load(others.handlers.turn_to, None, tabs, **HIDDEN)
                others.follow(self.blocks.load, others.handlers.reattach, None)
            client_api.build(studio, self._callers)
            if self.settings.trusted:
                edit_api.build(studio, self._callers)
                export_api.build(studio, ExportCache(self._scratch.path))
                look_api.build(shared.looks)
                kit_api.build(studio, self._callers)
            if self.settings.mcp:
                tools.build(studio, self._takes)

    def launch(self) -> str:
        """Serve in the background; the page's address.

        Raises:
            InvalidRequestError: the outputs can't be written, the port is taken, or the host is not this
                machine's, or no public link can be had.
        """
        settings = self.settings
        if settings.mcp:
            require_mcp()
        require_folder(settings.outputs)
        require_address(settings.host, settings.port)
        self.blocks.queue(max_size=MAX_QUEUED, api_open=False)
        try:
            with without_proxies(for_others=settings.share):
                _, self.url, public = self.blocks.launch(**self._options())
        except Exception as error:  # the server's boundary: whatever it is, nothing was started
            log.debug("The server did not start", exc_info=True)
            raise InvalidRequestError(
                f"Can't listen on {settings.host}, port {settings.port}: choose another --port or --host."
            ) from error
        outermost(self.blocks.app, Middleware(NoForeignReaders, hosts=self._hosts))
        if (mcp := self.blocks.mcp_server_obj) is not None:
            narrow(mcp, self._studio, self._takes)
        if settings.share and not public:
            self.close()
            raise InvalidRequestError(
                "There is no public link to be had: check the network, or start it without --share."
            )
        if public:
            self._hosts.allow(urlsplit(public).hostname or "")
            self.url = public
        return self.url

    def notice(self) -> str:
        """Who can reach what, in a sentence or two; empty where only this machine's own user does."""
        return who_reaches(self.settings, self.blocks.server_port)

    def _options(self) -> dict[str, Any]:
        """What Gradio is launched with."""
        settings, files = self.settings, data_dir("assets") / "page"
        routes = live_routes(self._shared.views, files)
        library = self._studio.library if settings.trusted else None
        routes += take_routes(self._shared.offers, self._scratch.path, library)
        routes += ear_routes(self._shared.offers, self._shared.looks)
        routes += keep_routes(self._shared.views, settings)
        routes += set_routes(self._studio, self._scratch.path)
        routes += install_routes()
        routes += v1_routes(self._studio, self._takes, self._scratch.path)
        if settings.trusted:
            routes += [*job_routes(self._studio), *kits.kit_routes(self._studio), *layer_routes(self._studio)]
            routes += edit_routes(self._studio, self._shared.offers)
            routes += library_routes(self._studio.library, self._scratch.path)
        return {
            "server_name": in_address(settings.host),
            "server_port": settings.port or None,
            "inbrowser": settings.open_browser,
            "share": settings.share,
            "auth": list(settings.auth) or None,
            "root_path": settings.root_path,
            "prevent_thread_lock": True,
            "quiet": True,
            "show_error": False,
            "ssr_mode": False,
            "mcp_server": settings.mcp,
            "pwa": True,  # by a manifest of our own
            "strict_cors": True,
            "enable_monitoring": False,
            "max_file_size": MAX_UPLOAD,
            "footer_links": [],
            "theme": studio_theme(),
            "css_paths": [files / name for name in STYLES],
            "head": preloads(files),
            "favicon_path": files / "favicon.svg",
            "app_kwargs": {
                "routes": routes,
                "middleware": [*guards(self._hosts), *self._watchers()],
                "openapi_url": None,
            },
        }

    def _watchers(self) -> list[Middleware]:
        """What counts and bounds, behind the guards."""
        limit = None if self.settings.private else self.settings.upload_bytes_per_client
        return [
            Middleware(KeyGuard, logins=self.settings.auth),
            Middleware(LoginGuard, is_guarded=lambda path: GUARDED.search(path) is not None),
            Middleware(CallerWatch, callers=self._callers),
            Middleware(UploadLimit, bytes_per_client=limit),
        ]

    def wait(self) -> None:
        """Block until the server is interrupted."""
        forever = threading.Event()
        with suppress(KeyboardInterrupt):
            while not forever.wait(POLL_S):
                pass

    def close(self) -> None:
        """End the server and delete its private folder."""
        self.blocks.close(verbose=False)
        self._scratch.remove()
        if os.environ.get("GRADIO_TEMP_DIR") == str(self._scratch.path):
            del os.environ["GRADIO_TEMP_DIR"]
