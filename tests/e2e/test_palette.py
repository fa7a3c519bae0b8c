"""The palette alone in a browser: pressed, dragged to the timeline by mouse and finger, and by keys alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from conftest import free_port
from pieces import EXAMPLES, served_pieces

from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
Visit = Callable[..., "Page"]


@pytest.fixture(scope="module")
def pieces() -> Iterator[str]:
    with served_pieces(free_port()) as url:
        yield url


@pytest.fixture
def show(browser: Browser, pieces: str) -> Iterator[Visit]:
    """Opens the page in a context of its own; an error of a script fails the test."""
    contexts, errors = [], []

    def open_page(prompt: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1240, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(pieces)
        page.wait_for_selector(".lw-chip")
        page.wait_for_selector(".lw-tl-region")
        page.evaluate("window.told = []")
        page.evaluate("window.longwave = { piece: { composed: (about) => told.push(about) } }")
        if prompt:
            page.fill("#piece-prompt textarea", prompt)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def sound(page: Page, family: str) -> Locator:
    return page.locator(f".lw-chip[data-family='{family}']")


def modifier(page: Page, family: str, text: str) -> Locator:
    return page.locator(f".lw-chip[data-modifier='{family} {text}']")


def prompt(page: Page) -> str:
    return page.input_value("#piece-prompt textarea")


def pressed(page: Page) -> list[str | None]:
    chips = page.locator(".lw-palette-sounds .lw-chip[aria-pressed=true]")
    return [chip.get_attribute("data-family") for chip in chips.all()]


def lane_becomes(page: Page, lane: str) -> None:
    until(lambda: page.input_value("#piece-lane textarea") == lane)


def outside_becomes(page: Page, said: str) -> None:
    until(lambda: page.inner_text("#piece-outside") == said)


def middle(part: Locator) -> tuple[float, float]:
    box = part.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def half_way(page: Page) -> tuple[float, float]:
    """Where the timeline's middle is: 0:30 of a minute."""
    return middle(page.locator(".lw-tl-regions"))


def test_presses_compose_scenes_of_two(show: Visit) -> None:
    page = show()
    sound(page, "rain").click()
    assert (prompt(page), pressed(page)) == ("rain", ["rain"])
    sound(page, "dog").click()
    assert prompt(page) == "rain and a dog barking"
    sound(page, "bell").click()
    assert (prompt(page), pressed(page)) == ("rain and a bell ringing", ["rain", "bell"])
    sound(page, "rain").click()
    assert (prompt(page), pressed(page)) == ("a bell ringing", ["bell"])
    sound(page, "bell").click()
    assert (prompt(page), pressed(page)) == ("", [])
    assert page.evaluate("told.map(({ started }) => started)") == [True, False, False, False]
    assert page.evaluate("told.every(({ example }) => !example)")


def test_the_prompt_that_the_page_opened_with_gives_way(show: Visit) -> None:
    page = show("heavy rain")
    page.evaluate("window.longwave.piece.untouched = true")
    sound(page, "rain").click()
    assert prompt(page) == "rain"
    page.evaluate("window.longwave.piece.untouched = false")
    page.fill("#piece-prompt textarea", "heavy rain")
    sound(page, "dog").click()
    assert prompt(page) == "heavy rain and a dog barking", "now it is somebody's own"


def test_modifiers_go_before_their_sound(show: Visit) -> None:
    page = show()
    sound(page, "engine").click()
    modifier(page, "engine", "distant").click()
    assert prompt(page) == "a distant engine"
    sound(page, "bees").click()
    for text in ("a few", "nearby", "with reverb"):
        modifier(page, "bees", text).click()
    assert prompt(page) == "a distant engine and a few nearby bees buzzing with reverb"
    modifier(page, "bees", "many").click()
    modifier(page, "engine", "distant").click()
    modifier(page, "engine", "idling").click()
    assert prompt(page) == "an idling engine and many nearby bees buzzing with reverb"
    assert modifier(page, "bees", "a few").get_attribute("aria-pressed") == "false"
    assert modifier(page, "engine", "heavy").count() == 0, "only those that suit it"


@pytest.mark.parametrize(
    ("typed", "chosen", "after"),
    [
        ("heavy rain with distant thunder", ["rain", "thunder"], "heavy rain"),
        ("Birds over a stream", ["stream", "birds"], "Birds over thunder"),
        ("a violin", [], "a violin and thunder"),
        ("my own, odd words", [], "my own, odd words and thunder"),
        ("my own words and a dog barking", ["dog"], "my own words and thunder"),
    ],
)
def test_what_is_typed_is_read_and_kept(show: Visit, typed: str, chosen: list[str], after: str) -> None:
    page = show(typed)
    assert pressed(page) == chosen
    sound(page, "thunder").click()
    assert prompt(page) == after


def test_a_modifier_changes_its_own_sound_alone(show: Visit) -> None:
    page = show("heavy rain with distant thunder")
    modifier(page, "thunder", "nearby").click()
    assert prompt(page) == "heavy rain with nearby thunder"
    modifier(page, "rain", "heavy").click()
    assert prompt(page) == "rain with nearby thunder"


def test_a_prompt_from_elsewhere_is_shown_in_the_chips(show: Visit) -> None:
    page = show("wind")
    assert pressed(page) == ["wind"]
    page.evaluate(
        "import(new URL('page/timeline.js', document.baseURI))"
        ".then(({ timelines }) => timelines.get('piece').on.onPrompt('fire'))"
    )
    until(lambda: pressed(page) == ["fire"])


