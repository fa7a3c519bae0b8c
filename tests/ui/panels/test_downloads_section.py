"""The section of the page that gets models."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from studio.backends.catalog import list_models
from studio.backends.hub import HubFile, Plan
from studio.core.errors import ModelNotFoundError, StudioError
from studio.core.settings import Settings
from studio.service.downloads import Downloader, DownloadProgress
from studio.ui.panels import downloads

ID = "cvssp/audioldm2"


class FakeDownloader(Downloader):
    """Says what it is told to."""

    def __init__(self, error: StudioError | None = None) -> None:
        super().__init__(Settings())
        self.error = error
        self.begun: list[str] = []
        self.stopped = False

    def plan(self, model_id: str) -> Plan:
        if self.error:
            raise self.error
        return Plan(model_id, (HubFile(model_id, "main", "a", 4_500_000_000, "0" * 40),), "CC-BY-NC-SA-4.0")

    def start(self, model_id: str) -> None:
        self.plan(model_id)
        self.begun.append(model_id)

    def stop(self) -> None:
        self.stopped = True

    def show(self, progress: DownloadProgress) -> None:
        self._progress = progress


def handlers(downloader: Downloader) -> dict[str, Any]:
    """What the section's parts call, by the names of what they do."""
    with gr.Blocks() as page:
        downloads.build(downloader, list_models(Settings()))
    return {fn.fn.__name__: fn.fn for fn in page.fns.values() if fn.fn is not None}


def test_size_room_and_licence_come_first() -> None:
    calls = handlers(FakeDownloader())
    said, button = calls["chosen"](ID)
    for word in ("4.5 GB", "left", "CC-BY-NC-SA-4.0", "non-commercial"):
        assert word in said
    assert button["interactive"] is True
    assert calls["chosen"](None)[1]["interactive"] is False


def test_a_refusal_is_said_in_its_place() -> None:
    calls = handlers(FakeDownloader(ModelNotFoundError("The Hub can't be reached.")))
    said, button = calls["chosen"](ID)
    assert said == "The Hub can't be reached."
    assert button["interactive"] is False
    assert calls["begin"](ID)[0] == "The Hub can't be reached."


def test_progress_is_shown_until_it_ends() -> None:
    downloader = FakeDownloader()
    calls = handlers(downloader)
    assert calls["begin"](ID)[3].active is True
    assert downloader.begun == [ID]
    downloader.show(DownloadProgress(ID, 500_000_000, 4_500_000_000, 50_000_000.0))
    said, start, stop, poll = calls["look"]()
    assert said == f"{ID}: 500.0 MB of 4.5 GB · 50.0 MB a second · 1:20 left"
    assert (start["interactive"], stop["interactive"], poll.active) == (False, True, True)
    calls["stop"]()
    assert downloader.stopped
    downloader.show(DownloadProgress(ID, 1, 2, ended=True, said="Stopped: what has come is kept."))
    said, start, stop, poll = calls["look"]()
    assert said == "Stopped: what has come is kept."
    assert (start["interactive"], stop["interactive"], poll.active) == (True, False, False)


@pytest.mark.parametrize("name", ["pocket/audioldm", "tone"])
def test_what_ships_is_not_offered(name: str) -> None:
    with gr.Blocks() as page:
        downloads.build(FakeDownloader(), list_models(Settings()))
    offered = {
        value
        for block in page.blocks.values()
        if isinstance(block, gr.Dropdown)
        for _, value in block.choices
    }
    assert ID in offered
    assert name not in offered
