"""What a loop is closed of, reckoned: dragged, stepped, and in whole bars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from bench import bench

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

FREE = {"length": 12, "bridge": 1.28, "least": 1, "bar": 0, "beats": 4}
BARS = FREE | {"bar": 2}
LOOP = {"from": 2, "to": 8, "bars": 0}
IN_BARS = {"from": 2, "to": 8, "bars": 3}
RUN = """async (calls) => {
  const module = await import('./page/loop_span.js');
  return calls.map(([name, ...given]) => module[name](...given));
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with bench({}) as url:
        page = browser.new_page()
        page.goto(url)
        yield page
        page.close()


def reckoned(page: Page, *calls: tuple[Any, ...]) -> list[Any]:
    found: list[Any] = page.evaluate(RUN, [list(call) for call in calls])
    return found


def test_what_was_typed(page: Page) -> None:
    typed = {"from": None, "to": None, "bars": 0}
    whole, five, behind, backward, counted, nearest = reckoned(
        page,
        ("loopOf", typed, FREE),
        ("loopOf", typed, BARS | {"length": 11}),
        ("loopOf", typed | {"to": 13}, FREE),
        ("loopOf", typed | {"from": 3, "to": 2}, FREE),
        ("loopOf", typed | {"from": 1, "bars": 2}, BARS),
        ("loopOf", typed | {"from": 1, "to": 6.2}, BARS),
    )
    assert whole == {"from": 0, "to": 12, "bars": 0}
    assert five == {"from": 0, "to": 12, "bars": 6}, "the bridge lies behind the end"
    assert behind is None
    assert backward is None
    assert counted == {"from": 1, "to": 5, "bars": 2}
    assert nearest == {"from": 1, "to": 7, "bars": 3}
    assert reckoned(page, ("barOf", 120, 4), ("barOf", 19, 4), ("barOf", 401, 4)) == [2, 0, 0]


def test_what_is_dragged_stays_a_loop(page: Page) -> None:
    assert reckoned(
        page,
        ("dragged", LOOP, "to", 9.1234, FREE),
        ("dragged", LOOP, "to", 2.5, FREE),
        ("dragged", LOOP, "from", 7.9, FREE),
        ("dragged", LOOP, "whole", 9, FREE),
    ) == [
        {"from": 2, "to": 9.123, "bars": 0},
        {"from": 2, "to": 4.28, "bars": 0},
        {"from": 5.72, "to": 8, "bars": 0},
        {"from": 6, "to": 12, "bars": 0},
    ]


def test_bars_are_whole(page: Page) -> None:
    assert reckoned(
        page,
        ("dragged", IN_BARS, "to", 10.9, BARS),
        ("dragged", IN_BARS, "to", 2.1, BARS),
        ("dragged", IN_BARS, "from", 4.4, BARS),
        ("dragged", IN_BARS, "whole", 3.3, BARS),
        ("stepped", IN_BARS, "to", 1, False, BARS),
        ("stepped", IN_BARS, "whole", -1, False, BARS),
        ("stepped", IN_BARS, "whole", -1, True, BARS),
        ("dragged", IN_BARS, "to", 12, BARS | {"length": 3}),
    ) == [
        {"from": 2, "to": 10, "bars": 4},
        {"from": 2, "to": 6, "bars": 2},
        {"from": 4, "to": 8, "bars": 2},
        {"from": 3.3, "to": 9.3, "bars": 3},
        {"from": 2, "to": 10, "bars": 4},
        {"from": 1.5, "to": 7.5, "bars": 3},
        {"from": 1.99, "to": 7.99, "bars": 3},
        IN_BARS,
    ]


def test_what_is_wrong_is_told(page: Page) -> None:
    assert reckoned(
        page,
        ("fault", LOOP, FREE),
        ("fault", {"from": 0, "to": 2}, FREE),
        ("fault", {"from": 0, "to": 13.2}, FREE),
        ("fault", {"from": 0, "to": 14}, FREE),
    ) == ["", "short", "", "long"]
