"""What lies over the picture of a finished take: markers, brackets; and takes dropped on each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from axe import Inspection
from conftest import served, tone_settings

from studio.backends.systems.tone import ToneBackend
from studio.core.request import parse_request
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LENGTHS = {"rain": 10.0, "waves": 4.0, "wide": 4.0}


@pytest.fixture(scope="module")
def picture_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with served(
        tone_settings(tmp_path_factory.mktemp("outputs")),
        lambda settings: Studio(settings, lambda choice: ToneBackend(), Renderer()),
    ) as page:
        for prompt, length in LENGTHS.items():
            stereo = "wide" if prompt == "wide" else "mono"
            tone = {"id": "tone", "device": "cpu"}
            job = page.studio.submit(
                parse_request(prompt=prompt, duration_s=length, seed=3, model=tone, stereo=stereo)
            )
            for _ in page.studio.events(job.id):
                pass
        yield page


def show(site: Any, page: Page) -> None:
    """All takes are in the strip, the rain is shown and can be played."""
    takes = {take.name: take for take in site.studio.library.takes() if "." not in take.path.stem}
    for name in LENGTHS:
        take = takes[name]
        token = site._shared.offers.offer(take.path)
        given = {"token": token, "file": take.path.name, "lengthS": take.length_s}
        page.evaluate("take => longwave.infinite.strip.add(take)", given)
    page.wait_for_function("longwave.infinite.strip.takes.every(({ library }) => library)")
    page.evaluate("longwave.infinite.strip.hold(longwave.infinite.strip.takes[0].id)")
    page.wait_for_selector("#transport-edit:enabled")
    page.wait_for_selector(":is(#infinite-spectrogram, #infinite-spectrogram *).lw-live")


def markers(site: Any) -> list[tuple[float, str]]:
    take = next(take for take in site.studio.library.takes() if take.length_s == LENGTHS["rain"])
    return [(one.at_s, one.label) for one in take.about.markers]


def box(part: Locator) -> dict[str, float]:
    found = part.bounding_box()
    assert found is not None
    return dict(found)


def pull(page: Page, part: Locator, seconds: float) -> None:
    """Drag a part of the picture by so many seconds of the rain."""
    own, picture = box(part), box(page.locator("#infinite-spectrogram canvas"))
    x, y = own["x"] + own["width"] / 2, own["y"] + own["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + seconds / LENGTHS["rain"] * picture["width"], y, steps=4)
    page.mouse.up()


def test_markers_lie_on_the_picture(picture_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(picture_site.url, reduced_motion="reduce", viewport={"width": 1440, "height": 900})
    show(picture_site, page)
    flag = page.locator(".lw-flag")
    page.evaluate("longwave.transport.seek(2)")
    page.keyboard.press("Space")
    page.wait_for_selector("#transport[data-state=paused]")
    for at_s in (2, 6):
        page.evaluate("at => longwave.transport.seek(at)", at_s)
        page.keyboard.press("m")
        page.wait_for_selector(f".lw-flag >> nth={at_s // 4}")
    assert "Marked at 0:06" in page.inner_text(".lw-transport-said")
    flag.nth(0).locator("b").dblclick()
    page.keyboard.type("a drop")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lw-flag:has-text('a drop')")
    assert page.evaluate("longwave.transport.position") == pytest.approx(2, abs=0.3), "it was gone to"
    assert page.evaluate("document.activeElement.ariaLabel") == "Marker: a drop"
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    page.keyboard.press(" ")
    until(lambda: markers(picture_site)[0][0] == pytest.approx(3.9, abs=0.3))
    pull(page, flag.nth(1).locator("b"), 2)
    until(lambda: markers(picture_site)[1][0] == pytest.approx(8, abs=0.3))
    flag.nth(1).press("Delete")
    page.wait_for_selector(".lw-transport-said:has-text('“Marker 2” is removed')")
    assert [label for _, label in markers(picture_site)] == ["a drop"]
    page.click(".lw-transport-said button")
    until(lambda: [label for _, label in markers(picture_site)] == ["a drop", "Marker 2"])

    page.keyboard.press("r")
    page.click(".lw-markers li:nth-child(2) button:has-text('Rename')")
    page.keyboard.type("the end")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lw-flag:has-text('the end')")
    page.keyboard.press("Escape")
    page.click("#infinite-take-strip .lw-take-tile:nth-child(2) .lw-tile")
    page.wait_for_selector(".lw-flag", state="detached")
    page.keyboard.press("?")
    page.wait_for_selector("dialog.lw-keys:has-text('mark this place of the take')")


def test_a_loop_is_held_between_brackets(picture_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(picture_site.url, reduced_motion="reduce", viewport={"width": 1440, "height": 900})
    show(picture_site, page)
    value = page.locator(".lw-edit [name=end]").input_value
    page.click("#transport-edit")
    page.select_option(".lw-edit [name=kind]", "loop")
    page.wait_for_selector(".lw-bracket-whole:has-text('10.000 s')")
    assert page.evaluate("longwave.transport.span") is None, "all of it"
    pull(page, page.locator(".lw-bracket-to"), -4)
    assert float(value()) == pytest.approx(6, abs=0.1)
    assert page.evaluate("longwave.transport.span.to") == float(value())
    pull(page, page.locator("#infinite-spectrogram canvas"), 3)  # a span that is chosen is the loop
    assert page.evaluate("longwave.transport.span.from") == pytest.approx(5, abs=0.1)
    assert float(value()) == pytest.approx(8, abs=0.1)
    page.fill(".lw-edit [name=start]", "1.5")
    page.fill(".lw-edit [name=bpm]", "120")
    page.wait_for_selector(".lw-bracket-whole:has-text('6.000 s · 3 bars at 120 BPM')")
    assert value() == "7.5"
    page.focus(".lw-bracket-to")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.ariaValueText").startswith("5.5 s; the loop lasts 4.000 s")
    page.focus(".lw-bracket-whole")
    page.keyboard.press("ArrowRight")
    assert page.input_value(".lw-edit [name=start]") == "2"
    assert page.input_value(".lw-edit [name=bars]") == "2"
    page.click(".lw-edit-begin")
    page.wait_for_selector(".lw-edit-made li")
    page.wait_for_function("longwave.transport.current.lengthS === 4")
    page.wait_for_selector(".lw-bracket-whole:has-text('4.000 s')")
    page.locator("#infinite-spectrogram canvas").click(position={"x": 400, "y": 60})
    page.wait_for_function("longwave.transport.position > 1 && longwave.transport.span === null")

    # A span is of the take that it was chosen in.
    page.click(".lw-edit-close")
    pull(page, page.locator("#infinite-spectrogram canvas"), 3)
    page.wait_for_selector("#infinite-spectrogram .lw-span", state="visible")
    page.click("#infinite-take-strip .lw-take-tile:nth-child(2) .lw-tile")
    page.wait_for_selector("#infinite-spectrogram .lw-span", state="hidden")


def test_takes_are_joined_by_dropping_one_on_another(picture_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(picture_site.url, reduced_motion="reduce", viewport={"width": 1440, "height": 900})
    show(picture_site, page)
    tiles = page.locator("#infinite-take-strip .lw-take-tile")
    rain, waves, wide = (tiles.nth(place).locator(".lw-tile") for place in range(3))
    right, left = {"x": 120, "y": 20}, {"x": 10, "y": 20}
    for after, first in (right, "rain"), (left, "waves"):
        waves.drag_to(rain, target_position=after)
        page.wait_for_selector(f".lw-edit-of:has-text('{first}')")
        page.wait_for_function("longwave.transport.current.lengthS > 15")
        page.wait_for_selector(".lw-edit .lw-told:has-text('and in the Library')")
    wide.drag_to(rain, target_position=right)
    page.wait_for_selector(".lw-edit .lw-wrong:has-text('splice takes that have as many')")
    wide.hover()
    page.mouse.down()
    rain.hover(position=left)
    rain.hover(position=left)
    page.wait_for_selector(".lw-join-hint:has-text('C, then A: 1.28 s of new sound')")
    rain.hover(position=right)
    page.wait_for_selector(".lw-join-hint:has-text('A, then C')")
    page.keyboard.press("Escape")
    page.mouse.up()


def test_a_finger_holds_the_brackets_and_markers(
    picture_site: Any, visit: Callable[..., Page], axe: str
) -> None:
    page = visit(picture_site.url, reduced_motion="reduce", **PHONE)
    show(picture_site, page)
    page.evaluate("longwave.transport.seek(5)")
    page.keyboard.press("m")
    page.wait_for_selector(".lw-flag")
    page.tap("#transport-edit")
    page.select_option(".lw-edit [name=kind]", "loop")
    page.wait_for_selector(".lw-bracket-to", state="visible")
    for part in (".lw-flag b >> nth=0", ".lw-bracket-from", ".lw-bracket-to", ".lw-bracket-whole"):
        size = box(page.locator(part))
        assert size["width"] >= 44, part
        assert size["height"] >= 44, part
    edge, panel = box(page.locator(".lw-bracket-to")), box(page.locator("#take-edit"))
    assert edge["y"] + edge["height"] <= panel["y"], "the picture is in sight above the panel"
    x, y = edge["x"] + 22, edge["y"] + edge["height"] / 2
    touch = page.context.new_cdp_session(page)
    for kind, at in [("touchStart", x), *(("touchMove", x - 25 * n) for n in range(1, 5))]:
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("longwave.transport.span?.to < 8")
    inspection = Inspection(page, axe)
    inspection.look("brackets and a marker on a phone")
    assert inspection.found == []
