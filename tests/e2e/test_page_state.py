"""What a page still knows after it was loaded again, and what two pages at once know of each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from conftest import open_tab, set_length, wait_for_position, wait_for_state
from test_page_studio import wait_for_text, wait_for_value

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PROMPT = "#infinite-prompt textarea"


def loaded_again(page: Page) -> None:
    page.reload()
    page.wait_for_selector("#infinite-player[data-state]")


def test_form_and_level_are_as_they_were(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.fill(PROMPT, "gulls over a harbour")
    set_length(page, 7)
    page.fill("#infinite-negative-prompt textarea", "engines")
    page.evaluate(
        """() => {
          const level = document.querySelector('#transport-level');
          level.value = 35;
          level.dispatchEvent(new Event('input'));
        }"""
    )
    page.wait_for_selector("#infinite-sound-tab .lw-badge:has-text('3 changed')")
    loaded_again(page)
    wait_for_value(page, PROMPT, "gulls over a harbour")
    wait_for_value(page, "#infinite-duration input", "7")
    wait_for_value(page, "#infinite-negative-prompt textarea", "engines")
    assert not page.is_checked("#infinite-endless input")
    assert page.input_value("#transport-level") == "35"
    page.click("#infinite-reset .lw-reset")
    wait_for_value(page, "#infinite-duration input", "60")
    assert page.input_value(PROMPT) == "gulls over a harbour", "the prompt is one's own"
    page.wait_for_selector("#infinite-sound-tab .lw-badge", state="detached")


def test_another_browser_shows_the_take_that_runs(tone_site: Any, visit: Callable[..., Page]) -> None:
    first = visit(tone_site.url)
    first.fill(PROMPT, "a far storm")
    first.click("#infinite-engine-tab")
    first.check("#infinite-keep input")
    first.click("#infinite-generate")
    wait_for_position(first, 1)
    first.close()
    second = visit(tone_site.url)
    wait_for_value(second, PROMPT, "a far storm")
    second.wait_for_selector("#infinite-tab[data-main=again]")
    second.fill(PROMPT, "a near storm")
    second.wait_for_selector("#infinite-tab[data-main=steer]")
    second.click("#infinite-stop")
    wait_for_text(second, "#infinite-status", "saved as")


def test_a_take_that_ended_meanwhile_is_told_of_by_name(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.fill(PROMPT, "short and gone")
    page.click("#infinite-engine-tab")
    page.check("#infinite-keep input")
    page.click("#infinite-sound-tab")
    set_length(page, 3)
    page.click("#infinite-generate")
    wait_for_state(page, "playing")
    page.goto("about:blank")
    job = tone_site.studio.jobs()[-1]
    list(tone_site.studio.events(job.id))
    page.goto(tone_site.url)
    wait_for_text(page, "#infinite-status", "Finished: 0:03 saved as")
    assert "short_and_gone" in page.inner_text("#infinite-status")
    page.wait_for_selector("#infinite-take-strip .lw-tile")
    page.click("#transport-play:not([disabled])")
    page.wait_for_selector("#transport[data-state=ended]")


def test_takes_in_the_making_go_on_while_the_page_is_loaded_again(
    tone_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(tone_site.url)
    page.fill(PROMPT, "four of a kind")
    set_length(page, 200)
    page.locator("#infinite-variations label").nth(2).click()
    page.wait_for_selector("#infinite-will:has-text('4 takes of 3:20')")
    page.click("#infinite-generate")
    wait_for_text(page, "#infinite-status", "Take 1 of 4")
    job = tone_site.studio.jobs()[-1]
    loaded_again(page)
    page.wait_for_function(
        "document.querySelectorAll('#infinite-take-strip .lw-tile').length === 4", timeout=120_000
    )
    wait_for_text(page, "#infinite-status", "All 4 takes are made")
    assert not job.cancel.is_set()
    loaded_again(page)
    page.wait_for_function("document.querySelectorAll('#infinite-take-strip .lw-tile').length === 4")


def test_two_people_hear_their_own(tone_site: Any, visit: Callable[..., Page]) -> None:
    first, second = visit(tone_site.url), visit(tone_site.url)
    first.fill(PROMPT, "one")
    second.fill(PROMPT, "two")
    set_length(first, 4)
    set_length(second, 4)
    first.click("#infinite-generate")
    second.click("#infinite-generate")
    for page, name in ((first, "__one__"), (second, "__two__")):
        wait_for_text(page, "#infinite-status", "Finished: 0:04")
        assert name in page.inner_text("#infinite-status")
        page.wait_for_selector("#infinite-take-strip .lw-tile")
        assert page.locator("#infinite-take-strip .lw-tile").count() == 1


def test_a_second_tab_of_the_browser_leaves_the_first_alone(
    tone_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(tone_site.url)
    page.fill(PROMPT, "mine")
    page.click("#infinite-generate")
    wait_for_position(page, 1)
    other = page.context.new_page()
    other.goto(tone_site.url)
    other.wait_for_selector("#infinite-player[data-state=idle]")
    wait_for_position(page, 4)
    wait_for_text(other, "#making", "1 take being made")
    assert other.get_attribute("#infinite-player", "data-state") == "idle"
    page.click("#infinite-stop")
    wait_for_text(page, "#infinite-status", "saved as")


def test_one_sound_at_a_time(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    set_length(page, 4)
    page.click("#infinite-generate")
    wait_for_state(page, "ended")
    page.wait_for_selector("#infinite-take-strip .lw-tile")
    page.check("#infinite-endless input")
    page.click("#infinite-generate")
    wait_for_position(page, 1)
    page.click("#infinite-take-strip .lw-tile")
    wait_for_state(page, "paused")  # the live take waits, and is not lost
    page.wait_for_selector("#transport[data-state=ended]")
    page.click("#infinite-stop")
    wait_for_text(page, "#infinite-status", "saved as")


def test_a_take_of_the_strip_is_continued_and_drafted_from(
    tone_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(tone_site.url)
    page.fill(PROMPT, "used again")
    set_length(page, 3)
    page.click("#infinite-generate")
    wait_for_state(page, "ended")
    page.click("#infinite-take-strip [data-act=star]")
    page.wait_for_selector("#infinite-take-strip [data-act=unstar]")
    page.click("#infinite-take-strip [data-act=draft]")
    page.wait_for_selector("#dual-draft-file >> text=used_again")
    assert page.is_checked("#dual-draft input[value=recorded]")
    open_tab(page, "Infinite")
    page.click("#infinite-take-strip [data-act=continue]")
    page.wait_for_selector("#infinite-continue-part .lw-badge:has-text('used_again')")
    page.click("#infinite-take-strip [data-act=reject]")
    page.wait_for_selector("#infinite-take-strip:has-text('Take A is in the trash.')")
    page.wait_for_selector("#infinite-take-strip .lw-tile", state="detached")
    page.click("#infinite-take-strip .lw-strip-said button")
    page.wait_for_selector("#infinite-take-strip .lw-tile")
    assert [take.about.favourite for take in tone_site.studio.library.takes("used again")] == [True]
