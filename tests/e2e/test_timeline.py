"""The timeline alone in a browser: dragged by mouse and finger, moved by keys, and following its form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from conftest import free_port
from pieces import served_pieces

from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

LANE = "0:20 | thunder\n0:40 | birds singing\n"
TIMELINE = """async (run) => {
  const { timelines } = await import(new URL('page/timeline.js', document.baseURI));
  return new Function('timeline', `return ${run}`)(timelines.get('piece'));
}"""
Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def pieces() -> Iterator[str]:
    with served_pieces(free_port()) as url:
        yield url


@pytest.fixture
def show(browser: Browser, pieces: str) -> Iterator[Open]:
    """Opens the page with a lane, in a context of its own; an error of a script fails the test."""
    contexts, errors = [], []

    def open_page(lane: str = LANE, prompt: str = "rain", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1240, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(pieces)
        page.wait_for_selector(".lw-tl-region")
        page.fill("#piece-prompt textarea", prompt)
        if lane:
            page.fill("#piece-lane textarea", lane)
            until(lambda: len(points(page)) == len(lane.splitlines()))
        until(lambda: plan(page)["prompt"] == prompt)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def timeline(page: Page, run: str) -> Any:
    """What a piece of script gives, of the page's `timeline`."""
    return page.evaluate(TIMELINE, run)


def plan(page: Page) -> dict[str, Any]:
    return timeline(page, "timeline.plan")


def points(page: Page) -> list[tuple[float, str]]:
    return [(point["at_s"], point["prompt"]) for point in plan(page)["points"]]


def lane_becomes(page: Page, lane: str) -> None:
    """The form's field is written by what was done to the timeline."""
    until(lambda: page.input_value("#piece-lane textarea") == lane)


def x_of(page: Page, seconds: float) -> float:
    box = page.locator(".lw-tl-inner").bounding_box()
    assert box is not None
    return box["x"] + box["width"] * seconds / timeline(page, "timeline.span_s")


def middle(part: Locator) -> tuple[float, float]:
    box = part.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def edge(page: Page, index: int) -> Locator:
    return page.locator(f".lw-tl-edge[data-index='{index}']")


def region(page: Page, index: int) -> Locator:
    return page.locator(f".lw-tl-region[data-index='{index}']")


def pull(page: Page, index: int, seconds: float, *, let_go: bool = True) -> None:
    """Drag an edge to a time by the mouse."""
    page.mouse.move(*middle(edge(page, index)))
    page.mouse.down()
    page.mouse.move(x_of(page, seconds), middle(edge(page, index))[1], steps=4)
    if let_go:
        page.mouse.up()


def test_an_edge_is_dragged_to_a_whole_second(show: Open) -> None:
    page = show()
    pull(page, 0, 29.8, let_go=False)
    assert page.inner_text(".lw-tl-bubble") == "0:30"
    assert page.input_value("#piece-lane textarea") == LANE, "not before it is let go"
    page.mouse.up()
    lane_becomes(page, "0:30 | thunder\n0:40 | birds singing\n")
    assert page.is_hidden(".lw-tl-bubble")
    assert edge(page, 0).get_attribute("aria-label") == "thunder begins at 0:30"
    assert edge(page, 0).get_attribute("aria-valuenow") == "30"


def test_with_alt_it_is_dragged_to_a_tenth(show: Open) -> None:
    page = show()
    page.keyboard.down("Alt")
    pull(page, 0, 31.2)
    page.keyboard.up("Alt")
    lane_becomes(page, "0:31.2 | thunder\n0:40 | birds singing\n")


def test_edges_do_not_cross(show: Open) -> None:
    page = show()
    pull(page, 0, 58)
    lane_becomes(page, "0:39 | thunder\n0:40 | birds singing\n")
    pull(page, 1, 5)
    pull(page, 0, 0)
    lane_becomes(page, "0:01 | thunder\n0:40 | birds singing\n")


def test_escape_gives_a_drag_up(show: Open) -> None:
    page = show()
    pull(page, 0, 30, let_go=False)
    assert points(page)[0] == (30, "thunder")
    page.keyboard.press("Escape")
    page.mouse.up()
    assert points(page)[0] == (20, "thunder")
    pull(page, 1, 45)
    lane_becomes(page, "0:20 | thunder\n0:45 | birds singing\n")


