"""A session without a mouse: from a word pressed to a span exported, by the keys alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile as sf
from conftest import player_state, wait_for_position, wait_for_state
from test_page_studio import wait_for_text, wait_for_value

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

MOST_STOPS = 150
LENGTH_S = 50
CHANGE_S = 42


def go_to(page: Page, selector: str, back: bool = False) -> None:
    """Press Tab until the element has the focus; within a toolbar the arrow keys."""
    for _ in range(MOST_STOPS):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        inside = page.evaluate(
            """(selector) => Boolean(
              document.activeElement.closest('[role=toolbar]')?.querySelector(selector))""",
            selector,
        )
        page.keyboard.press("ArrowRight" if inside else "Shift+Tab" if back else "Tab")
    raise AssertionError(f"no key leads to {selector}")


def type_into(page: Page, selector: str, text: str) -> None:
    go_to(page, selector)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def test_a_session_by_keyboard(word_site: Any, visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit(word_site.url, viewport={"width": 1440, "height": 900})

    # A word is pressed, and it is heard; Space holds it and goes on, Escape stops it.
    go_to(page, ".lw-chip[data-family=rain]")
    page.keyboard.press("Enter")
    wait_for_value(page, "#infinite-prompt textarea", "rain")
    wait_for_position(page, 1)
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Space")
    wait_for_state(page, "paused")
    page.keyboard.press("Space")
    wait_for_state(page, "playing")
    page.keyboard.press("Escape")
    wait_for_state(page, "stopped")
    assert player_state(page)["underruns"] == 0

    # Thunder is put into the timeline, and its edge moved to 0:42.
    go_to(page, ".lw-chip[data-family=thunder]")
    page.keyboard.press("Shift+Enter")
    edge = "#infinite-timeline [role=slider]"
    page.wait_for_selector(edge)
    go_to(page, edge)
    at_s = float(page.get_attribute(edge, "aria-valuenow") or 0)
    for _ in range(abs(round(CHANGE_S - at_s))):
        page.keyboard.press("ArrowRight" if at_s < CHANGE_S else "ArrowLeft")
    page.wait_for_function(f"(edge) => document.querySelector(edge).ariaValueNow == {CHANGE_S}", arg=edge)

    # Four takes of 50 seconds.
    go_to(page, "#infinite-endless input")
    page.keyboard.press("Space")
    type_into(page, "#infinite-duration input", str(LENGTH_S))
    go_to(page, "#infinite-variations input[value='4']", back=True)
    page.keyboard.press("Space")
    wait_for_text(page, "#infinite-will", "4 takes of 0:50")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#infinite-status:has-text('All 4 takes are made')", timeout=120_000)
    job = word_site.studio.jobs()[-1]
    assert [(point.at_s, point.prompt) for point in job.request.lane] == [(CHANGE_S, "thunder")]

    # The third is heard, marked as a favourite, and a span of it exported.
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("3")
    page.wait_for_function("() => longwave.transport.position > 1")
    page.keyboard.press("i")
    page.wait_for_function("() => longwave.transport.position > 3")
    page.keyboard.press("o")
    page.keyboard.press("Space")
    page.wait_for_function("() => longwave.transport.span?.to > longwave.transport.span?.from")
    go_to(page, ".lw-take-tile:nth-child(3) [data-act=star]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lw-take-tile:nth-child(3) [data-act=unstar]")
    go_to(page, "#transport-export")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lw-export a[href]")
    go_to(page, ".lw-export a[data-format=flac]")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    target = tmp_path / download.value.suggested_filename
    download.value.save_as(target)
    span = page.evaluate("() => longwave.transport.span")
    assert sf.info(target).duration == pytest.approx(span["to"] - span["from"], abs=0.1)


def test_the_tabs_and_the_pad_by_keyboard(word_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(word_site.url, viewport={"width": 1440, "height": 900})
    go_to(page, "[role=tab][data-tab-id=dual]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#dual-player[data-state]")
    page.wait_for_selector("#dual-pad [role=slider][tabindex]")
    go_to(page, "#dual-pad [role=slider]")
    before = float(page.get_attribute("#dual-pad [role=slider]", "aria-valuenow") or 0)
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "(before) => document.querySelector('#dual-pad [role=slider]').ariaValueNow > before", arg=before
    )
    page.wait_for_function(
        "(before) => document.querySelector('#dual-text-scale input[type=number]').value > before", arg=before
    )
    page.keyboard.press("?")
    page.wait_for_selector("dialog.lw-keys[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog.lw-keys:not([open])", state="attached")
