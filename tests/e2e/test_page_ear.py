"""Two takes compared by ear, and how wide a take is heard, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf
from conftest import open_export, recording, wait_for_position, wait_for_state
from scipy.stats import binom

from studio.dsp.loudness import LoudnessMeter

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

RATE, SECONDS = 16000, 6
HERTZ = {"loud": (440.0, 0.5), "soft": (1500.0, 0.05)}
DRAWS = """() => {
  window.draws = [];
  crypto.getRandomValues = (bytes) => {
    bytes[0] = window.draws.length ? window.draws.shift() : 0;
    return bytes;
  };
}"""
CHANCES = """async (asked) => {
  const { chanceOf, chanceWords } = await import('./page/chance.js');
  return asked.map(([right, of]) => [chanceOf(right, of), chanceWords(right, of)]);
}"""
ASKED = [(right, of) for of in (1, 5, 12, 40) for right in range(of + 1)]
WORDS = {
    (9, 12): "9 of 12 right: chance alone does as well in 7 of 100.",
    (0, 1): "0 of 1 right: chance alone does as well in 100 of 100.",
    (12, 12): "12 of 12 right: chance alone does as well in 2 of 10,000.",
    (11, 12): "11 of 12 right: chance alone does as well in 3 of 1,000.",
    (40, 40): "40 of 40 right: chance alone does as well in less than 1 of 10,000.",
}


def write(folder: Path, name: str) -> Path:
    hertz, level = HERTZ[name]
    at = np.arange(SECONDS * RATE) / RATE
    path = folder / f"{name}.flac"
    sf.write(path, level * np.sin(2 * np.pi * hertz * at), RATE)
    return path


def lufs(path: Path) -> float:
    meter = LoudnessMeter(RATE, 1)
    meter.push(sf.read(path, always_2d=True)[0])
    return meter.integrated()


def put_into_strip(page: Page, site: Any, paths: list[Path]) -> None:
    takes = [
        {"token": site._shared.offers.offer(path), "file": path.name, "lengthS": SECONDS} for path in paths
    ]
    page.evaluate(
        "(takes) => Promise.all(takes.map((take) => window.longwave.infinite.strip.add(take)))", takes
    )


def heard_hertz(sound: np.ndarray, rate: int) -> list[int]:
    """The tones one after the other, in pieces of a tenth of a second."""
    size = rate // 10
    spectra = np.abs(np.fft.rfft(sound[: len(sound) // size * size].reshape(-1, size) * np.hanning(size)))
    tones = [10 * int(peak) for peak in spectra.argmax(axis=1)]
    return [tone for tone, before in zip(tones, [0, *tones], strict=False) if tone != before]


def test_two_takes_are_told_apart_by_ear(tone_site: Any, visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit(tone_site.url)
    paths = [write(tmp_path, name) for name in HERTZ]
    put_into_strip(page, tone_site, [*paths, paths[0]])
    for chance, (right, of) in zip(page.evaluate(CHANCES, ASKED), ASKED, strict=True):
        assert chance[0] == pytest.approx(binom.sf(right - 1, of, 0.5), rel=1e-9)
        assert chance[1] == WORDS.get((right, of), chance[1])

    page.evaluate(DRAWS)
    shapes = []
    for drawn in (0, 1):  # nothing on the page says which it is
        page.evaluate("(drawn) => { window.draws = [drawn]; }", drawn)
        page.keyboard.press("x")
        page.wait_for_selector(".lw-ear [data-hear]:not([disabled])")
        page.wait_for_selector(".lw-ear-time:has-text('0:00 / 0:06')")
        shapes.append(page.inner_html(".lw-ear"))
        page.keyboard.press("Escape")
        page.wait_for_selector(".lw-ear", state="detached")
    assert shapes[0] == shapes[1]

    page.evaluate("() => { window.draws = [1, 0, 1]; window.recorded = []; }")
    page.click(".lw-ear-open:visible")
    page.wait_for_selector(".lw-ear [data-hear]:not([disabled])")
    factors = page.evaluate("window.longwave.byEar.player.factors")
    levels = [lufs(path) + 20 * np.log10(factor) for path, factor in zip(paths, factors, strict=True)]
    assert levels[0] == pytest.approx(levels[1], abs=0.05)
    assert max(factors) == 1, "none is made louder than it is"
    assert page.locator("[data-answer]:not([disabled])").count() == 0, "X was not heard yet"
    place = "() => window.longwave.byEar.player.position"
    for key in ("1", "2", "x", "1"):
        before = page.evaluate(place)
        page.keyboard.press(key)
        page.wait_for_function(f"(before) => ({place})() > before + 0.35", arg=before)
    sound = recording(page)
    rate = page.evaluate("window.longwave.byEar.player.buffers[0].sampleRate")
    assert heard_hertz(sound[rate // 20 :], rate)[:3] == [440, 1500, 440]
    quiet = np.abs(sound[: len(sound) // 480 * 480].reshape(-1, 480)).max(axis=1)
    assert quiet[1:-1].min() > 0.5 * np.median(quiet), "no gap between them"

    told = page.locator(".lw-ear-score")
    page.keyboard.press("ArrowRight")
    assert told.inner_text() == "Right, it was B. 1 of 1 right: chance alone does as well in 50 of 100."
    assert page.get_attribute("[data-hear='0']", "aria-pressed") == "true", "the next X is not heard at once"
    page.keyboard.press("ArrowRight")
    assert "1 of 1" in told.inner_text(), "nobody answers without hearing X"
    page.click("[data-hear='2']")
    page.click("[data-answer='1']")
    assert told.inner_text() == "No, it was A. 1 of 2 right: chance alone does as well in 75 of 100."

    page.click(".lw-ear-difference summary")
    places = page.locator(".lw-ear-difference li")
    places.first.wait_for()
    text = " ".join(places.all_inner_texts())
    assert "kHz: B is" in text
    assert "As they are, A is 18.0 LU louder." in text
    page.click(".lw-ear-check summary")
    page.wait_for_selector(".lw-ear-card >> nth=1 >> .lw-look")
    page.select_option(".lw-ear-second", "2")
    page.wait_for_function("document.querySelector('.lw-ear-score').textContent === ''")
    page.click(".lw-ear-difference summary")
    page.get_by_text("No difference to be seen.").wait_for()
    page.keyboard.press("Escape")

    put_into_strip(page, tone_site, [paths[1]] * 22)
    page.get_by_text("The strip holds 24 takes").wait_for()
    assert page.locator("#infinite-take-strip .lw-tile").count() == 24


def test_how_wide_a_take_is_heard_is_dragged_and_kept(
    tone_site: Any, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit(tone_site.url)
    page.locator("#infinite-stereo").get_by_label("Wide").check()
    page.locator("#infinite-bandwidth").get_by_label("48 kHz").check()
    page.click("#infinite-generate")
    wait_for_position(page, 0.5)
    page.click("#transport-meter")
    page.wait_for_selector("#transport-width:not([disabled])")
    page.fill("#transport-width", "0")
    page.get_by_text("At your ear alone").wait_for()
    agreed = "document.querySelector('.lw-agreement-said').textContent"
    page.wait_for_function(f"() => {agreed} === '1.0: next to the same.'")
    assert "up to 8 kHz; above, up to 24 kHz, extended" in page.inner_text(".lw-bands-said")
    page.click("#infinite-stop")
    wait_for_state(page, "stopped")
    page.wait_for_function("window.longwave.transport.current?.extendedHz?.join() === '8000,24000'")

    path = tmp_path / "apart.flac"
    at = np.arange(SECONDS * RATE) / RATE
    sf.write(path, 0.3 * np.sin(2 * np.pi * np.outer(at, [440, 1500])), RATE)
    put_into_strip(page, tone_site, [path])
    page.click("#infinite-take-strip .lw-tile >> nth=1")
    page.wait_for_function("window.longwave.transport.state === 'playing'")
    page.click("#transport-meter")
    page.get_by_text("0.0: nothing in common.").wait_for()
    assert page.input_value("#transport-width") == "100", "it is that of the other take"
    page.fill("#transport-width", "0")
    page.get_by_text("the file stays as it is").wait_for()
    page.get_by_text("1.0: next to the same.").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector("#transport-image", state="hidden")
    open_export(page)
    page.get_by_text("Keep the width 0 %").wait_for()
    with page.expect_download() as narrowed:
        page.click(".lw-formats a >> text=WAV")
    sound, _ = sf.read(narrowed.value.path())
    np.testing.assert_array_equal(sound[:, 0], sound[:, 1])
    page.uncheck(".lw-keep-width input")
    with page.expect_download() as whole:
        page.click(".lw-formats a >> text=FLAC")
    assert Path(whole.value.path()).read_bytes() == path.read_bytes()