def test_a_finger_drags_an_edge(show: Open) -> None:
    page = show(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.locator(".lw-timeline").scroll_into_view_if_needed()
    box = edge(page, 0).bounding_box()
    assert box is not None
    assert box["width"] >= 44
    assert box["height"] >= 44
    x, y = middle(edge(page, 0))
    touch = page.context.new_cdp_session(page)
    target = x_of(page, 33)
    for kind, at in [("touchStart", x), *(("touchMove", x + (target - x) * n / 4) for n in range(1, 5))]:
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    lane_becomes(page, "0:33 | thunder\n0:40 | birds singing\n")


def test_the_keyboard_alone_plans_a_take(show: Open) -> None:
    page = show("", "rain")
    page.focus(".lw-tl-region")
    page.keyboard.press("Tab")
    for _ in range(3):
        if page.evaluate("document.activeElement.textContent") != "Add a change":
            page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Add a change at 0:30"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.ariaLabel") == "What is heard from 0:30 on"
    page.keyboard.type("thunder")
    page.keyboard.press("Enter")
    lane_becomes(page, "0:30 | thunder\n")
    assert page.evaluate("document.activeElement.ariaLabel") == "thunder, from 0:30 on"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "thunder begins at 0:30"
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight", "Alt+ArrowLeft"):
        page.keyboard.press(key)
    lane_becomes(page, "0:41.9 | thunder\n")
    assert page.evaluate("document.activeElement.ariaValueText") == "0:41.9"
    page.keyboard.press("Home")
    lane_becomes(page, "0:01 | thunder\n")
    page.keyboard.press("Delete")
    lane_becomes(page, "")
    assert page.evaluate("document.activeElement.ariaLabel") == "rain, from 0:00 on"


def test_words_are_edited_in_place(show: Open) -> None:
    page = show()
    region(page, 1).dblclick()
    field = page.locator(".lw-tl-field")
    assert field.input_value() == "birds singing"
    field.fill("  many   birds ")
    field.press("Enter")
    lane_becomes(page, "0:20 | thunder\n0:40 | many birds\n")
    region(page, 0).press("Enter")
    page.keyboard.type("wind")
    page.keyboard.press("Escape")
    assert points(page)[0] == (20, "thunder")
    region(page, -1).press("Enter")
    page.keyboard.type("light rain")
    page.keyboard.press("Enter")
    until(lambda: page.input_value("#piece-prompt textarea") == "light rain")


def test_a_change_without_words_is_none(show: Open) -> None:
    page = show()
    for key in ("Enter", "Escape"):
        page.get_by_role("button", name="Add a change at").click()
        assert page.locator(".lw-tl-region").count() == 4
        page.keyboard.press(key)
        assert page.locator(".lw-tl-region").count() == 3
    assert page.input_value("#piece-lane textarea") == LANE


def test_a_chosen_change_is_removed_and_edited_by_buttons(show: Open) -> None:
    page = show()
    edit, remove = page.get_by_role("button", name="Edit words"), page.get_by_role("button", name="Remove")
    assert edit.is_disabled()
    region(page, -1).click()
    assert remove.is_disabled(), "a take begins with something"
    region(page, 0).click(position={"x": 80, "y": 20})
    edit.click()
    page.keyboard.type("rumbling thunder")
    page.keyboard.press("Enter")
    lane_becomes(page, "0:20 | rumbling thunder\n0:40 | birds singing\n")
    remove.click()
    lane_becomes(page, "0:40 | birds singing\n")


def test_the_axis_is_the_take_s(show: Open) -> None:
    page = show("")
    assert timeline(page, "timeline.span_s") == 60
    page.fill("#piece-lane textarea", "1:30 | thunder\n")
    until(lambda: timeline(page, "timeline.span_s") == 110)
    timeline(page, "(timeline.playing = { made_s: 130, position_s: 90, live: true }, 0)")
    assert timeline(page, "timeline.span_s") == 160
    timeline(page, "(timeline.playing = { made_s: 75.5, position_s: 0, live: false }, 0)")
    assert timeline(page, "timeline.span_s") == 75.5
    box = page.locator(".lw-tl-scroll").bounding_box()
    assert box is not None
    end = timeline(page, f"timeline.timeAt({box['x'] + box['width']})")
    assert end == pytest.approx(75.5, abs=0.2), "the picture's end is the axis's"
    timeline(page, "(timeline.playing = null, 0)")
    page.uncheck("#piece-endless input")
    page.fill("#piece-duration input", "200")
    until(lambda: timeline(page, "timeline.span_s") == 200)
    pull(page, 0, 260)
    lane_becomes(page, "3:19 | thunder\n")


def test_blends_are_slopes(show: Open) -> None:
    page = show()

    def shape(index: int) -> str:
        return region(page, index).locator(".lw-tl-fill").evaluate("fill => fill.style.clipPath")

    assert shape(-1).startswith("polygon(0px 100%, 0% 0px"), "a take begins at once"
    page.fill("#piece-blend input", "10")
    until(lambda: shape(1).startswith("polygon(0px 100%, 50% 0px"))
    # Thunder lasts for twenty seconds, and ten more under the birds.
    assert shape(0).startswith("polygon(0px 100%, 33.33")
    page.fill("#piece-blend input", "0")
    until(lambda: shape(1).startswith("polygon(0px 100%, 0% 0px"))


