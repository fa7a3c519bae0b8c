"""What is wrong is said beside the field, goes when it is mended, and never downloads as a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import close_settings, open_export, open_pane, set_length, wait_for_state
from test_page_studio import DESK, PHONE, wait_for_text

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_a_field_at_fault_is_named_until_it_is_mended(
    tone_site: Any, visit: Callable[..., Page], screen: dict[str, Any]
) -> None:
    page = visit(tone_site.url, **screen)
    sentence = "Length (seconds) must be a number above 0 and at most 86,400 (it is 0)."
    set_length(page, 1)
    for _ in range(2):  # a second time as well
        set_length(page, 0)
        page.click("#infinite-generate")
        wait_for_text(page, "#infinite-status", sentence)
        page.wait_for_selector(f".lw-field-wrong:has-text({sentence!r})", state="attached")
        assert page.get_attribute("#infinite-duration input", "aria-invalid") == "true"
        page.fill("#infinite-prompt textarea", "wind")
        page.wait_for_selector(f".lw-field-wrong:has-text({sentence!r})", state="attached")
        set_length(page, 3)
        page.wait_for_function(
            "() => !document.querySelector('#infinite-status').innerText.includes('Length')"
            " && !document.querySelector('.lw-field-wrong')"
        )
    open_pane(page, "sound")
    page.fill("#infinite-seed input", "-7")
    close_settings(page)
    page.click("#infinite-generate")
    page.wait_for_selector(".lw-field-wrong:has-text('Seed must be a whole number from 0')", state="attached")
    open_pane(page, "sound")
    page.click("#infinite-seed-dice")
    page.wait_for_function("() => !document.querySelector('.lw-field-wrong')")


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_a_span_that_is_none_is_said_beside_it_and_never_downloaded(
    tone_site: Any, visit: Callable[..., Page], tmp_path: Path, screen: dict[str, Any]
) -> None:
    page = visit(tone_site.url, **screen)
    set_length(page, 4)
    page.click("#infinite-generate")
    wait_for_state(page, "ended")
    open_export(page)
    for start, end, says in [
        ("3", "2", "The end lies before the beginning"),
        ("2", "0:02", "Nothing lies between"),
        ("", "0:09", "end inside it"),
        ("9:00", "", "begin inside it"),
        ("1:75", "", "Write the time as m:ss"),
        ("-1", "", "Write the time as m:ss"),
        ("", "NaN", "Write the time as m:ss"),
    ]:
        page.fill(".lw-export [name=start]", start)
        page.fill(".lw-export [name=end]", end)
        wait_for_text(page, ".lw-export", says)
        assert page.locator(".lw-export a[href]").count() == 0
        assert page.input_value(".lw-export [name=start]") == start, "nothing is swapped"
    page.fill(".lw-export [name=end]", "3")
    page.fill(".lw-export [name=start]", "0:01")
    page.wait_for_selector(".lw-export a[href]")
    assert page.locator(".lw-export .lw-wrong:not(:empty)").count() == 0
    page.select_option(".lw-export [name=lufs]", "-14")
    page.fill(".lw-export [name=ceiling]", "-2")
    with page.expect_download() as download:
        page.click(".lw-export a[data-format=wav]")
    reached = re.search(r"__1-3s__(-[\d.]+)LUFS\.wav$", download.value.suggested_filename)
    assert reached is not None
    wait_for_text(page, ".lw-told", f"{reached[1].replace('-', '−')} LUFS")
    wait_for_text(page, ".lw-told", "dBTP")
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "nothing scrolls sideways"
    # The take goes away meanwhile: a sentence on the page, and no file.
    tone_site.studio.jobs()[-1].outcome.path.unlink()
    page.on("download", lambda one: pytest.fail(f"downloaded {one.suggested_filename}"))
    page.click(".lw-export a[data-format=mp3]")
    wait_for_text(page, ".lw-told", "There is no finished take of that name any more.")


def test_what_the_model_has_not_learned_is_named(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    open_pane(page, "engine")
    page.fill("#infinite-model input", "pocket/audioldm")
    page.press("#infinite-model input", "Enter")
    page.fill("#infinite-prompt textarea", "a violin concerto in a cathedral")
    wait_for_text(page, "#infinite-outside", "does not know: violin, concerto, cathedral.")
    page.fill("#infinite-prompt textarea", "heavy rain on a tin roof")
    page.wait_for_function("() => !document.querySelector('#infinite-outside')?.innerText.trim()")
