"""A take that plays for long in a real browser: memory stays flat on both sides, the file is whole.

Run with `-s`: it reports memory and underruns, which depend on the machine and so are not asserted.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf
from conftest import free_port, player_state, served, wait_for_position

from studio.core.memory import process_memory_mb
from studio.core.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.soak, pytest.mark.browser, pytest.mark.timeout(0)]

SETTLED_S = 120.0  # allocator and caches have found their size by then
SLOPE_LIMIT_MB = 1.0  # a minute
HEAP_MB = "performance.memory.usedJSHeapSize / 1048576"


def slope_mb_per_min(rows: np.ndarray, column: int) -> float:
    late = rows[rows[:, 0] >= SETTLED_S]
    return float(60 * np.polyfit(late[:, 0], late[:, column], 1)[0])


@pytest.mark.parametrize("minutes", [10, 120])
def test_memory_stays_flat_while_it_plays(tmp_path: Path, browser: Browser, minutes: int) -> None:
    with served(Settings(outputs=tmp_path, port=free_port(), open_browser=False)) as site:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(60_000)
        page.goto(site.url)
        page.wait_for_selector("#infinite-player[data-state]")
        page.click("#infinite-generate")
        wait_for_position(page, 5, timeout_s=240)
        began, rows = time.monotonic(), []
        while time.monotonic() - began < 60 * minutes:
            time.sleep(10)
            row = (time.monotonic() - began, process_memory_mb(), page.evaluate(HEAP_MB))
            rows.append((*row, player_state(page)["position_s"]))
        underruns = player_state(page)["underruns"]
        page.click("#infinite-stop")
        page.wait_for_selector('#infinite-player[data-state="stopped"]')
        (job,) = site.studio.jobs()
        for _ in site.studio.events(job.id):
            pass
        assert job.outcome.path is not None
    table = np.array(rows)
    server, heap = slope_mb_per_min(table, 1), slope_mb_per_min(table, 2)
    print(
        f"\n{minutes} min: server {table[0, 1]:.0f} → {table[-1, 1]:.0f} MB ({server:+.2f} a minute), "
        f"page {table[0, 2]:.0f} → {table[-1, 2]:.0f} MB ({heap:+.2f}), {underruns} underruns, "
        f"{table[-1, 3]:.0f} s heard"
    )
    assert server < SLOPE_LIMIT_MB
    assert heap < SLOPE_LIMIT_MB
    assert sf.info(job.outcome.path).duration >= table[-1, 3]
