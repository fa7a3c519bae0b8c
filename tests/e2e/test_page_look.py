"""A take checked on the page, and in the Library, in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import open_pane, open_section, open_tab, set_length

from studio.service import looks

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def made(page: Page, seconds: float) -> None:
    set_length(page, seconds)
    page.click("#infinite-generate")
    page.wait_for_selector("#infinite-status:has-text('Finished')")


def check(page: Page, tab: str) -> None:
    if not page.locator(f"#{tab}-look-start").is_visible():
        open_section(page, f"{tab}-look")
    page.click(f"#{tab}-look-start")


def position(page: Page) -> float:
    return page.evaluate("window.longwave.transport.position")


def test_a_take_is_checked_where_it_was_made_and_in_the_library(
    tone_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(tone_site.url)
    made(page, 12)
    open_pane(page, "inside")
    check(page, "infinite")
    card = page.locator("#infinite-look-card .lw-look")
    card.get_by_text("No dropouts.").wait_for()
    assert "true peak" in card.inner_text()

    picture = card.locator(".lw-look-picture")
    picture.click(position={"x": picture.bounding_box()["width"] * 0.75, "y": 20})
    page.wait_for_function("window.longwave.transport.position > 8.5")
    assert position(page) < 11.9

    open_tab(page, "Library")
    page.click("#library-list .lw-take-name")
    check(page, "library")
    other = page.locator("#library-look-card .lw-look")
    other.get_by_text("No dropouts.").wait_for()
    assert other.locator("li").all_inner_texts() == card.locator("li").all_inner_texts()
    box = other.locator(".lw-look-picture").bounding_box()
    other.locator(".lw-look-picture").click(position={"x": box["width"] * 0.25, "y": 20})
    page.wait_for_function(
        "window.longwave.transport.position > 2.5 && window.longwave.transport.position < 8"
    )


def test_the_take_that_is_chosen_is_checked_not_the_latest(
    tone_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(tone_site.url)
    set_length(page, 2)
    page.locator("#infinite-variations label").nth(1).click()
    page.click("#infinite-generate")
    page.wait_for_selector("#infinite-status:has-text('All 2 takes are made')")
    open_pane(page, "inside")
    page.click("#infinite-take-strip .lw-tile >> nth=0")
    first, latest = page.evaluate("window.longwave.infinite.strip.takes.map(({ file }) => file)")
    check(page, "infinite")
    page.wait_for_selector("#infinite-look-card .lw-look")
    assert page.get_attribute("#infinite-look-card .lw-look", "data-file") == first != latest


def test_a_check_can_be_stopped_and_goes_with_its_take(
    tone_site: Any, visit: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = threading.Event()

    def endless(self: looks.Looks, path: Path) -> Iterator[float]:
        try:
            while True:
                yield 0.25
                left.wait(0.5)  # a page on busy cores must keep up with its words
        finally:
            left.set()

    page = visit(tone_site.url)
    made(page, 6)
    open_pane(page, "inside")
    monkeypatch.setattr(looks.Looks, "look", endless)
    check(page, "infinite")
    page.get_by_text("25 % checked").wait_for()
    page.click("#infinite-look-stop")
    page.wait_for_selector("#infinite-look-said:has-text('Stopped.')")
    assert left.wait(20)

    monkeypatch.undo()
    check(page, "infinite")
    page.wait_for_selector("#infinite-look-card .lw-look")
    page.click("#infinite-again") if page.locator("#infinite-again").is_visible() else page.click(
        "#infinite-generate"
    )
    page.wait_for_selector("#infinite-look-card .lw-look", state="detached")


def test_without_a_take_it_says_what_to_do(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    open_tab(page, "Sparse")
    open_pane(page, "inside", "sparse")
    check(page, "sparse")
    page.wait_for_selector("#sparse-look-said:has-text('Generate a take first')")
