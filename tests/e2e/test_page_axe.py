"""Nothing on the page keeps somebody out: axe-core finds nothing serious, in whatever state it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from axe import Inspection
from conftest import (
    close_settings,
    open_export,
    open_pane,
    open_tab,
    served,
    set_length,
    tone_settings,
    wait_for_position,
    wait_for_state,
)

from studio.backends.systems.tone import ToneBackend
from studio.core.errors import OutOfResourcesError
from studio.core.request import GenerationRequest
from studio.core.settings import Settings
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SIZES = {"desk": {"viewport": {"width": 1440, "height": 900}}}
SIZES["phone"] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
TABS = ("Infinite", "Sparse", "Dual", "Library")
TOO_LARGE, FULL = "a take that is too large", "There is no memory left for this take."


class Crowded(Renderer):
    """Has no room for the take of that prompt."""

    def __call__(self, request: GenerationRequest, *rest: Any) -> Iterator[Any]:
        if request.prompt == TOO_LARGE:
            raise OutOfResourcesError(FULL)
        yield from super().__call__(request, *rest)


def make_studio(settings: Settings) -> Studio:
    return Studio(settings, lambda choice: ToneBackend(), Crowded())


@pytest.fixture(scope="module")
def crowded_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with served(tone_settings(tmp_path_factory.mktemp("outputs")), make_studio) as page:
        yield page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_serious(
    crowded_site: Any, visit: Callable[..., Page], axe: str, size: str, theme: str
) -> None:
    # A colour on its way to another one is no finding.
    page = visit(crowded_site.url, color_scheme=theme, reduced_motion="reduce", **SIZES[size])
    inspection = Inspection(page, axe)
    for name in TABS:
        open_tab(page, name)
        inspection.look(f"{name}, ready")
        if name != "Library":
            look_into_the_panes(inspection, name.lower())
    open_tab(page, "Infinite")
    take_its_course(inspection)
    open_tab(page, "Library")
    page.click(".lw-take >> nth=0")
    page.wait_for_selector("#library-open:not([disabled])")
    inspection.look("Library, a take chosen")
    assert inspection.found == [], "\n".join(inspection.found)


def look_into_the_panes(inspection: Inspection, tab: str) -> None:
    """Each pane of the inspector with all its sections open; on a phone it is a sheet."""
    page = inspection.page
    for pane in ("sound", "engine", "inside"):
        open_pane(page, pane, tab)
        page.wait_for_selector(f"#{tab}-{pane}", state="visible")
        closed = page.locator(f"#{tab}-{pane} .label-wrap:not(.open)")
        while closed.count():
            closed.first.click()
        inspection.look(f"{tab}, {pane}")
    close_settings(page, tab)


def compare(inspection: Inspection) -> None:
    """Two takes by ear, with an answer and all that there is to see of them."""
    page = inspection.page
    page.click(".lw-ear-open:visible")
    page.wait_for_selector(".lw-ear [data-hear]:not([disabled])")
    for key in ("x", "ArrowLeft"):
        page.keyboard.press(key)
    page.click(".lw-ear-difference summary")
    page.click(".lw-ear-check summary")
    page.wait_for_selector(".lw-ear-card >> nth=1 >> .lw-look")
    page.wait_for_selector(".lw-ear-difference li")
    inspection.look("compared by ear")
    page.keyboard.press("Escape")
    page.wait_for_selector(".lw-ear", state="detached")


def take_its_course(inspection: Inspection) -> None:
    """A take that plays, one that ends, one refused, one that fails, and what the transport opens."""
    page = inspection.page
    page.fill("#infinite-prompt textarea", "a steady tone")
    page.click("#infinite-generate")
    wait_for_position(page, 1)
    inspection.look("playing")
    page.fill("#infinite-prompt textarea", "another tone")
    page.wait_for_selector("#infinite-steer", state="visible")
    inspection.look("playing, a change written")
    page.click("#infinite-stop")
    wait_for_state(page, "stopped")
    page.wait_for_selector("#infinite-generate", state="visible")
    set_length(page, 0)
    page.click("#infinite-generate:not([disabled])")
    page.wait_for_selector("#infinite-status [data-phase=failed]")
    inspection.look("refused")
    set_length(page, 1)
    page.click("#infinite-generate:not([disabled])")
    wait_for_state(page, "ended")
    open_export(page)
    inspection.look("ended, export open")
    page.keyboard.press("Escape")
    page.click("#transport-meter")
    inspection.look("ended, stereo and band open")
    page.keyboard.press("Escape")
    compare(inspection)
    page.fill("#infinite-prompt textarea", TOO_LARGE)
    page.click("#infinite-generate:not([disabled])")
    page.wait_for_selector(f"#infinite-status [data-phase=failed]:has-text('{FULL}')")
    enabled = "() => getComputedStyle(document.querySelector('#infinite-generate')).opacity === '1'"
    page.wait_for_function(enabled)  # whole, and not on its way there
    inspection.look("failed")
    page.keyboard.press("?")
    page.wait_for_selector("dialog.lw-keys[open]")
    inspection.look("the list of keys")
    page.keyboard.press("Escape")
