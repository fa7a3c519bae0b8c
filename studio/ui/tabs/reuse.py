"""What a take of the strip is used for next: to be continued, or as the draft of another."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.core.errors import StudioError
from studio.core.files import disk_error
from studio.service.studio import Studio
from studio.service.takes.shelf import id_of
from studio.ui.handing import handed
from studio.ui.panels.library_view import LibraryView
from studio.ui.panels.offers import Offers
from studio.ui.tabs.take_tab import TakeTab


def bind(tabs: gr.Tabs, takes: list[TakeTab], studio: Studio, offers: Offers) -> None:
    """Let each tab's strip hand its takes on to the `takes` tabs, of which the first continues them."""
    endless, dual = takes[0].form, next(tab.form for tab in takes if tab.form.mode == "dual")
    view = LibraryView(studio)

    def reuse(event: gr.EventData) -> dict[Any, Any]:
        path = offers.path(str(event._data.get("token", "")))
        if path is None:
            return {tabs: gr.skip()}
        if event._data.get("act") == "continue":
            opened = view.extend_take(id_of(path))
            if opened.said:
                raise gr.Error(opened.said, print_exception=False)
            return {tabs: gr.Tabs(selected=endless.mode), **endless.shown(opened.values)}
        try:
            values = {"draft": "recorded", "recording": handed(path)}
        except OSError as error:
            raise gr.Error(str(disk_error(error, path)), print_exception=False) from error
        except StudioError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return {tabs: gr.Tabs(selected=dual.mode), **dual.shown(values)}

    filled = [tabs, *endless.shows, dual.fields["draft"], dual.fields["recording"]]
    for tab in takes:
        tab.followed[-1].select(
            reuse, None, filled, show_progress="hidden", queue=False, api_visibility="private"
        )