def test_what_the_model_does_not_know_is_named(show: Visit) -> None:
    page = show("a violin concerto in a cathedral")
    outside_becomes(page, "It does not know: violin, concerto, cathedral. You hear what comes nearest.")
    assert page.get_attribute("#piece-outside", "role") == "status"
    page.fill("#piece-prompt textarea", "<i>guitar</i> & rain")
    outside_becomes(page, "It does not know: guitar. You hear what comes nearest.")
    page.fill("#piece-prompt textarea", "")
    sound(page, "rain").click()
    outside_becomes(page, "")


def test_a_model_that_does_not_say_has_examples(show: Visit) -> None:
    page = show("rain")
    page.click("#piece-model input")
    page.get_by_role("option", name="tone").click()
    page.wait_for_selector(".lw-chip[data-family]", state="detached")
    chips = page.locator(".lw-palette .lw-chip")
    assert chips.all_inner_texts() == list(EXAMPLES)
    chips.last.click()
    assert prompt(page) == EXAMPLES[-1]
    assert page.evaluate("told.at(-1).example")


def test_a_chip_is_dragged_to_the_timeline(show: Visit) -> None:
    page = show("heavy rain")
    x, y = half_way(page)
    page.mouse.move(*middle(sound(page, "rain")))
    page.mouse.down()
    page.mouse.move(x, y, steps=5)
    assert page.inner_text(".lw-tl-bubble") == "heavy rain at 0:30"
    assert page.inner_text(".lw-ghost") == "heavy rain"
    page.mouse.up()
    lane_becomes(page, "0:30 | heavy rain\n")
    assert prompt(page) == "heavy rain", "what is dragged is not pressed"
    assert page.locator(".lw-ghost").count() == 0
    sound(page, "bell").click()
    assert prompt(page) == "heavy rain and a bell ringing", "the next press is one"


def test_a_drag_that_ends_elsewhere_changes_nothing(show: Visit) -> None:
    page = show("rain")
    x, y = half_way(page)
    for end in ("Escape", "away", "back"):
        page.mouse.move(*middle(sound(page, "dog")))
        page.mouse.down()
        page.mouse.move(x, y, steps=3)
        assert page.is_visible(".lw-tl-bubble")
        if end == "Escape":
            page.keyboard.press("Escape")
        elif end == "back":
            page.mouse.move(*middle(sound(page, "dog")), steps=3)
        else:
            page.mouse.move(x, 5, steps=3)
        assert page.is_hidden(".lw-tl-bubble")
        page.mouse.up()
    assert prompt(page) == "rain"
    assert page.input_value("#piece-lane textarea") == ""


def finger(page: Page) -> Callable[..., None]:
    """A finger on the screen: its `touchStart`, `touchMove` and `touchEnd`, at a place of the window."""
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *at: float) -> None:
        points = [{"x": at[0], "y": at[1]}] if at else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch


def test_a_finger_drags_after_a_long_press(show: Visit) -> None:
    page = show(**PHONE)
    touch, (x, y) = finger(page), middle(sound(page, "thunder"))
    touch("touchStart", x, y)
    page.wait_for_selector(".lw-ghost")
    to_x, to_y = half_way(page)
    for share in (0.3, 0.6, 1.0):
        touch("touchMove", x + (to_x - x) * share, y + (to_y - y) * share)
    assert page.inner_text(".lw-tl-bubble") == "thunder at 0:30"
    touch("touchEnd")
    lane_becomes(page, "0:30 | thunder\n")
    assert prompt(page) == ""


def test_a_finger_that_moves_at_once_scrolls(show: Visit) -> None:
    page = show(**{**PHONE, "viewport": {"width": 390, "height": 400}})
    touch, (x, y) = finger(page), middle(sound(page, "wind"))
    touch("touchStart", x, y)
    for down in (20, 60, 100):
        touch("touchMove", x, y - down)
    touch("touchEnd")
    page.wait_for_function("scrollY > 20")
    assert page.locator(".lw-ghost").count() == 0
    assert (prompt(page), page.input_value("#piece-lane textarea")) == ("", "")


def test_the_keyboard_alone_composes_and_places(show: Visit) -> None:
    page = show()
    page.focus("#piece-prompt textarea")
    page.keyboard.press("Tab")
    focused = "document.activeElement.dataset.family"
    assert page.evaluate(focused) == "rain"
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert prompt(page) == "thunder"
    page.keyboard.press("End")
    assert page.evaluate(focused) == "bell"
    page.keyboard.press("Shift+Enter")
    lane_becomes(page, "0:30 | a bell ringing\n")
    assert prompt(page) == "thunder"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.modifier") == "thunder nearby", (
        "one stop for the sounds"
    )
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert prompt(page) == "distant thunder"
    assert page.evaluate("document.activeElement.dataset.modifier") == "thunder distant", "it keeps its place"


def test_on_a_phone_the_groups_are_tabs(show: Visit) -> None:
    page = show(**PHONE)
    tabs = page.get_by_role("tablist", name="Kinds of sounds").get_by_role("tab")
    assert tabs.all_inner_texts() == ["Weather", "Animals", "Machines", "People", "Music"]
    assert sound(page, "rain").is_visible()
    assert sound(page, "dog").is_hidden()
    tabs.nth(1).tap()
    assert sound(page, "rain").is_hidden()
    sound(page, "dog").tap()
    assert prompt(page) == "a dog barking"
    small = [
        box
        for chip in page.locator(".lw-palette button:visible").all()
        if (box := chip.bounding_box()) and (box["height"] < 44 or box["width"] < 44)
    ]
    assert small == []
    assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
