"""A kit in a browser: asked for beside the form, stopped, made again, and fetched as a ZIP."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe import Inspection
from conftest import close_settings, open_pane, open_tab, served, tone_settings

from studio.backends.systems.tone import ToneBackend
from studio.core.request import GenerationRequest
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


class Paced(Renderer):
    """Makes a loop each time it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.lets = threading.Semaphore(0)

    def __call__(self, request: GenerationRequest, backend: Any, cancel: Any, *rest: Any) -> Iterator[Any]:
        while not self.lets.acquire(timeout=0.02):
            cancel.check()
        yield from super().__call__(request, backend, cancel, *rest)


@pytest.fixture(scope="module")
def paced() -> Paced:
    return Paced()


@pytest.fixture(scope="module")
def kit_site(tmp_path_factory: pytest.TempPathFactory, paced: Paced) -> Iterator[Any]:
    with served(
        tone_settings(tmp_path_factory.mktemp("outputs")),
        lambda settings: Studio(settings, lambda choice: ToneBackend(), paced),
    ) as page:
        yield page


def ask(page: Page) -> None:
    page.fill("#sparse-kit input[type=number]", "1")
    page.fill("#sparse-kit .lw-kit-light", "soft rain")
    page.click("#sparse-kit .lw-set-begin")


def test_a_kit_is_made_stopped_and_fetched(
    kit_site: Any, visit: Callable[..., Page], axe: str, paced: Paced, tmp_path: Path
) -> None:
    page = visit(kit_site.url, reduced_motion="reduce", color_scheme="light")
    open_tab(page, "Sparse")
    inspection = Inspection(page, axe)
    page.fill("#sparse-prompt textarea", "rain on a tin roof")
    open_pane(page, "sound", "sparse")
    page.fill("#sparse-duration input[type=number]", "2.5")
    open_pane(page, "engine", "sparse")
    page.fill("#sparse-steps input", "2")
    page.check("#sparse-method input[value=dense]")  # a tone has no attention to make sparse
    close_settings(page, "sparse")
    page.click("#sparse-will .lw-kit-open")
    inspection.look("asking for a kit")

    ask(page)
    page.wait_for_selector("#sparse-kit p:has-text('Making the bed')")
    assert page.is_disabled("#sparse-kit .lw-set-begin")
    inspection.look("a kit that is made")
    page.click("#sparse-kit .lw-kit-stop")
    page.wait_for_selector("#sparse-kit p:has-text('Stopped.')")
    assert list((kit_site.studio.settings.outputs / "kits").iterdir()) == []

    paced.lets.release(100)
    ask(page)
    page.wait_for_selector("#sparse-kit :is(.lw-kit-stop, .lw-kit-zip):visible")
    page.reload()  # the kit goes on, and the page comes back to it
    page.wait_for_selector("#infinite-player[data-state]")
    open_tab(page, "Sparse")
    page.click("#sparse-will .lw-kit-open")
    page.wait_for_selector("#sparse-kit .lw-kit-zip:visible")
    with page.expect_download() as got:
        page.click("#sparse-kit .lw-kit-zip")
    assert got.value.suggested_filename == "rain_on_a_tin_roof.zip"
    got.value.save_as(tmp_path / "kit.zip")
    with zipfile.ZipFile(tmp_path / "kit.zip") as archive:
        manifest = json.loads(archive.read("rain_on_a_tin_roof/manifest.json"))
    assert [one["kind"] for one in manifest["files"]] == ["bed", "variation", "state", "state"]
    light, heavy = manifest["files"][2:]
    assert light["prompt"] == "soft rain"
    assert len(heavy["layers"]) == 4  # a tone makes the same of all words
    assert "apart and not" in page.inner_text("#sparse-kit p")  # of one tone there are no variations
    assert inspection.found == [], "\n".join(inspection.found)


def test_a_preset_fills_in_the_form_and_what_is_wrong_is_said(
    kit_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(kit_site.url)
    open_tab(page, "Sparse")
    page.click("#sparse-will .lw-kit-open")
    page.select_option("#sparse-kit .lw-kit-preset", "footsteps")
    page.wait_for_function("window.longwave.sparse.form.values.prompt === 'footsteps on gravel'")
    assert page.input_value("#sparse-kit .lw-kit-heavy") == "running footsteps on gravel"
    page.fill("#sparse-kit input[type=number]", "99")
    page.click("#sparse-kit .lw-set-begin")
    page.wait_for_selector("#sparse-kit p.lw-wrong:has-text('Variations must be')")
    page.keyboard.press("Escape")
    page.wait_for_selector("#sparse-kit .lw-kit-ask", state="hidden")
