"""A take edited where it is played: a span made anew and compared, a loop, a join, and back again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from axe import Inspection
from conftest import open_tab, served, tone_settings

from studio.backends.systems.tone import ToneBackend
from studio.core.request import parse_request
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


class Held(Renderer):
    """Makes takes as long as it is let go on."""

    go_on = threading.Event()

    def __call__(self, *given: Any, **more: Any) -> Iterator[Any]:
        for event in super().__call__(*given, **more):
            while not (self.go_on.wait(0.05) or given[2].is_set()):
                continue
            given[2].check()
            yield event


@pytest.fixture(scope="module")
def edit_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    Held.go_on.set()
    with served(
        tone_settings(tmp_path_factory.mktemp("outputs")),
        lambda settings: Studio(settings, lambda choice: ToneBackend(), Held()),
    ) as page:
        for prompt, length in ("rain", 4.0), ("waves", 3.0):
            request = parse_request(
                prompt=prompt, duration_s=length, seed=3, model={"id": "tone", "device": "cpu"}
            )
            job = page.studio.submit(request)
            for _ in page.studio.events(job.id):
                pass
        yield page


def play(page: Page, prompt: str) -> None:
    open_tab(page, "Library")
    page.click(f".lw-take:has-text('{prompt}') .lw-take-play")
    page.wait_for_selector("#transport-edit:enabled")


def made(page: Page, count: int) -> None:
    page.wait_for_function(
        "count => document.querySelectorAll('.lw-edit-begin ~ .lw-edit-made li').length === count"
        " && document.querySelector('.lw-edit-stop').hidden",
        arg=count,
    )


def played(page: Page) -> str:
    name: str = page.evaluate("longwave.transport.current.file")
    return name


def test_a_take_is_edited_where_it_is_played(edit_site: Any, visit: Callable[..., Page], axe: str) -> None:
    page = visit(edit_site.url, reduced_motion="reduce")
    inspection = Inspection(page, axe)
    play(page, "rain")
    first = played(page)
    page.keyboard.press("r")
    page.wait_for_selector(".lw-edit-of:has-text('rain')")
    page.fill(".lw-markers [name=label]", "a drop")
    page.click(".lw-mark")
    page.wait_for_selector(".lw-markers li:has-text('a drop')")
    assert page.is_disabled(".lw-edit-begin"), "no span is chosen"
    assert "Choose a span" in page.inner_text(".lw-edit-cost")
    page.fill(".lw-edit [name=start]", "1")
    page.fill(".lw-edit [name=end]", "2.5")
    page.select_option(".lw-edit [name=candidates]", "2")
    assert page.inner_text(".lw-edit-cost").startswith("2 × 1.5 s of new sound")
    inspection.look("making a span anew")
    page.click(".lw-edit-begin")
    made(page, 2)
    assert page.inner_text(".lw-edit .lw-told").startswith("2 edits of “rain” are there")
    page.click(".lw-edit-made li:nth-child(2) button:has-text('Play')")
    page.wait_for_function("first => longwave.transport.current.file !== first", arg=first)
    candidate = played(page)
    page.click(".lw-edit-before")
    page.wait_for_function("first => longwave.transport.current.file === first", arg=first)
    page.click(".lw-edit-after")
    page.wait_for_function("one => longwave.transport.current.file === one", arg=candidate)
    page.click(".lw-edit-made li:nth-child(1) button:has-text('Drop')")
    page.wait_for_selector(".lw-edit .lw-told:has-text('lies in the trash')")
    assert len(list(edit_site.studio.library.takes())) == 3
    inspection.look("candidates")

    page.select_option(".lw-edit [name=kind]", "loop")
    page.fill(".lw-edit [name=start]", "")
    page.fill(".lw-edit [name=end]", "")
    page.fill(".lw-edit [name=bpm]", "120")
    page.fill(".lw-edit [name=bars]", "1")
    page.fill(".lw-edit [name=loop_bridge]", "0.6")
    page.click(".lw-edit-begin")
    made(page, 1)
    looped = page.evaluate("longwave.transport.current.lengthS")
    assert looped == pytest.approx(2.0, abs=0.001)

    page.select_option(".lw-edit [name=kind]", "splice")
    page.wait_for_selector(".lw-edit [name=other] option:has-text('waves')", state="attached")
    page.select_option(".lw-edit [name=other]", label="waves")
    page.fill(".lw-edit [name=leave]", "1")
    page.fill(".lw-edit [name=enter]", "0:01")
    page.click(".lw-edit-begin")
    made(page, 1)
    assert page.evaluate("longwave.transport.current.lengthS") == pytest.approx(1 + 1.28 + 2, abs=0.1)
    page.focus(".lw-edit [name=kind]")
    page.keyboard.press("Escape")
    assert page.is_hidden("#take-edit")
    assert inspection.found == []

    page.reload()
    open_tab(page, "Library")
    page.locator(".lw-take:has-text('rain') .lw-take-play").last.click()
    page.wait_for_selector("#transport-edit:enabled")
    page.click("#transport-edit")
    page.wait_for_selector(".lw-markers li:has-text('a drop')")


def test_a_wrong_edit_is_one_sentence_also_on_a_phone(
    edit_site: Any, visit: Callable[..., Page], axe: str
) -> None:
    page = visit(edit_site.url, reduced_motion="reduce", **PHONE)
    inspection = Inspection(page, axe)
    play(page, "waves")
    page.tap("#transport-edit")
    page.select_option(".lw-edit [name=kind]", "loop")
    page.fill(".lw-edit [name=start]", "2")
    page.fill(".lw-edit [name=end]", "1")
    page.tap(".lw-edit-begin")
    page.wait_for_selector(".lw-edit .lw-wrong:has-text('later end')")
    inspection.look("a wrong edit on a phone")
    box = page.locator("#take-edit").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert inspection.found == []


def drag(page: Page, tab: str, start: float, stop: float) -> None:
    """Choose a span of a tab's picture, by shares of its width."""
    page.locator(f"#{tab}-spectrogram canvas").scroll_into_view_if_needed()
    box = page.locator(f"#{tab}-spectrogram canvas").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + stop * box["width"], middle, steps=4)
    page.mouse.up()


