"""The Library in a browser: takes on another disk, exact seeds, the trash and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import served, set_length, tone_settings

from studio.core.request import parse_request

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SEED = 2**53 + 1


@pytest.fixture(scope="module")
def linked_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A studio whose folder of today is a link to another disk, with a take of a large seed in it."""
    outputs, disk = tmp_path_factory.mktemp("outputs"), tmp_path_factory.mktemp("disk")
    (outputs / f"{datetime.now():%Y-%m-%d}").symlink_to(disk)
    with served(tone_settings(outputs)) as site:
        wanted = parse_request(prompt="surf", seed=SEED, duration_s=1.0, model={"id": "tone"})
        list(site.studio.events(site.studio.submit(wanted).id))
        yield site


def chosen(page: Page) -> None:
    page.get_by_role("tab", name="Library").click()
    page.click(".lw-take")
    page.wait_for_function("document.querySelector('#library-detail audio')?.duration === 1")


def test_a_take_on_another_disk_plays_and_downloads(
    linked_site: Any, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit(linked_site.url)
    page.get_by_role("tab", name="Library").click()
    page.wait_for_selector(".lw-take")
    for button in ("open", "extend", "favour", "resume", "rename", "delete"):
        assert page.is_disabled(f"#library-{button}"), "nothing is chosen yet"
    chosen(page)
    (take,) = linked_site.studio.library.takes()
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
    set_length(page, 1)
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
    page.wait_for_function("document.querySelector('#library-detail audio')?.duration === 1")
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
        page.get_by_role("tab", name="Library").click()
        page.set_input_files("#library-file input[type=file]", tmp_path / f"{prompt}.json")
        page.wait_for_function(f"document.querySelector('#infinite-prompt textarea')?.value === '{prompt}'")
