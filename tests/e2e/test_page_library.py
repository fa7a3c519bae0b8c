"""The Library in a browser: takes on another disk, exact seeds, the trash and the way back."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile as sf
from conftest import open_tab, recording, served, tone_settings

from studio.core.request import parse_request
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SEED = 2**53 + 1
WIDTH = "document.querySelector('#library-list').getBoundingClientRect().width"
RIGHT = WIDTH.replace("width", "right")


@pytest.fixture(scope="module")
def linked_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A studio whose folder of today is a link to another disk, with a take of a large seed in it."""
    outputs, disk = tmp_path_factory.mktemp("outputs"), tmp_path_factory.mktemp("disk")
    (outputs / f"{datetime.now():%Y-%m-%d}").symlink_to(disk)
    with served(tone_settings(outputs)) as site:
        wanted = parse_request(prompt="surf", seed=SEED, duration_s=1.0, model={"id": "tone"})
        list(site.studio.events(site.studio.submit(wanted).id))
        yield site


@pytest.fixture
def shelf_site(tmp_path: Path) -> Iterator[Any]:
    """Three takes of a minute's silence apart, and four that were made together."""
    with served(tone_settings(tmp_path)) as site:
        wanted = parse_request(prompt="surf", seed=1, duration_s=1.0, model={"id": "tone"})
        for prompt, seconds in (("bells", 2.0), ("rain", 40.0), ("surf", 1.0)):
            more = {"prompt": prompt, "duration_s": seconds}
            list(site.studio.events(site.studio.submit(wanted.model_copy(update=more)).id))
        together = [wanted.model_copy(update={"guidance_scale": float(scale)}) for scale in (1, 2, 3, 4)]
        list(site.studio.events(site.studio.submit_all(together).id))
        yield site


def open_library(visit: Callable[..., Page], site: Any, **options: Any) -> Page:
    page = visit(site.url, **options)
    open_tab(page, "Library")
    page.wait_for_selector(".lw-take")
    return page


def names(page: Page) -> list[str]:
    """Those of the cards, in their order."""
    return page.eval_on_selector_all(".lw-take-name", "all => all.map(({ textContent }) => textContent)")


def wait_for_transport(page: Page, state: str) -> None:
    page.wait_for_selector(f"#transport[data-state={state}]")


def wait_for_said(page: Page, text: str) -> None:
    page.wait_for_function(
        "text => document.querySelector('#library-said')?.innerText.includes(text)", arg=text
    )


def card(name: str) -> str:
    return f".lw-take:has(.lw-take-name:text-is('{name}'))"


def chosen(page: Page) -> None:
    open_tab(page, "Library")
    page.click(".lw-take")
    page.wait_for_selector("#library-detail .lw-detail")


