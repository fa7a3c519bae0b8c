"""The page around the tabs, and the server it is served by."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr

from studio.backends.catalog import DRAFTER, ModelInfo
from studio.core.errors import InvalidRequestError
from studio.core.settings import Settings, data_dir
from studio.service.exports import Exports
from studio.service.jobs import Studio
from studio.ui import api, dual, export_api, infinite, library, sparse, widgets
from studio.ui.live import LiveViews
from studio.ui.routes import guards, live_routes
from studio.ui.takes import HIDDEN
from studio.ui.theme import studio_theme

MAX_UPLOAD = "500mb"
MAX_QUEUED = 64
CACHE_CHECK_S, CACHE_AGE_S = 3600, 24 * 3600


class Page:
    """The studio's page: build, launch, close."""

    def __init__(self, studio: Studio, list_models: Callable[[], Sequence[ModelInfo]]) -> None:
        self.settings: Settings = studio.settings
        self._scratch = Path(tempfile.mkdtemp(prefix="longwave-"))
        os.environ["GRADIO_TEMP_DIR"] = str(self._scratch)  # Gradio reads it at every use
        self._views = LiveViews()
        self.url = ""
        with gr.Blocks(title="Longwave", delete_cache=(CACHE_CHECK_S, CACHE_AGE_S)) as self.blocks:
            widgets.header()
            known = list_models()
            models = [model for model in known if model.system != DRAFTER]
            with gr.Tabs() as tabs:
                with gr.Tab("Infinite", id="infinite"):
                    tab = infinite.build(studio, self._views, models)
                with gr.Tab("Sparse", id="sparse"):
                    clips = sparse.build(studio, self._views, models)
                with gr.Tab("Dual", id="dual"):
                    drafted = dual.build(studio, self._views, known)
                if self.settings.private:  # or strangers would hear, rename and delete each other's takes
                    with gr.Tab("Library", id="library") as takes:
                        library.build(studio, tabs, takes, tab, clips, drafted)
            tab.follow(self.blocks.load, tab.handlers.reattach, None)
            for others in (clips, drafted):
                # A tab's parts are not on the page before it is opened, and only they can listen to its clip.
                self.blocks.load(others.handlers.turn_to, None, tabs, **HIDDEN)
                others.follow(self.blocks.load, others.handlers.reattach, None)
            api.build(studio)
            if self.settings.private:
                export_api.build(studio, Exports(self._scratch))

    def launch(self) -> str:
        """Serve in the background; the page's address.

        Raises:
            InvalidRequestError: the port is taken, or the host is not this machine's.
        """
        settings, files = self.settings, data_dir("assets") / "page"
        settings.outputs.mkdir(parents=True, exist_ok=True)
        self.blocks.queue(max_size=MAX_QUEUED, api_open=False)
        try:
            _, self.url, _ = self.blocks.launch(
                server_name=settings.host,
                server_port=settings.port or None,
                inbrowser=settings.open_browser,
                share=settings.share,
                prevent_thread_lock=True,
                quiet=True,
                show_error=False,
                ssr_mode=False,
                strict_cors=True,
                enable_monitoring=False,
                max_file_size=MAX_UPLOAD,
                allowed_paths=[str(settings.outputs.resolve())],
                footer_links=[],
                theme=studio_theme(),
                css_paths=files / "style.css",
                favicon_path=files / "favicon.svg",
                app_kwargs={
                    "routes": live_routes(self._views, files, self._scratch),
                    "middleware": guards(settings.host),
                    "openapi_url": None,
                },
            )
        except OSError as error:
            raise InvalidRequestError(
                f"Can't listen on {settings.host}, port {settings.port}: choose another --port or --host."
            ) from error
        return self.url

    def wait(self) -> None:
        """Block until the server is interrupted."""
        self.blocks.block_thread()

    def close(self) -> None:
        """End the server and delete its private folder."""
        self.blocks.close(verbose=False)
        shutil.rmtree(self._scratch, ignore_errors=True)
