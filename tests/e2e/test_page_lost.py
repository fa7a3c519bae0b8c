"""A page whose server was started anew under it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import wait_for_state

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_a_take_that_the_server_no_longer_knows_is_told(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.fill("#infinite-prompt textarea", "rain")
    page.click("#infinite-generate")
    wait_for_state(page, "playing")
    tone_site._shared.views._views.clear()  # as those of another process are
    page.wait_for_selector("#infinite-status [role=status]:has-text('started anew')")
    wait_for_state(page, "stopped")