def holds(page: Page, file: str) -> None:
    page.wait_for_function("file => longwave.transport.current?.file === file", arg=file)


def test_edits_of_edits_stay_in_the_strip_and_lead_back(edit_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(edit_site.url, reduced_motion="reduce", viewport={"width": 1440, "height": 900})
    waves = next(take for take in edit_site.studio.library.takes() if "waves" in take.name)
    token = edit_site._shared.offers.offer(waves.path)
    given = {"token": token, "file": waves.path.name, "lengthS": waves.length_s}
    page.evaluate("take => longwave.infinite.strip.add(take)", given)
    page.click("#infinite-take-strip .lw-tile")
    page.wait_for_selector(
        ":is(#infinite-spectrogram, #infinite-spectrogram *).lw-live"
    )  # its picture is there
    page.wait_for_selector("#transport-edit:enabled")
    files = [played(page)]
    page.click("#transport-edit")
    for count in 2, 3:
        for _ in range(40):  # its own picture comes some moments after the take
            drag(page, "infinite", 0.2 * count, 0.2 * count + 0.15)
            if page.evaluate("longwave.transport.span"):
                break
            page.wait_for_timeout(250)
        page.wait_for_function(
            "() => { const { start, end } = document.querySelector('.lw-edit form').elements;"
            " const { span } = longwave.transport;"
            " return span && Number(start.value) === span.from && Number(end.value) === span.to; }"
        )
        if count == 3:
            page.fill(".lw-edit [name=start]", "")  # from the beginning on
        page.click(".lw-edit-begin")
        made(page, 1)
        page.wait_for_function(
            "count => longwave.infinite.strip.takes.filter(({ library }) => library).length === count",
            arg=count,
        )
        files.append(played(page))
    assert len(set(files)) == 3
    for file in files[1::-1]:
        page.click(".lw-edit-before")
        holds(page, file)
    page.wait_for_selector(".lw-edit-before", state="hidden")
    page.click(".lw-edit-after")
    holds(page, files[1])
    page.click(".lw-edit-after")
    holds(page, files[2])
    page.click(".lw-edit-made li button:has-text('Drop')")
    holds(page, files[1])
    page.wait_for_function("longwave.infinite.strip.takes.length === 2")
    page.wait_for_selector(".lw-edit-after", state="hidden")

    page.reload()
    page.wait_for_function(
        "window.longwave?.infinite?.strip.takes.filter(({ library }) => library).length === 2"
    )
    page.click("#infinite-take-strip .lw-take-tile:nth-child(2) .lw-tile")
    holds(page, files[1])
    page.click("#transport-edit")
    page.click(".lw-edit-before")
    holds(page, files[0])


def test_an_edit_outlives_a_reload_and_the_library_lists_it(
    edit_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(edit_site.url, reduced_motion="reduce")
    play(page, "waves")
    page.click("#transport-edit")
    page.fill(".lw-edit [name=start]", "1")
    page.fill(".lw-edit [name=end]", "2")
    page.keyboard.press("Tab")
    page.wait_for_selector(".lw-edit-picture .lw-span:visible")  # what is typed
    box = page.locator(".lw-edit-picture canvas").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 40, steps=4)
    page.mouse.up()
    page.wait_for_function(
        "() => { const { start, end } = document.querySelector('.lw-edit form').elements;"
        " return Math.abs(start.value - 1.5) < 0.05 && Math.abs(end.value - 2.7) < 0.05; }"
    )
    page.select_option(".lw-edit [name=candidates]", "3")
    page.wait_for_selector(".lw-edit-time:has-text('to make')")
    Held.go_on.clear()
    page.click(".lw-edit-begin")
    page.wait_for_selector(".lw-edit .lw-told:has-text('Making 1 of 3')")

    page.reload()
    page.wait_for_selector(".lw-edit-stop:visible")
    page.wait_for_selector(".lw-edit .lw-told:has-text('Making 1 of 3')")
    assert "waves" in page.inner_text(".lw-edit-of")
    other = visit(edit_site.url)
    other.wait_for_selector("#transport-edit", state="visible")
    assert other.is_hidden("#take-edit"), "it is another visitor's"
    open_tab(page, "Library")
    page.wait_for_selector(".lw-take[data-status=running]")
    Held.go_on.set()
    page.wait_for_selector(".lw-edit .lw-told:has-text('3 edits of “waves” are there')")
    made(page, 3)
    page.wait_for_function(
        "count => document.querySelectorAll('.lw-take[data-status=finished]').length === count",
        arg=len(list(edit_site.studio.library.takes())),
    )

    page.click(".lw-edit-made li:nth-child(3) button:has-text('Play')")
    page.wait_for_selector("#transport-edit:enabled")
    page.select_option(".lw-edit [name=kind]", "extend")
    Held.go_on.clear()
    page.click(".lw-edit-begin")
    page.wait_for_selector(".lw-edit .lw-told:has-text('Making it')")
    page.click(".lw-edit-close")
    Held.go_on.set()
    page.wait_for_selector(".lw-transport-said:has-text('The edit of “waves · candidate 3 of 3” is there')")
    page.reload()
    page.wait_for_selector(".lw-edit-made li", state="attached")
    assert page.is_hidden("#take-edit"), "its end was told of"
    play(page, "rain")
    page.click("#transport-edit")
    page.select_option(".lw-edit [name=kind]", "extend")
    Held.go_on.clear()
    page.click(".lw-edit-begin")
    page.wait_for_selector(".lw-edit .lw-told:has-text('Making it')")
    page.reload()
    page.click(".lw-edit-stop")
    page.wait_for_selector(".lw-edit .lw-told:has-text('Stopped.')")
    Held.go_on.set()
