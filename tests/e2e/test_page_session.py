"""A sound designer's first session, on a laptop and on a phone: from a word pressed to a span exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf
from conftest import close_settings, free_port, open_pane, recording, served, set_length

from studio.backends.systems.tone import ToneBackend, tone
from studio.core.events import AudioChunk, Event
from studio.core.modes import POCKET
from studio.core.settings import Settings
from studio.service.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

RATE = 16000
LAPTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
CHANGE_S = 42
LENGTH_S = 50.0
LONG_PRESS_MS = 500
LOUDNESS_APART_DB = (0, 3, 6, 9)


def uneven_render(request: Any, backend: Any, cancel: Any, control: Any, start: Any) -> Iterator[Event]:
    """A tone whose level differs from seed to seed, as takes of one prompt do."""
    gain = 10 ** (-LOUDNESS_APART_DB[request.seed % 4] / 20)
    end = int((request.duration_s or 1e6) * RATE)
    for first in range(0, end, RATE):
        cancel.check()
        samples = gain * tone(first, min(RATE, end - first), RATE)
        yield AudioChunk(samples.astype(np.float32), RATE, first)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page as it opens with the pocket model, whose words it knows, over a render that takes no time."""
    settings = Settings(
        outputs=tmp_path_factory.mktemp("outputs"), port=free_port(), open_browser=False, device="cpu"
    )
    assert settings.model_id == POCKET

    def make_studio(settings: Settings) -> Studio:
        return Studio(settings, lambda choice: ToneBackend(), uneven_render)

    with served(settings, make_studio) as page:
        yield page


@pytest.mark.parametrize("screen", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_a_first_session(
    site: Any, visit: Callable[..., Page], tmp_path: Path, screen: dict[str, Any]
) -> None:
    page = visit(site.url, **screen)
    touch = bool(screen.get("has_touch"))

    # A word is pressed, and it rains at once.
    press(page.locator(".lw-chip[data-family=rain]"), touch)
    page.wait_for_selector("#infinite-player[data-state=playing]")
    assert page.input_value("#infinite-prompt textarea") == "rain"
    page.wait_for_function("() => Number(document.querySelector('#infinite-player').dataset.positionS) > 3")
    assert_unbroken(recording(page))
    assert page.locator("#transport .lw-lufs").inner_text() or touch, "the meter tells what is heard"
    press(page.locator("#infinite-stop"), touch)
    page.wait_for_selector("#infinite-status:has-text('saved as')")

    # Thunder is dragged into the timeline at 0:42.
    set_length(page, LENGTH_S)
    if touch:
        press(page.locator(".lw-palette-tab").first, touch)
    drag_to_second(page, page.locator(".lw-chip[data-family=thunder]"), CHANGE_S, touch)
    page.wait_for_selector("#infinite-timeline :text('thunder')")
    open_pane(page, "sound")
    page.wait_for_selector("#infinite-lane-part .lw-badge:has-text('1 change')")
    close_settings(page)
    job_before = len(site.studio.jobs())

    # Four variations, of seeds that follow each other.
    open_pane(page, "sound")
    page.fill("#infinite-seed input", "0")
    close_settings(page)
    press(page.locator("#infinite-variations label").nth(2), touch)
    page.wait_for_selector("#infinite-will:has-text('4 takes of 0:50')")
    press(page.locator("#infinite-generate"), touch)
    page.wait_for_selector("#infinite-status:has-text('All 4 takes are made')", timeout=120_000)
    (job,) = site.studio.jobs()[job_before:]
    lanes = [one.lane for one in (job.request, *job.others)]
    assert [[(point.at_s, point.prompt) for point in lane] for lane in lanes] == [[(CHANGE_S, "thunder")]] * 4
    assert page.locator("#infinite-take-strip .lw-tile").count() == 4

    for place in range(4):  # what is known of each
        page.wait_for_selector(f"#infinite-take-strip .lw-seed-of >> nth={place} >> text=/^{place}$/")

    # They are compared at one loudness, though they differ by 9 dB.
    levels = [level_of(page, str(place + 1)) for place in range(4)]
    assert max(levels) - min(levels) < 0.6, levels

    # The span of the best is chosen in the picture and exported.
    choose_span(page, 10, 14)
    page.wait_for_selector("#transport-export:has-text('Export 0:10–0:14')")
    press(page.locator("#transport-export"), touch)
    with page.expect_download() as download:
        page.click(".lw-export a[data-format=flac]")
    target = tmp_path / download.value.suggested_filename
    download.value.save_as(target)
    samples, rate = sf.read(target)
    assert len(samples) / rate == pytest.approx(4.0, abs=0.2)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing scrolls sideways"


def press(target: Locator, touch: bool) -> None:
    """Press as the device does."""
    if touch:
        target.tap()
    else:
        target.click()


def drag_to_second(page: Page, chip: Locator, second: float, touch: bool) -> None:
    """Take a word to a second of the timeline: by the mouse, or by a finger after a long press."""
    page.wait_for_function(f"() => window.longwave.infinite.timeline.plan.length_s === {LENGTH_S}")
    chip.evaluate("chip => window.scrollBy(0, chip.getBoundingClientRect().top - 120)")
    start = centre(chip)
    lane = page.locator("#infinite-timeline .lw-timeline").bounding_box()
    assert lane is not None
    x = page.evaluate(
        """(second) => {
          const timeline = window.longwave.infinite.timeline;
          let [low, high] = [0, window.innerWidth];
          for (let n = 0; n < 40; n += 1) {
            const middle = (low + high) / 2;
            if (timeline.timeAt(middle) < second) low = middle; else high = middle;
          }
          return (low + high) / 2;
        }""",
        second,
    )
    end = (x, lane["y"] + 40)
    if not touch:
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(start[0] + 12, start[1] + 12)
        page.mouse.move(*end, steps=8)
        page.mouse.up()
        return
    session = page.context.new_cdp_session(page)

    def finger(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    finger("touchStart", start)
    page.wait_for_selector(".lw-ghost", timeout=5000)  # the long press has lifted it
    for share in (0.25, 0.5, 0.75, 1.0):
        finger("touchMove", (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
    finger("touchEnd")


def centre(target: Locator) -> tuple[float, float]:
    box = target.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def level_of(page: Page, key: str) -> float:
    """The level in dB at which the take of a key is heard."""
    page.evaluate("window.recorded = []")
    page.keyboard.press(key)
    page.wait_for_function("() => window.recorded.reduce((sum, part) => sum + part.length, 0) > 2.5 * 16000")
    samples = recording(page)
    settled = samples[RATE:]
    return float(20 * np.log10(np.sqrt(np.mean(settled**2))))


def choose_span(page: Page, start_s: float, end_s: float) -> None:
    """Drag over the picture of the take that is shown."""
    page.wait_for_function("() => document.querySelector('#infinite-spectrogram .lw-live, .lw-live canvas')")
    canvas = page.locator("#infinite-spectrogram canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start_s / LENGTH_S, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end_s / LENGTH_S, y, steps=6)
    page.mouse.up()


def assert_unbroken(samples: np.ndarray) -> None:
    """No gap of 20 ms, and an even level."""
    block = RATE // 50
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    levels = np.sqrt(np.mean(blocks[1:-1] ** 2, axis=1))
    assert levels.min() > 0.8 * np.median(levels)
    assert np.median(levels) > 0.01