def test_a_take_on_another_disk_plays_and_downloads(
    linked_site: Any, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit(linked_site.url)
    open_tab(page, "Library")
    page.wait_for_selector(".lw-take")
    for button in ("open", "extend", "favour", "resume", "rename", "delete"):
        assert page.is_disabled(f"#library-{button}"), "nothing is chosen yet"
    chosen(page)
    (take,) = linked_site.studio.library.takes()
    page.click(".lw-take .lw-take-play")
    wait_for_transport(page, "ended")
    rate = page.evaluate("new AudioContext().sampleRate")
    assert len(recording(page)) / rate == pytest.approx(take.about.duration_s, rel=0.1)
    with page.expect_download() as download:
        page.click("#library-detail a[download]")
    download.value.save_as(tmp_path / "got")
    assert download.value.suggested_filename == take.path.name
    assert (tmp_path / "got").read_bytes() == take.path.read_bytes()
    page.wait_for_selector("#library-delete:not([disabled])")
    assert page.is_disabled("#library-resume")
    assert "interrupted" in page.inner_text("#library-why")
    page.click("#library-open")
    page.wait_for_function(f"document.querySelector('#infinite-seed input')?.value === '{SEED}'")


def test_a_new_take_on_another_disk_downloads(
    linked_site: Any, visit: Callable[..., Page], tmp_path: Path
) -> None:
    """From the page by its button, and from the API as a file."""
    from gradio_client import Client

    page = visit(linked_site.url)
    page.fill("#infinite-prompt textarea", "one more")
    page.fill("#infinite-seed input", str(SEED))
    page.uncheck("#infinite-endless input")
    page.fill("#infinite-duration input", "1")
    page.click("#infinite-generate")
    page.wait_for_selector("#infinite-download:not([disabled])[href]")
    with page.expect_download() as download:
        page.click("#infinite-download")
    download.value.save_as(tmp_path / "got")
    (take,) = linked_site.studio.library.takes("one more")
    assert take.record.request().seed == SEED
    assert (tmp_path / "got").read_bytes() == take.path.read_bytes()
    take.sidecar.unlink()
    client = Client(linked_site.url, verbose=False, download_files=str(tmp_path))
    file, figures = client.predict("a call", "", 1.0, str(SEED), model="tone", api_name="/infinite")
    (take,) = linked_site.studio.library.takes("a call")
    assert figures["seed"] == str(SEED)
    assert Path(file).read_bytes() == take.path.read_bytes()
    take.sidecar.unlink()


def test_a_deleted_take_comes_back(linked_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(linked_site.url)
    chosen(page)
    page.click("#library-delete")
    page.wait_for_selector("#library-undo:visible")
    assert "trash" in page.inner_text("#library-said")
    assert not list(linked_site.studio.library.takes())
    page.click("#library-undo")
    page.wait_for_function("document.querySelector('#library-said')?.innerText.includes('Put back')")
    page.wait_for_selector("#library-detail .lw-detail")
    page.click("#library-delete")
    page.wait_for_function("document.querySelector('#library-trash-part')?.innerText.includes('1 take,')")
    page.click("#library-trash-part button")
    page.click("#library-trash [data-take]")
    page.wait_for_function("document.querySelectorAll('.lw-take').length === 1")
    assert len(list(linked_site.studio.library.takes())) == 1


def test_a_second_file_needs_no_clearing(
    linked_site: Any, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit(linked_site.url)
    for prompt in ("first", "second"):
        (tmp_path / f"{prompt}.json").write_text(f'{{"name": "x", "settings": {{"prompt": "{prompt}"}}}}')
        open_tab(page, "Library")
        page.set_input_files("#library-file input[type=file]", tmp_path / f"{prompt}.json")
        page.wait_for_function(f"document.querySelector('#infinite-prompt textarea')?.value === '{prompt}'")


def test_cards_play_on_the_one_transport(shelf_site: Any, visit: Callable[..., Page]) -> None:
    page = open_library(visit, shelf_site)
    page.click(f"{card('rain')} .lw-take-play")
    wait_for_transport(page, "playing")
    assert page.inner_text("#transport .lw-title") == "rain"
    button = page.locator(f"{card('rain')} .lw-take-play")
    page.wait_for_selector(f"{card('rain')} .lw-take-play.lw-is-playing")
    assert button.get_attribute("aria-label") == "Pause rain"
    button.click()
    wait_for_transport(page, "paused")
    assert button.get_attribute("aria-label") == "Play rain"
    page.click(f"{card('bells')} .lw-take-play")
    page.wait_for_function("document.querySelector('#transport .lw-title')?.textContent === 'bells'")
    assert page.locator(".lw-take-play.lw-is-playing").count() <= 1
    assert not page.is_visible("#library-detail"), "to listen is not to choose"


def test_a_take_of_the_library_is_exported_by_the_transport(
    shelf_site: Any, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_library(visit, shelf_site)
    page.click(f"{card('bells')} .lw-take-play")
    wait_for_transport(page, "playing")
    page.click("#transport-export")
    page.fill(".lw-export [name=start]", "0:00.5")
    with page.expect_download() as download:
        page.click(".lw-export a[data-format=wav]")
    assert download.value.suggested_filename.endswith("__0.5-s.wav")
    download.value.save_as(tmp_path / "got.wav")
    assert sf.info(tmp_path / "got.wav").duration == pytest.approx(1.5, abs=0.01)


def test_takes_made_together_say_what_differs_and_are_selected_together(
    shelf_site: Any, visit: Callable[..., Page]
) -> None:
    page = open_library(visit, shelf_site)
    box = page.locator(".lw-group")
    assert box.locator("h3").inner_text().startswith("Comparison · 4 takes")
    scales = box.locator(".lw-tag-differs").all_inner_texts()
    assert [scale.rpartition(": ")[2] for scale in scales] == ["1", "2", "3", "4"]
    box.locator(".lw-group-select").click()
    assert page.inner_text(".lw-bulk-count") == "4 takes selected"
    page.click(".lw-bulk [data-do=delete]")
    wait_for_said(page, "Moved 4 takes")
    assert len(list(shelf_site.studio.library.takes())) == 3
    page.wait_for_selector(".lw-bulk", state="hidden")
    page.click("#library-undo")
    wait_for_said(page, "Put back 4 takes.")
    assert len(list(shelf_site.studio.library.takes())) == 7


def test_several_are_selected_by_range_and_keyboard_and_come_as_one_archive(
    shelf_site: Any, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_library(visit, shelf_site)
    boxes = page.locator(".lw-take input[type=checkbox]")
    boxes.nth(1).click()
    boxes.nth(5).click(modifiers=["Shift"])
    assert page.inner_text(".lw-bulk-count") == "5 takes selected"
    assert not page.is_visible("#library-detail"), "to select is not to choose"
    page.select_option(".lw-bulk select", ".wav")
    with page.expect_download() as download:
        page.click(".lw-bulk [data-do=export]")
    download.value.save_as(tmp_path / "got.zip")
    with zipfile.ZipFile(tmp_path / "got.zip") as archive:
        assert [Path(name).suffix for name in archive.namelist()] == [".wav"] * 5
    assert "Saved as longwave-" in page.inner_text(".lw-bulk .lw-told")
    boxes.nth(5).press("Control+a")
    assert page.inner_text(".lw-bulk-count") == "7 takes selected"
    page.click(".lw-bulk [data-do=favour]")
    wait_for_said(page, "Added 7 takes to favourites.")
    assert len(list(shelf_site.studio.library.takes(favourites=True))) == 7
    page.locator(".lw-take-name").first.press("Escape")
    page.wait_for_selector(".lw-bulk", state="hidden")


def test_the_list_goes_by_what_one_asks_for(shelf_site: Any, visit: Callable[..., Page]) -> None:
    """A renamed take stays where it was made."""
    page = open_library(visit, shelf_site)
    assert names(page) == ["surf"] * 5 + ["rain", "bells"]
    page.click(card("bells"))
    page.wait_for_selector("#library-rename:not([disabled])")
    page.fill("#library-name textarea, #library-name input", "zither")
    page.click("#library-rename")
    wait_for_said(page, "Renamed.")
    assert names(page) == ["surf"] * 5 + ["rain", "zither"]
    for order, first in (("Name", "rain"), ("Oldest first", "zither"), ("Longest first", "rain")):
        page.click("#library-sort input")
        page.get_by_role("option", name=order, exact=True).click()
        page.wait_for_function(
            "first => document.querySelector('.lw-take-name').textContent === first", arg=first
        )
    page.fill("#library-search textarea, #library-search input", "no such sound")
    page.wait_for_function("document.querySelector('#library-list').innerText === 'No takes match.'")


def test_the_page_keeps_its_place_when_the_library_is_opened(
    shelf_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(shelf_site.url, viewport={"width": 1440, "height": 900})
    place = "(({ x, width }) => [x, width])(document.querySelector('.lw-header').getBoundingClientRect())"
    before = page.evaluate(place)
    open_tab(page, "Library")
    page.wait_for_selector(".lw-take")
    assert page.evaluate(place) == before
    assert page.evaluate(WIDTH) > 1200, "the whole width"
    page.click(card("rain"))
    page.wait_for_selector("#library-detail .lw-detail")
    beside = page.locator("#library-pane").bounding_box()
    assert beside is not None
    assert 0 <= beside["y"] < 500
    assert (
        page.evaluate("document.querySelector('#library-list').getBoundingClientRect().right") < beside["x"]
    )
    page.click(".lw-pane-close")
    page.wait_for_selector("#library-pane", state="hidden")
    assert page.evaluate("document.activeElement.closest('.lw-take')?.innerText.includes('rain')")


def test_on_a_phone_a_take_is_told_of_in_a_sheet(shelf_site: Any, visit: Callable[..., Page]) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = open_library(visit, shelf_site, **phone)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.tap(card("bells"))
    page.wait_for_selector("#library-detail .lw-detail")
    sheet, dock = (page.locator(part).bounding_box() for part in ("#library-pane", "#transport"))
    assert sheet is not None
    assert dock is not None
    assert 0 < sheet["y"] < 600, "nowhere below the screen"
    last = page.locator("#library-rename")
    last.scroll_into_view_if_needed()
    button = last.bounding_box()
    assert button is not None
    assert button["y"] + button["height"] <= dock["y"], "nothing of it stays behind the transport"
    for part in (".lw-take-play", ".lw-take-check", ".lw-pane-close", ".lw-detail-save"):
        box = page.locator(part).first.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44, part
    page.tap(".lw-pane-close")
    page.wait_for_selector("#library-pane", state="hidden")


def test_the_library_by_keyboard_alone(shelf_site: Any, visit: Callable[..., Page]) -> None:
    """One Tab stop leads to the cards, the arrow keys from one to the next; the focus survives a new list."""
    page = open_library(visit, shelf_site)
    focused = "document.activeElement.closest('.lw-take')?.querySelector('.lw-take-name').textContent"
    page.focus("#library-refresh")
    for _ in range(9):
        page.keyboard.press("Tab")
        if page.evaluate(focused):
            break
    assert page.evaluate(focused) == "surf"
    page.keyboard.press("End")
    assert page.evaluate(focused) == "bells"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focused) == "rain"
    page.keyboard.press("Enter")
    page.wait_for_selector("#library-detail .lw-detail")
    page.keyboard.press("Delete")
    wait_for_said(page, "Moved to the trash.")
    page.wait_for_function("document.querySelectorAll('.lw-take').length === 6")
    assert [take.name for take in shelf_site.studio.library.takes("rain")] == []
    page.wait_for_function(f"({focused}) === 'bells'")


def test_a_take_that_is_made_is_followed(shelf_site: Any, visit: Callable[..., Page]) -> None:
    """It is told from the others, can't be deleted, and says so; the list sees it end by itself."""
    wanted = parse_request(prompt="endless wind", seed=1, duration_s=None, model={"id": "tone"})
    job = shelf_site.studio.submit(wanted, listen=True, keep_running=True)
    until(lambda: next(shelf_site.studio.library.takes("wind"), None) is not None)
    page = open_library(visit, shelf_site)
    wind = card("endless wind")
    assert "being made" in page.inner_text(wind)
    page.click(wind)
    page.wait_for_selector("#library-detail .lw-detail")
    assert page.is_disabled("#library-delete")
    assert "still being made" in page.inner_text("#library-why")
    shelf_site.studio.stop(job.id)
    page.wait_for_selector(f"{wind}[data-status=stopped]")


def test_a_settings_file_may_be_dropped_anywhere_on_the_list(
    shelf_site: Any, visit: Callable[..., Page]
) -> None:
    page = open_library(visit, shelf_site)
    page.evaluate("""() => {
      const dropped = new DataTransfer();
      dropped.items.add(new File(['{"name": "x", "settings": {"prompt": "dropped"}}'], 'x.json'));
      const event = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: dropped });
      document.querySelector('.lw-take').dispatchEvent(event);
    }""")
    page.wait_for_function("document.querySelector('#infinite-prompt textarea')?.value === 'dropped'")
