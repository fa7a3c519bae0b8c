"""The Sparse tab in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile as sf
from conftest import close_settings, free_port, open_pane, open_section, open_tab, served

from studio.core.preset import load_preset
from studio.core.settings import Settings
from studio.service.jobs.runner import IDLE_LIMIT_S

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
PIXELS = """() => {
  const canvas = document.querySelector('#sparse-spectrogram canvas');
  const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let i = 0; i < bytes.length; i += 4 * 97) colours.add(`${bytes[i]} ${bytes[i + 1]} ${bytes[i + 2]}`);
  return colours.size;
}"""
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
DESK = {"viewport": {"width": 1280, "height": 720}}


@pytest.fixture(scope="module")
def pocket_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    outputs = tmp_path_factory.mktemp("outputs")
    with served(Settings(outputs=outputs, port=free_port(), open_browser=False, device="cpu")) as page:
        yield page


def set_seconds(page: Page, seconds: float) -> None:
    open_pane(page, "sound", "sparse")
    page.fill("#sparse-duration input[type=number]", f"{seconds:g}")
    close_settings(page, "sparse")


def set_steps(page: Page, steps: int) -> None:
    open_pane(page, "engine", "sparse")
    page.fill("#sparse-steps input", f"{steps}")
    close_settings(page, "sparse")


def wait_for_status(page: Page, words: str) -> None:
    page.wait_for_function(
        "words => document.querySelector('#sparse-status').innerText.includes(words)",
        arg=words,
        timeout=180_000,
    )


@pytest.mark.parametrize("screen", [DESK, PHONE])
def test_a_clip_emerges_plays_and_is_a_file(
    pocket_site: Any, visit: Callable[..., Page], screen: dict[str, Any]
) -> None:
    page = visit(pocket_site.url, **screen)
    open_tab(page, "Sparse")
    page.fill("#sparse-prompt textarea", "ocean waves on a shore")
    open_pane(page, "engine", "sparse")
    open_section(page, "sparse-advanced")
    page.fill("#sparse-steps input", "30")
    page.fill("#sparse-ratio input, #sparse-ratio textarea", "0.2")
    set_seconds(page, 5)
    page.click("#sparse-generate")
    wait_for_status(page, "of 30, 0:")
    page.wait_for_function(f"({PIXELS})() > 20")
    wait_for_status(page, "Finished: 0:05")
    page.wait_for_function("Number(document.querySelector('#sparse-player').dataset.positionS) > 2")
    job = pocket_site.studio.jobs()[-1]
    assert (sf.info(job.outcome.path).samplerate, sf.info(job.outcome.path).frames) == (48_000, 240_000)
    request = load_preset(Path(job.outcome.path).with_suffix(".json")).request()
    assert (request.mode, request.attention.kind, request.attention.ratio) == ("sparse", "lite_focus", 0.2)
    page.wait_for_selector("#transport-export:not([disabled])")
    page.wait_for_selector("#sparse-download:not([disabled])")
    open_pane(page, "inside", "sparse")
    rtf = job.outcome.figures["rtf"]
    times = f"{1 / rtf:.1f}× faster" if rtf < 1 else f"{rtf:.1f}× slower"
    assert page.inner_text("#sparse-rtf .lw-value") == f"{times} than playback", "what it came to, once done"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_clip_is_stopped_and_nothing_is_kept(pocket_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(pocket_site.url)
    open_tab(page, "Sparse")
    set_seconds(page, 30)
    page.click("#sparse-generate")
    wait_for_status(page, "of 50")  # a busy machine shows no step in particular
    page.click("#sparse-stop")
    wait_for_status(page, "of 50 steps, before there was any sound")
    job = pocket_site.studio.jobs()[-1]
    assert job.outcome.path is None
    assert not list(pocket_site.settings.outputs.rglob(f"*s{job.request.seed}*"))
    page.wait_for_selector("#sparse-generate:not([disabled])")


def test_a_page_loaded_again_finds_its_clip(pocket_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(pocket_site.url)
    open_tab(page, "Sparse")
    set_seconds(page, 80)
    set_steps(page, 500)
    page.click("#sparse-generate")
    wait_for_status(page, "Step 1 of 500")
    job = pocket_site.studio.jobs()[-1]
    page.reload()
    page.wait_for_selector("#sparse-player[data-state]")  # without a word from us
    page.wait_for_timeout(1000 * (IDLE_LIMIT_S + 4))  # nobody would have listened for too long by now
    assert not job.ended
    wait_for_status(page, "of 500, ")
    page.click("#sparse-stop")
    wait_for_status(page, "before there was any sound")


def test_a_preset_fills_the_form_and_wrong_values_are_told(
    pocket_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(pocket_site.url)
    open_tab(page, "Sparse")
    page.click("#sparse-preset input")
    page.get_by_role("option", name="Idling engine").click()
    page.wait_for_function("document.querySelector('#sparse-prompt textarea').value === 'an engine idling'")
    open_pane(page, "engine", "sparse")
    open_section(page, "sparse-advanced")
    assert not page.is_checked("#sparse-compensation input")
    page.uncheck("#sparse-focus input")
    page.click("#sparse-generate")
    wait_for_status(page, "switch one on")
    page.wait_for_selector("#sparse-generate:not([disabled])")


def test_methods_are_compared_under_each_other(pocket_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(pocket_site.url)
    open_tab(page, "Sparse")
    set_seconds(page, 3)
    set_steps(page, 3)
    open_pane(page, "inside", "sparse")
    open_section(page, "sparse-compare")
    page.click("#sparse-compare-start")
    page.wait_for_function("document.querySelectorAll('#sparse-compare-rows figure audio').length === 3")
    rows = page.locator("#sparse-compare-rows figure")
    assert [rows.nth(i).locator(".lw-difference").count() for i in range(3)] == [0, 1, 1]
    assert "MB" in rows.nth(2).inner_text()
    paths = [outcome.path for outcome in pocket_site.studio.jobs()[-1].outcomes]
    requests = [load_preset(path.with_suffix(".json")).request() for path in paths]
    assert len({request.seed for request in requests}) == 1
    assert [request.attention.kind for request in requests] == ["dense", "lite_focus", "token_merging"]


def test_a_point_of_the_picture_shows_what_it_attends_to(
    pocket_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(pocket_site.url)
    open_tab(page, "Sparse")
    set_steps(page, 3)
    set_seconds(page, 5)
    open_pane(page, "inside", "sparse")
    open_section(page, "sparse-attention")
    page.click("#sparse-attention-look")
    said = page.locator("#sparse-attention-said")
    said.get_by_text("Generate a clip first").wait_for()
    page.click("#sparse-generate")
    wait_for_status(page, "Finished: 0:05")
    page.wait_for_selector("#transport-export:not([disabled])")  # from here on a click seeks
    box = page.locator("#sparse-spectrogram canvas").bounding_box()
    assert box is not None
    page.locator("#sparse-spectrogram canvas").click(position={"x": 0.6 * box["width"], "y": 3})
    at = "() => Math.abs(Number(document.querySelector('#sparse-attention-at input').value) - 3) < 0.2"
    page.wait_for_function(at)
    assert "of the attention" not in said.inner_text(), "a click is for listening, and begins no study"
    page.click("#sparse-attention-look")
    said.get_by_text("of the attention").wait_for()
    assert "At 3.0 s" in said.inner_text() or "At 2.9 s" in said.inner_text()
    assert "8000 Hz" in said.inner_text(), "the highest band"
    for name in ("map", "pattern", "shares"):
        page.wait_for_selector(f"#sparse-attention-{name} .js-plotly-plot")
    assert "%" in page.locator("#sparse-attention-shares").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_compared_takes_go_on_where_the_one_before_was(pocket_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(pocket_site.url)
    open_tab(page, "Sparse")
    set_seconds(page, 5)
    set_steps(page, 2)
    open_pane(page, "inside", "sparse")
    open_section(page, "sparse-compare")
    page.click("#sparse-compare-start")
    page.wait_for_function("document.querySelectorAll('#sparse-compare-rows figure audio').length === 3")
    page.evaluate("""async () => {
      const [first, second] = document.querySelectorAll('#sparse-compare-rows audio');
      first.muted = second.muted = true;
      first.currentTime = 2.5;
      await first.play();
      await second.play();
    }""")
    times = "[...document.querySelectorAll('#sparse-compare-rows audio')].map(a => [a.paused, a.currentTime])"
    (first_paused, at_s), (second_paused, then_s), (third_paused, _) = page.evaluate(times)
    assert (first_paused, second_paused, third_paused) == (True, False, True)
    assert at_s >= 2.5
    assert then_s >= 2.5, "where the first was when the second began"
