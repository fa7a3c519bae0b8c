"""Who has no mouse sees where they are: what Tab reaches shows it, and Tab reaches nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import open_tab
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

TABS = ("Infinite", "Sparse", "Dual", "Library")
MOST_STOPS = 200
MARGIN = 6  # CSS pixels around a control, in which its ring is looked for
CONTRAST = 3.0  # WCAG 1.4.11, of what tells the state of a control
# Gives the next stop's number, -1 on the page itself, or null where one is met again: the round is done.
NEXT = """() => {
  const element = document.activeElement;
  window.stops ??= [];
  if (element === document.body) return -1;
  if (stops.includes(element) && element !== stops.at(-1)) return null;
  if (element !== stops.at(-1)) stops.push(element); // a player has stops of its own inside
  return stops.length - 1;
}"""
PLACE = """(index) => {
  const element = stops[index];
  element.scrollIntoView({ block: 'center' });
  const { x, y, width, height } = element.getBoundingClientRect();
  return { x, y, width, height, name: element.id || element.getAttribute('aria-label') || element.outerHTML };
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
def test_each_stop_of_the_keyboard_is_seen(
    tone_site: Any, visit: Callable[..., Page], tab: str, theme: str
) -> None:
    page = visit(tone_site.url, color_scheme=theme, reduced_motion="reduce")
    open_tab(page, tab)
    count = walk(page)
    assert count > 5
    unseen = [name for index in range(count) if (name := what_shows_nothing(page, index))]
    assert unseen == []


def walk(page: Page) -> int:
    """Press Tab from the page's beginning to its end; how many controls that reached."""
    page.evaluate("() => { document.activeElement.blur(); window.stops = []; }")
    page.mouse.click(1, 1)  # the place that Tab begins from
    count = 0
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(NEXT)
        if stop is None:
            return count
        if stop >= 0:
            count = stop + 1
        elif count:  # beyond the last one: from there the next is the first again
            page.keyboard.press("Tab")
            assert page.evaluate(NEXT) is None, f"Tab lands on the page itself after stop {count}"
            return count
    raise AssertionError("Tab never comes to an end")


def what_shows_nothing(page: Page, index: int) -> str:
    """The name of a stop that looks the same with the focus as without; empty where one sees it."""
    place = page.evaluate(PLACE, index)
    page.evaluate("(index) => stops[index].focus({ focusVisible: true })", index)
    focused = picture(page, place)
    page.evaluate("(index) => stops[index].blur()", index)
    changed = contrast(focused, picture(page, place)) >= CONTRAST
    # A line of one pixel along half of its outline is the least that counts as a ring.
    return "" if changed.sum() >= place["width"] + place["height"] else place["name"][:120]


def picture(page: Page, place: dict[str, float]) -> NDArray[np.float64]:
    """Relative luminance [h, w] of that place and a little around it."""
    size = page.viewport_size
    assert size is not None
    left, top = max(0.0, place["x"] - MARGIN), max(0.0, place["y"] - MARGIN)
    right = min(size["width"], place["x"] + place["width"] + MARGIN)
    bottom = min(size["height"], place["y"] + place["height"] + MARGIN)
    shot = page.screenshot(clip={"x": left, "y": top, "width": right - left, "height": bottom - top})
    with Image.open(io.BytesIO(shot)) as image:
        channels = np.asarray(image.convert("RGB"), np.float64) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def contrast(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """WCAG's ratio of two luminances, pixel by pixel."""
    return (np.maximum(one, other) + 0.05) / (np.minimum(one, other) + 0.05)
