"""A set in a browser, from the form to one ZIP: stopped, gone on with, a take that failed tried again."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe import Inspection
from conftest import served, set_length, tone_settings

from studio.backends.systems.tone import ToneBackend
from studio.core.errors import OutOfResourcesError
from studio.core.request import GenerationRequest
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

LAPTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 720}, "color_scheme": "light"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"
}  # fmt: skip
FULL = "There is no memory left for this take: ask for fewer seconds."


class Paced(Renderer):
    """Makes a take each time it is let, and has no room for those of one seed while it is `full`."""

    def __init__(self) -> None:
        super().__init__()
        self.lets = threading.Semaphore(0)
        self.full = True

    def __call__(self, request: GenerationRequest, backend: Any, cancel: Any, *rest: Any) -> Iterator[Any]:
        while not self.lets.acquire(timeout=0.02):
            cancel.check()
        if request.seed == 103 and self.full:
            raise OutOfResourcesError(FULL)
        yield from super().__call__(request, backend, cancel, *rest)


@pytest.fixture(scope="module")
def paced() -> Paced:
    return Paced()


@pytest.fixture(scope="module")
def sets_site(tmp_path_factory: pytest.TempPathFactory, paced: Paced) -> Iterator[Any]:
    with served(
        tone_settings(tmp_path_factory.mktemp("outputs")),
        lambda settings: Studio(settings, lambda choice: ToneBackend(), paced),
    ) as page:
        yield page


def wait_for_rows(page: Page, phase: str, count: int) -> None:
    page.wait_for_function(
        "([phase, count]) => document.querySelectorAll(`.lw-set tr[data-phase=${phase}]`).length === count",
        arg=[phase, count],
    )


@pytest.mark.parametrize("device", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_a_set_of_six(
    sets_site: Any, visit: Callable[..., Page], axe: str, paced: Paced, tmp_path: Path, device: dict[str, Any]
) -> None:
    paced.full = True
    page = visit(sets_site.url, reduced_motion="reduce", **device)
    inspection = Inspection(page, axe)
    page.fill("#infinite-prompt textarea", "rain on a tin roof")
    set_length(page, 1)
    page.evaluate("window.longwave.infinite.form.ask({ seed: '100' })")
    page.click("#infinite-will .lw-set-open")
    assert page.evaluate("document.activeElement.matches('#infinite-set input')")
    page.fill("#infinite-set input", "6")
    page.wait_for_selector("#infinite-set p:has-text('6 takes of 0:01, 0:06 of sound.')")
    inspection.look("asking for a set")
    page.click("#infinite-set .lw-set-begin")
    wait_for_rows(page, "making", 1)
    paced.lets.release(2)
    wait_for_rows(page, "done", 2)
    inspection.look("being made")
    page.click(".lw-set [data-do=stop]")
    page.wait_for_selector(".lw-set-told:has-text('2 of 6 made · stopped')")
    inspection.look("stopped")
    page.reload()
    page.get_by_role("tab", name="Sets", exact=True).click()
    page.click(".lw-set [data-do=go]")
    paced.lets.release(4)
    wait_for_rows(page, "failed", 1)
    wait_for_rows(page, "done", 5)
    page.wait_for_selector(".lw-set-news:has-text('1 of 6 takes failed')")
    assert FULL in page.inner_text("tr[data-phase=failed]")
    assert page.evaluate("document.documentElement.scrollWidth") <= device["viewport"]["width"]
    inspection.look("one failed")
    paced.full = False
    page.click("tr[data-phase=failed] .lw-row-retry")
    paced.lets.release()
    page.wait_for_selector(".lw-set-news:has-text('all 6 takes are made')")
    page.focus("tr:nth-child(1) .lw-row-play")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("tr:nth-child(2) .lw-row-play.lw-is-playing")
    inspection.look("done")
    page.get_by_role("tab", name="Library", exact=True).click()
    group = page.locator(".lw-group").first
    assert group.locator("h3").inner_text().startswith("Set · 6 takes")
    assert group.locator(".lw-take").count() == 6
    inspection.look("in the Library")
    with page.expect_download() as download:
        group.locator(".lw-group-zip").click()
    download.value.save_as(tmp_path / "set.zip")
    with zipfile.ZipFile(tmp_path / "set.zip") as whole:
        assert whole.testzip() is None
        sounds = [f"{n}_rain_on_a_tin_roof_s{99 + n}.flac" for n in range(1, 7)]
        assert whole.namelist() == [*sounds, "set.csv"]
    group.locator(".lw-group-open").click()
    page.wait_for_selector("#sets-name:has-text('rain on a tin roof')")
    assert inspection.found == [], "\n".join(inspection.found)


def test_a_sheet_is_dropped_told_of_and_made(
    sets_site: Any, visit: Callable[..., Page], paced: Paced
) -> None:
    """What is wrong with it is said by its line; of many rows some are shown at a time."""
    page = visit(sets_site.url, **LAPTOP)
    page.get_by_role("tab", name="Sets", exact=True).click()
    drop = """text => {
      const dropped = new DataTransfer();
      dropped.items.add(new File([text], 'village.csv'));
      const event = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: dropped });
      document.querySelector('.lw-sheet-drop').dispatchEvent(event);
    }"""
    page.wait_for_selector(".lw-sheet-drop")
    page.evaluate(drop, "prompt,seconds,model\nrain,1,tone\nwind,ten,tone\n")
    page.wait_for_selector(".lw-sheet-said.lw-wrong:has-text('ine 3')")
    page.evaluate(drop, "prompt,seconds,model,count\nrain,1,tone,60\n")
    page.wait_for_selector(".lw-sheet-said:has-text('60 takes of 0:01')")
    assert page.input_value(".lw-sheet-read input") == "village"
    page.click(".lw-sheet-begin")
    page.wait_for_selector("#sets-name:has-text('village')")
    page.wait_for_selector(".lw-set-pages:has-text('1–50 of 60')")
    page.click(".lw-set-pages [data-page='1']")
    page.wait_for_selector(".lw-set-pages:has-text('51–60 of 60')")
    assert page.locator(".lw-set tbody tr").count() == 10
    page.click(".lw-set [data-do=stop]")
    page.wait_for_selector(".lw-set-told:has-text('0 of 60 made · stopped')")
