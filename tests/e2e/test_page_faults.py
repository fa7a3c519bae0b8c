"""What was wrong with the page's first edition, each as its user met it.

What a field's sentence says and a span that is none: test_page_mistakes. The Library: test_page_library.
Stutter: test_live_player. Focus, contrast and names: test_page_focus, test_page_axe.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile as sf
from conftest import (
    close_settings,
    open_pane,
    open_section,
    open_tab,
    set_length,
    wait_for_position,
    wait_for_state,
)
from test_page_studio import wait_for_text, wait_for_value

from studio.backends.systems.tone import tone
from tests import page_speed
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.browser

TABS = ("Infinite", "Sparse", "Dual", "Library")
DESK = page_speed.SIZES["1440"]
PHONE = page_speed.SIZES["phone"]
TARGET_PX = 44
# Whatever can be pressed and is no text within a sentence; a box is pressed by its label too.
CONTROLS = "button, select, summary, label:has(input), [role=tab], [role=slider]"
TARGETS = """(controls) => [...document.querySelectorAll(controls)]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('[inert]'))
  .map((element) => ({ box: element.getBoundingClientRect(), name: element.id || element.className,
    text: (element.ariaLabel ?? element.innerText).slice(0, 40) }))
  .filter(({ box }) => box.width > 1 && box.height > 1) // what is there for screen readers alone is no target
  .map(({ box, name, text }) => [`${name}: ${text}`, box.width, box.height])"""


def seconds_in(text: str) -> int:
    return int("".join(filter(str.isdigit, text)))


def in_sight(page: Page, selector: str) -> bool:
    """Whether all of it lies within the window."""
    return bool(
        page.eval_on_selector(
            selector,
            """(element) => {
              const { top, bottom, height } = element.getBoundingClientRect();
              return height > 0 && top >= -1 && bottom <= innerHeight + 1;
            }""",
        )
    )


def suit_the_tone(page: Page, tab: str) -> None:
    """Ask for no attention to be made sparse, and for no draft: the test tone has neither."""
    if tab == "Sparse":
        open_pane(page, "engine", "sparse")
        page.check("#sparse-method input[value=dense]")
        open_pane(page, "sound", "sparse")
    else:
        page.get_by_label("None: text alone").check()


def choose_preset(page: Page, name: str) -> None:
    page.click("#infinite-preset input")
    page.get_by_role("option", name=name).click()
    wait_for_value(page, "#infinite-preset input", name)


def test_an_example_leaves_nothing_of_a_preset_behind(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    choose_preset(page, "A storm passes")
    page.wait_for_selector("#infinite-lane-part .lw-badge:has-text('changes')")
    page.get_by_role("button", name="crickets at night", exact=True).click()
    wait_for_value(page, "#infinite-prompt textarea", "crickets at night")
    wait_for_value(page, "#infinite-preset input", "")
    page.wait_for_function("() => !document.querySelector('#infinite-lane-part .lw-badge')?.innerText")
    wait_for_state(page, "playing")  # by itself, for nothing was heard
    assert page.is_checked("#infinite-endless input")
    request = tone_site.studio.jobs()[-1].request
    assert (request.prompt, request.lane, request.duration_s) == ("crickets at night", (), None)


def test_a_changed_preset_says_so_and_is_set_back(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    choose_preset(page, "A storm passes")
    length = page.input_value("#infinite-duration input")
    assert not page.is_visible(".lw-modified")
    page.fill("#infinite-duration input", "33")
    page.wait_for_selector("#infinite-reset .lw-modified", state="visible")
    page.click("#infinite-reset button")
    wait_for_value(page, "#infinite-duration input", length)
    page.wait_for_selector("#infinite-reset .lw-modified", state="hidden")
    wait_for_value(page, "#infinite-preset input", "A storm passes")


def test_a_recording_to_go_on_from_is_seen_on_its_closed_section(
    tone_site: Any, visit: Callable[..., Page], tmp_path: Path
) -> None:
    sf.write(tmp_path / "creek.wav", tone(0, 16000, 16000), 16000)
    page = visit(tone_site.url)
    open_section(page, "infinite-continue-part")
    page.set_input_files("#infinite-continue-from input[type=file]", tmp_path / "creek.wav")
    page.click("#infinite-continue-part .label-wrap")
    page.wait_for_selector("#infinite-continue-part .label-wrap:not(.open) .lw-badge:has-text('creek.wav')")


def test_level_is_one_and_is_remembered(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url, color_scheme="dark")
    assert page.locator("#transport-level").count() == 1
    page.fill("#transport-level", "30")
    set_length(page, 1)
    page.click("#infinite-generate")
    wait_for_state(page, "ended")
    page.wait_for_selector("#transport-export:not([disabled])")
    assert page.locator("audio[controls]:visible").count() == 0, "no second player beside the transport"
    page.reload()
    page.wait_for_selector("#infinite-player[data-state]")
    wait_for_value(page, "#transport-level", "30")


def test_space_plays_again_after_the_end(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    set_length(page, 2)
    page.click("#infinite-generate")
    wait_for_state(page, "ended")
    page.wait_for_selector("#transport-export:not([disabled])")
    page.click("h1")  # nothing has the focus that Space would press
    for _ in range(2):
        page.keyboard.press("Space")
        page.wait_for_function("() => longwave.transport.playing")
        page.wait_for_function("() => !longwave.transport.playing")


def test_on_a_phone_what_a_press_brings_is_in_sight(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url, **PHONE)
    page.tap("#infinite-generate")
    wait_for_position(page, 1)
    assert in_sight(page, "#transport-play")
    assert in_sight(page, "#transport-level")
    page.tap("#infinite-stop")
    wait_for_text(page, "#infinite-status", "saved as")
    page.get_by_role("tab", name="Library", exact=True).tap()
    page.tap(".lw-take >> nth=0")
    page.wait_for_selector("#library-open:not([disabled])")
    page.wait_for_function(
        "() => document.querySelector('#library-detail').getBoundingClientRect().top < innerHeight - 80"
    )
    assert in_sight(page, "#transport-play")


def test_a_playing_sound_is_changed_by_the_main_button(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.fill("#infinite-prompt textarea", "a calm sea")
    page.click("#infinite-generate")
    wait_for_position(page, 1)
    page.wait_for_selector("#infinite-again", state="visible")
    page.fill("#infinite-prompt textarea", "a wild sea")
    page.wait_for_selector("#infinite-steer:has-text('Change to this')", state="visible")
    assert not page.is_visible("#infinite-generate")
    wait_for_text(page, "#infinite-will", "s later")
    said_s = seconds_in(page.inner_text("#infinite-will"))
    page.click("#infinite-steer")
    wait_for_text(page, "#infinite-steered", "Taken up: you will hear it in about")
    # What is made ahead moves between the two, on a busy machine by more than a second.
    assert seconds_in(page.inner_text("#infinite-steered")) == pytest.approx(said_s, abs=4)
    control = tone_site.studio.jobs()[-1].control
    until(lambda: control.points)
    (point,) = control.points
    assert point.prompt == "a wild sea"
    page.wait_for_selector("#infinite-timeline :text('a wild sea')")
    page.wait_for_selector("#infinite-again", state="visible")


def test_a_page_loaded_again_shows_what_plays(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.fill("#infinite-prompt textarea", "surf at night")
    page.click("#infinite-generate")
    wait_for_position(page, 1)
    page.reload()
    page.wait_for_selector("#infinite-prompt textarea")
    wait_for_value(page, "#infinite-prompt textarea", "surf at night")


def test_a_take_that_ended_meanwhile_is_told_by_its_name(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.fill("#infinite-prompt textarea", "a bell far off")
    open_pane(page, "sound")
    set_length(page, 20)
    open_pane(page, "engine")
    page.check("#infinite-keep input")
    page.click("#infinite-generate")
    wait_for_position(page, 1)
    job = tone_site.studio.jobs()[-1]
    page.goto("about:blank")
    until(lambda: job.ended, timeout_s=60)
    page.goto(tone_site.url)
    wait_for_text(page, "#infinite-status", "a_bell_far_off")


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("guitar", "guitar"),
        ("a man singing", "singing"),
        ("cat meowing", "meowing"),
        ("car crash", "crash"),
        ("a violin concerto in a cathedral", "violin"),
        ("heavy rain and a violin", "violin"),
    ],
)
def test_what_the_model_does_not_know_is_named(
    word_site: Any, visit: Callable[..., Page], prompt: str, unknown: str
) -> None:
    page = visit(word_site.url)
    page.fill("#infinite-prompt textarea", prompt)
    page.wait_for_function(
        """(word) => new RegExp(`does not know: .*${word}`)
          .test(document.querySelector('#infinite-tab').innerText)""",
        arg=unknown,
    )


@pytest.mark.parametrize("size", page_speed.SIZES)
def test_nothing_shifts(tone_site: Any, browser: Browser, size: str) -> None:
    figures = page_speed.measure_shifts(browser, tone_site.url, size, tell=False)
    assert [str(figure) for figure in figures if not figure.kept] == []


def test_each_tab_has_the_same_place(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url, **DESK)
    places = set()
    for name in TABS:
        open_tab(page, name)
        place = page.eval_on_selector("main", "({ offsetLeft, offsetWidth }) => [offsetLeft, offsetWidth]")
        places.add(tuple(place))
    assert len(places) == 1


@pytest.mark.parametrize("tab", ["Sparse", "Dual"])
def test_a_clip_tells_its_speed(tone_site: Any, visit: Callable[..., Page], tab: str) -> None:
    page, name = visit(tone_site.url), tab.lower()
    open_tab(page, tab)
    suit_the_tone(page, tab)
    page.fill(f"#{name}-duration input[type=number]", "5")
    page.click(f"#{name}-generate")
    page.wait_for_selector(f"#{name}-player[data-state=ended]")
    open_pane(page, "inside", name)
    wait_for_text(page, f"#{name}-rtf .lw-value", "×")


def test_the_pad_is_set_by_the_arrow_keys(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    held: list[Route] = []
    page.route("**/page/pad.js", lambda route: held.append(route))
    page.reload()
    open_tab(page, "Dual")
    pad = page.locator("#dual-pad .lw-pad")
    pad.focus()
    # Nobody listens yet: no key may be taken, and lost.
    assert pad.evaluate("pad => document.activeElement !== pad")
    before = float(page.input_value("#dual-text-scale input[type=number]"))
    for route in held:
        route.continue_()
    page.wait_for_selector("#dual-pad .lw-pad[tabindex]")
    pad.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "(before) => document.querySelector('#dual-text-scale input[type=number]').value > before", arg=before
    )
    assert "text" in (pad.get_attribute("aria-valuetext") or "")


@pytest.mark.parametrize("tab", TABS)
def test_a_finger_hits_every_control(tone_site: Any, visit: Callable[..., Page], tab: str) -> None:
    page = visit(tone_site.url, **PHONE)
    open_tab(page, tab)
    small = too_small(page)
    if tab != "Library":
        for pane in ("sound", "engine", "inside"):
            open_pane(page, pane, tab.lower())
            small += too_small(page)
        close_settings(page, tab.lower())
    assert sorted(set(small)) == []


def too_small(page: Page) -> list[str]:
    """The controls in sight that a finger misses, with their sizes."""
    sizes = page.evaluate(TARGETS, CONTROLS)
    assert len(sizes) > 5
    return [
        f"{name} ({width:.0f} x {height:.0f})" for name, width, height in sizes if height < TARGET_PX - 0.5
    ]


@pytest.mark.parametrize("size", page_speed.SIZES)
def test_an_upload_is_read_whole(tone_site: Any, visit: Callable[..., Page], size: str) -> None:
    page = visit(tone_site.url, **page_speed.SIZES[size])
    open_tab(page, "Dual")
    open_pane(page, "sound", "dual")
    page.get_by_label("My own audio").check()
    page.wait_for_selector("#dual-draft-file .upload-container", state="visible")
    cut = page.eval_on_selector(
        "#dual-draft-file .upload-container",
        """(button) => {
          const inside = button.querySelector('.wrap').getBoundingClientRect();
          const outside = button.getBoundingClientRect();
          return inside.bottom - outside.bottom;
        }""",
    )
    assert cut <= 0, f"{cut} pixels of it are cut off"


@pytest.mark.parametrize("tab", ["Infinite", "Sparse", "Dual"])
def test_gauges_are_of_one_height(tone_site: Any, visit: Callable[..., Page], tab: str) -> None:
    page = visit(tone_site.url, **DESK)
    open_tab(page, tab)
    open_pane(page, "inside", tab.lower())
    gauges = page.locator(f"#{tab.lower()}-inside .lw-gauges > *")
    gauges.first.wait_for()
    heights = gauges.evaluate_all("(all) => all.map((each) => each.offsetHeight)")
    assert len(heights) > 1
    assert len(set(heights)) == 1


def test_a_test_tone_is_no_model_to_choose(word_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(word_site.url)
    open_pane(page, "engine")
    page.click("#infinite-model input")
    choices = page.get_by_role("option").all_inner_texts()
    assert len(choices) > 1
    assert [choice for choice in choices if "tone" in choice.lower()] == []


def test_a_press_on_a_clips_picture_goes_there(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    open_tab(page, "Sparse")
    suit_the_tone(page, "Sparse")
    page.fill("#sparse-duration input[type=number]", "6")
    page.click("#sparse-generate")
    page.wait_for_selector("#sparse-player[data-state=ended]")
    page.wait_for_selector("#transport-export:not([disabled])")
    page.locator("#sparse-spectrogram canvas").click(position={"x": 300, "y": 60})
    page.wait_for_function("() => longwave.transport.position > 1")
    said = page.locator("#sparse-attention-said").all_inner_texts()
    assert "".join(said).strip() == "", "no study was begun"


def test_the_map_of_attention_waits_behind_its_pane(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url, **DESK)
    assert not page.is_visible("#infinite-attention")
    open_pane(page, "inside")
    page.wait_for_selector("#infinite-attention", state="visible")
