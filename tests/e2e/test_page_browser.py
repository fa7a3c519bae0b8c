"""The page as its user drives it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf
from conftest import free_port, player_state, served, set_length, wait_for_position, wait_for_state

from studio.core.settings import Settings, data_dir

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
IDS = (
    *("prompt", "seed", "duration", "endless", "generate", "stop", "player"),
    *("spectrogram", "memory", "rtf", "download", "status", "model"),
)


def status(page: Page) -> str:
    return page.inner_text("#infinite-status")


def wait_for_status(page: Page, word: str) -> None:
    page.wait_for_function(
        "word => document.querySelector('#infinite-status').innerText.includes(word)", arg=word
    )


def picture(page: Page) -> str:
    return page.eval_on_selector("#infinite-spectrogram canvas", "canvas => canvas.toDataURL()")


def test_from_prompt_to_file(tone_site: Any, visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit(tone_site.url)
    assert [name for name in IDS if page.locator(f"#infinite-{name}").count() != 1] == []
    assert player_state(page) == {"state": "idle", "position_s": 0.0, "underruns": 0}
    empty = picture(page)
    page.fill("#infinite-prompt textarea", "a steady tone")
    page.fill("#infinite-seed input", "0")
    page.click("#infinite-generate")
    wait_for_position(page, 2)
    early = picture(page)
    wait_for_position(page, 4)
    assert len({empty, early, picture(page)}) == 3
    assert player_state(page)["state"] == "playing"
    assert "Seed 0." in status(page)
    assert "MB" in page.inner_text("#infinite-memory")
    assert "×" in page.inner_text("#infinite-rtf")

    page.click("#infinite-stop")
    wait_for_state(page, "stopped")
    wait_for_status(page, "saved as")
    halted = player_state(page)["position_s"]
    time.sleep(1)
    assert player_state(page)["position_s"] == halted
    page.wait_for_selector("#infinite-download:not([disabled])")
    with page.expect_download() as download:
        page.click("#infinite-download")
    target = tmp_path / download.value.suggested_filename
    download.value.save_as(target)
    assert "a_steady_tone" in target.name
    samples, rate = sf.read(target)
    assert rate == 16000
    assert len(samples) >= halted * rate
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)
    page.wait_for_selector("#transport-export:not([disabled])")
    page.wait_for_selector("#infinite-generate:not([disabled])")


def test_a_finite_take_ends_by_itself(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url, **PHONE)
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "a phone must not scroll sideways"
    set_length(page, 3)
    page.keyboard.press("Control+Enter")
    wait_for_state(page, "ended")
    assert player_state(page)["position_s"] == 3.0
    wait_for_status(page, "Finished: 0:03")


def test_escape_stops_and_one_can_begin_again(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url, color_scheme="dark")
    for _ in range(2):
        page.click("#infinite-generate:not([disabled])")
        wait_for_state(page, "playing")
        page.keyboard.press("Escape")
        wait_for_state(page, "stopped")
        wait_for_status(page, "saved as")


def test_bad_values_are_told_on_the_page(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.fill("#infinite-prompt textarea", "   ")
    page.click("#infinite-generate")
    wait_for_status(page, "Prompt is empty")
    page.fill("#infinite-prompt textarea", "birds over a stream")
    set_length(page, -4)
    page.click("#infinite-generate:not([disabled])")
    page.wait_for_selector("#infinite-status [data-phase=failed]")
    page.fill("#infinite-duration input", "1")
    page.click("#infinite-generate:not([disabled])")
    wait_for_state(page, "ended")


def test_a_refusal_stays_while_an_older_take_still_plays(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    set_length(page, 6)
    page.click("#infinite-generate")
    wait_for_state(page, "playing")
    page.fill("#infinite-duration input", "-1")
    page.keyboard.press("Control+Enter")  # whatever the main button says by then
    wait_for_status(page, "Length (seconds) must be")
    wait_for_state(page, "ended")
    page.wait_for_timeout(600)  # two heartbeats of the older take
    assert "Length (seconds) must be" in status(page)
    assert player_state(page)["position_s"] == 6.0, "the older take was heard to its end"


def test_the_second_listener_waits_for_the_first(tone_site: Any, visit: Callable[..., Page]) -> None:
    first, second = visit(tone_site.url), visit(tone_site.url)
    first.click("#infinite-generate")
    wait_for_state(first, "playing")
    second.click("#infinite-generate")
    wait_for_status(second, "Waiting: 1 take")
    first.click("#infinite-stop")
    wait_for_state(second, "playing")
    wait_for_status(first, "saved as")


def test_closing_the_tab_ends_the_take_and_keeps_it(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.click("#infinite-generate")
    wait_for_state(page, "playing")
    job = tone_site.studio.jobs()[-1]
    assert job.status == "running"
    page.close()
    deadline = time.monotonic() + 30
    while not job.ended and time.monotonic() < deadline:
        time.sleep(0.1)
    assert job.status == "stopped"
    assert job.outcome.path.is_file()


@pytest.mark.slow
def test_the_embedded_model_plays_on(tmp_path: Path, visit: Callable[..., Page]) -> None:
    if not (data_dir("assets") / "pocket" / "audioldm" / "unet").is_dir():
        pytest.skip("the pocket model is not in assets yet")
    with served(Settings(outputs=tmp_path, port=free_port(), open_browser=False)) as site:
        page = visit(site.url)
        page.fill("#infinite-prompt textarea", "heavy rain with distant thunder")
        page.click("#infinite-generate")
        wait_for_position(page, 10, timeout_s=240)
        page.click("#infinite-stop")
        wait_for_status(page, "saved as")