def test_what_the_take_has_taken_up_is_told_from_what_is_planned(show: Open) -> None:
    page = show()
    playing = {
        "opening": "rain",
        "points": [{"at_s": 10, "prompt": "wind"}, {"at_s": 20, "prompt": "thunder"}],
        "position_s": 12, "made_s": 25, "live": True,
    }  # fmt: skip

    def states() -> list[str | None]:
        return [region(page, index).get_attribute("data-state") for index in (-1, 0, 1)]

    assert states() == ["plain"] * 3
    timeline(page, f"(timeline.playing = {json.dumps(playing)}, 0)")
    assert states() == ["heard", "coming", "planned"]
    assert region(page, 1).get_attribute("aria-label") == "birds singing, from 0:40 on, planned"
    assert page.locator(".lw-tl-taken").all_inner_texts() == ["rain", "wind", "thunder"]
    assert page.locator(".lw-tl-coming").all_inner_texts() == ["thunder"]
    assert page.inner_text(".lw-tl-hint") == "thunder: heard at 0:20."
    head, _ = middle(page.locator(".lw-tl-head"))
    assert head == pytest.approx(x_of(page, 12), abs=2)
    timeline(page, f"(timeline.playing = {json.dumps({**playing, 'position_s': 21})}, 0)")
    assert states() == ["heard", "heard", "planned"]
    assert "not yet in the take" in page.inner_text(".lw-tl-hint")
    timeline(page, "(timeline.playing = null, 0)")
    assert states() == ["plain"] * 3


def test_a_press_on_the_ruler_seeks_and_is_where_a_change_is_added(show: Open) -> None:
    page = show("")
    page.evaluate("window.longwave = { piece: { seekTo: (at) => { window.sought = at; } } }")
    box = page.locator(".lw-tl-ruler").bounding_box()
    assert box is not None
    page.mouse.click(x_of(page, 14), box["y"] + 8)
    assert page.evaluate("window.sought") == pytest.approx(14, abs=0.2)
    assert page.get_by_role("button", name="Add a change at 0:14").is_visible()
    timeline(page, "(timeline.playing = { opening: 'rain', position_s: 33.4, made_s: 40, live: true }, 0)")
    assert page.get_by_role("button", name="Add a change at 0:33").is_visible()


def test_a_word_is_dropped_between_others_or_in_the_place_of_one(show: Open) -> None:
    page = show()
    assert timeline(page, f"timeline.drop('a dog barking', {x_of(page, 30.2)})") is True
    lane_becomes(page, "0:20 | thunder\n0:30 | a dog barking\n0:40 | birds singing\n")
    timeline(page, f"timeline.drop('wind', {x_of(page, 40.1)})")
    lane_becomes(page, "0:20 | thunder\n0:30 | a dog barking\n0:40 | wind\n")
    assert timeline(page, "timeline.take('bees', 5, 5)") is False, "that is elsewhere"


def test_forty_changes_each_have_an_edge(show: Open) -> None:
    lane = "".join(f"{second // 60}:{second % 60:02} | scene {second}\n" for second in range(5, 205, 5))
    page = show(lane)
    assert page.locator(".lw-tl-edge").count() == 40
    pull(page, 20, 108)
    lane_becomes(page, lane.replace("1:45 | scene 105", "1:48 | scene 105"))
    closer = page.get_by_role("button", name="Show less time, larger")
    closer.click()
    closer.click()
    assert timeline(page, "timeline.span_s") == pytest.approx(55)
    page.get_by_role("button", name="Show more time, smaller").click()
    assert timeline(page, "timeline.span_s") == pytest.approx(110)


@pytest.mark.parametrize(
    "words",
    [
        "מטר של גשם",
        "🌧️⛈️ 👨\u200d👩\u200d👧",
        "<img src=x onerror=alert(1)><b>rain</b>",
        "rain " * 300,
        "niar & \"x\" 'y' {time} ${prompt}",
    ],
)
def test_words_are_shown_as_what_they_are(show: Open, words: str) -> None:
    page = show("", words.strip())
    page.fill("#piece-lane textarea", f"0:20 | {words}")
    until(lambda: len(points(page)) == 1)
    shown = points(page)[0][1]
    assert page.locator(".lw-tl-words").nth(1).text_content() == shown
    assert page.locator(".lw-timeline :is(img, b)").count() == 0
    assert edge(page, 0).get_attribute("aria-label") == f"{shown} begins at 0:20"
    width = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    assert width <= 0, "long words make no page wider"
    pull(page, 0, 30)
    lane_becomes(page, f"0:30 | {shown}\n")


def test_a_lane_from_the_beginning_on_has_no_other_prompt(show: Open) -> None:
    page = show("0:00 | wind\n0:20 | thunder\n")
    assert page.locator(".lw-tl-words").all_inner_texts() == ["wind", "thunder"]
    assert page.locator(".lw-tl-edge").count() == 1
    region(page, 0).press("Delete")
    lane_becomes(page, "0:20 | thunder\n")
    assert page.locator(".lw-tl-words").all_inner_texts() == ["rain", "thunder"]


def test_what_is_typed_comes_after_what_was_dragged(show: Open) -> None:
    page = show()
    pull(page, 0, 30)
    lane_becomes(page, "0:30 | thunder\n0:40 | birds singing\n")
    page.fill("#piece-lane textarea", LANE)
    until(lambda: points(page)[0] == (20, "thunder"))
    page.fill("#piece-lane textarea", "0:15 | wi")
    page.fill("#piece-lane textarea", "0:15 |")
    page.fill("#piece-lane textarea", "0:15 | wind")
    until(lambda: points(page) == [(15, "wind")])
