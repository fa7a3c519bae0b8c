"""The list of takes that are being made, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from studio.core.request import parse_request

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_any_take_is_seen_and_stopped_from_any_page(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    assert not page.is_visible(".lw-making")
    request = {"prompt": "a far storm", "duration_s": None, "model": {"id": "tone"}}
    job = tone_site.studio.submit(parse_request(**request))
    waiting = tone_site.studio.submit(parse_request(**{**request, "prompt": "<b>sea</b>", "duration_s": 5.0}))
    page.wait_for_selector(".lw-making:not([hidden])")
    page.wait_for_selector("text=2 takes being made")  # it may have looked between the two
    page.click(".lw-making summary")
    page.wait_for_selector("text=a far storm")
    assert "Infinite: <b>sea</b>, waiting" in page.inner_text(".lw-making ul"), "text, and no markup"
    page.click(".lw-making li:nth-child(2) button")
    page.wait_for_function("document.querySelectorAll('.lw-making li').length === 1")
    assert waiting.status == "stopped"
    page.click(".lw-making li button")
    page.wait_for_selector(".lw-making[hidden]", state="attached")
    list(tone_site.studio.events(job.id))
    assert job.cancel.reason == "Stopped from the list of takes."
