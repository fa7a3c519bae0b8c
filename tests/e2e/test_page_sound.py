"""What the browser renders, sample by sample: the page's own counters prove nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import player_state, recording, served, tone_settings, wait_for_position, wait_for_state

from studio.backends.catalog import create_backend
from studio.backends.systems.tone import TONE_AMPLITUDE, TONE_HZ, tone
from studio.core.events import AudioChunk, Event
from studio.core.settings import Settings
from studio.service.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

RATE = 16000
BLOCK = 400  # eleven whole periods, so that the tone alone is seen
LEVEL = 0.8  # the page's


def amplitude_and_phase(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the tone, block by block; the phase against the first block's."""
    count = len(samples) // BLOCK
    carrier = np.exp(-2j * np.pi * TONE_HZ * np.arange(count * BLOCK) / RATE)
    blocks = 2 * (samples[: count * BLOCK] * carrier).reshape(count, BLOCK).mean(axis=1)
    return np.abs(blocks), np.angle(blocks / blocks[1])


def assert_pure(samples: np.ndarray) -> None:
    """No gap, no jump (a single lost sample turns the phase by 0.17), the right level."""
    amplitude, phase = amplitude_and_phase(samples)
    inner = slice(1, -1)
    np.testing.assert_allclose(amplitude[inner], TONE_AMPLITUDE * LEVEL, rtol=0.02)
    assert np.abs(phase[inner]).max() < 0.03


def test_the_tone_is_rendered_without_a_gap(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.click("#infinite-generate")
    wait_for_position(page, 8)
    samples = recording(page)
    assert len(samples) > 7 * RATE
    assert_pure(samples)
    assert player_state(page)["underruns"] == 0


def halting_render(request: Any, backend: Any, cancel: Any, steering: Any, saved: Any) -> Iterator[Event]:
    """Two seconds of the tone, too long a pause, two more."""
    for second in range(4):
        if second == 2:
            time.sleep(5)
        yield AudioChunk(tone(second * RATE, RATE, RATE), RATE, second * RATE)


def test_an_underrun_is_counted_and_loses_nothing(tmp_path: Path, visit: Callable[..., Page]) -> None:
    def make_studio(settings: Settings) -> Studio:
        return Studio(settings, partial(create_backend, settings=settings), halting_render)

    with served(tone_settings(tmp_path), make_studio) as site:
        page = visit(site.url)
        page.click("#infinite-generate")
        wait_for_state(page, "ended")
        samples = recording(page)
        assert player_state(page) == {"state": "ended", "position_s": 4.0, "underruns": 1}
    silent = np.abs(samples) < 1e-4
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(int)))
    gaps = [(start, end) for start, end in edges.reshape(-1, 2) if end - start > 1000]
    assert len(gaps) == 1
    start, end = gaps[0]
    sounding = np.concatenate([samples[:start], samples[end:]])
    assert abs(len(sounding) - 4 * RATE) <= 3  # the tone's own zeros at the edges
    assert start == pytest.approx(2 * RATE, abs=2)
    assert_pure(samples[:start])
    assert_pure(samples[end:])


def test_pausing_holds_the_take_and_loses_nothing(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.click("#infinite-generate")
    wait_for_position(page, 1.5)
    page.keyboard.press("Space")
    wait_for_state(page, "paused")
    held = player_state(page)["position_s"]
    time.sleep(1.5)
    assert player_state(page)["position_s"] == pytest.approx(held, abs=0.3)
    page.keyboard.press("Space")
    wait_for_position(page, held + 2)
    assert_pure(recording(page))
