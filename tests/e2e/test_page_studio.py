"""An afternoon at the page: presets, a lane changed while it plays, export, the library."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf
from conftest import (
    open_export,
    open_pane,
    open_section,
    open_tab,
    player_state,
    set_length,
    wait_for_position,
    wait_for_state,
)
from playwright.sync_api import expect

from studio.backends.systems.tone import ToneBackend, tone
from studio.core.events import AudioChunk
from studio.core.preset import load_preset
from studio.core.request import parse_request
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import SavePoint
from studio.pipeline.renderer import Renderer
from studio.service.takes.writer import TakeWriter

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

RATE = 16000
DESK: dict[str, Any] = {}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "dark",
}
NEW_IDS = ("negative-prompt", "preset", "lane", "attention", "guidance", "steer")


def wait_for_text(page: Page, selector: str, word: str) -> None:
    page.wait_for_function(
        "([selector, word]) => document.querySelector(selector)?.innerText.includes(word)",
        arg=[selector, word],
    )


def wait_for_value(page: Page, selector: str, value: str) -> None:
    page.wait_for_function(
        "([selector, value]) => document.querySelector(selector).value === value", arg=[selector, value]
    )


def test_a_preset_fills_the_form_and_its_lane_changes_while_it_plays(
    tone_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(tone_site.url)
    open_section(page, "infinite-lane-part")
    page.click("#infinite-preset input")
    page.get_by_role("option", name="A storm passes").click()
    wait_for_value(page, "#infinite-prompt textarea", "light rain")
    assert "1:00 | heavy rain with distant thunder" in page.input_value("#infinite-lane textarea")
    assert not page.is_checked("#infinite-endless input")
    assert [name for name in NEW_IDS if page.locator(f"#infinite-{name}").count() != 1] == []
    assert not page.is_visible("#infinite-steer"), "there is nothing to change yet"
    page.click("#infinite-generate")
    wait_for_state(page, "playing")
    page.fill("#infinite-lane textarea", "nonsense")
    page.click("#infinite-steer")
    wait_for_text(page, "#infinite-steered", "Line 1")
    page.fill("#infinite-prompt textarea", "wind")
    page.fill("#infinite-lane textarea", "2:50 | sea")
    page.click("#infinite-steer")
    wait_for_text(page, "#infinite-steered", "Taken up")
    job = tone_site.studio.jobs()[-1]
    wait_for_position(page, player_state(page)["position_s"] + 2)
    page.click("#infinite-stop")
    wait_for_text(page, "#infinite-status", "saved as")
    assert [point.prompt for point in job.control.points][-2:] == ["wind", "sea"]
    assert load_preset(job.outcome.path.with_suffix(".json")).request().lane == job.control.points
    page.click("#infinite-seed-reuse")
    wait_for_value(page, "#infinite-seed input", str(job.request.seed))
    page.click("#infinite-seed-dice")
    wait_for_value(page, "#infinite-seed input", "")


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_a_span_is_exported_in_every_format(
    tone_site: Any, visit: Callable[..., Page], tmp_path: Path, screen: dict[str, Any]
) -> None:
    page = visit(tone_site.url, **screen)
    set_length(page, 4)
    page.click("#infinite-generate")
    wait_for_state(page, "ended")
    open_export(page)
    page.fill(".lw-export [name=start]", "9:00")
    assert page.locator(".lw-export a[href]").count() == 0, "no link to a span outside the take"
    page.fill(".lw-export [name=start]", "0:01")
    page.fill(".lw-export [name=end]", "3.5")
    page.select_option(".lw-export [name=lufs]", "-23")
    page.select_option(".lw-export [name=quality]", "48 24")
    expect(page.locator(".lw-export a[href*='lufs=-23'][href*='rate=48']")).to_have_count(5)
    for link in page.locator(".lw-export a[href]").all():
        with page.expect_download() as download:
            link.click()
        target = tmp_path / download.value.suggested_filename
        download.value.save_as(target)
        depth = "_24bit" if target.suffix in (".wav", ".flac") else ""
        assert f"__1-3.5s__48kHz{depth}__-23.0LUFS" in target.name
        about = sf.info(target)
        assert about.samplerate == 48000
        assert (about.subtype == "PCM_24") == bool(depth)
        assert about.duration == pytest.approx(2.5, abs=0.1)
    assert {path.suffix for path in tmp_path.iterdir()} == {".wav", ".flac", ".mp3", ".ogg", ".opus"}
    page.fill(".lw-export [name=name]", "{mood}")
    page.click(".lw-export a[data-format=wav]")
    expect(page.locator(".lw-export label:has([name=name]) .lw-wrong")).to_contain_text(
        "No name has a field {mood}"
    )
    page.fill(".lw-export [name=name]", "{category}_{span}")
    with page.expect_download() as download:
        page.click(".lw-export a[data-format=wav]")
    assert download.value.suggested_filename == "weather_1-3.5s.wav"
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "nothing scrolls sideways"


def test_a_page_loaded_again_finds_its_take_running(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.click("#infinite-generate")
    wait_for_position(page, 2)
    job = tone_site.studio.jobs()[-1]
    page.reload()
    page.wait_for_selector("#infinite-player[data-state=paused], #infinite-player[data-state=playing]")
    assert job.status == "running"
    if player_state(page)["state"] == "paused":
        page.click("#transport-play")  # a browser plays nothing before one has touched the page
    wait_for_position(page, 5)
    page.click("#infinite-stop")
    wait_for_text(page, "#infinite-status", "saved as")
    samples, _ = sf.read(job.outcome.path, dtype="float32")
    np.testing.assert_allclose(samples, tone(0, len(samples), RATE), atol=2 / 32768)


def test_a_take_is_found_named_and_opened_again(tone_site: Any, visit: Callable[..., Page]) -> None:
    wanted = parse_request(prompt="<b>gulls</b> at noon", seed=77, duration_s=1.5, model={"id": "tone"})
    studio = tone_site.studio
    list(studio.events(studio.submit(wanted).id))
    page = visit(tone_site.url)
    open_tab(page, "Library")
    page.fill("#library-search textarea, #library-search input", "gulls noon")
    page.wait_for_function("document.querySelectorAll('.lw-take').length === 1")
    assert "<b>gulls</b>" in page.inner_text(".lw-take")
    page.click(".lw-take")
    page.wait_for_selector("#library-detail .lw-detail")
    page.click("#library-favour")
    wait_for_text(page, "#library-list", "★")
    page.fill("#library-name textarea, #library-name input", "Harbour")
    page.click("#library-rename")
    wait_for_text(page, "#library-list", "Harbour")
    page.click("#library-open")
    wait_for_value(page, "#infinite-prompt textarea", "<b>gulls</b> at noon")
    assert page.input_value("#infinite-seed input") == "77"
    assert page.is_visible("#infinite-generate")
    (take,) = studio.library.takes("harbour")
    open_tab(page, "Library")
    page.set_input_files("#library-file input[type=file]", take.path)
    wait_for_value(page, "#infinite-duration input", "1.5")
    page.wait_for_selector("#infinite-generate")  # the answer turns to that tab, after it filled the fields
    open_tab(page, "Library")
    page.click("#library-delete")
    wait_for_text(page, "#library-said", "trash")
    assert not list(studio.library.takes("harbour"))


def test_an_interrupted_take_goes_on_from_the_library(tone_site: Any, visit: Callable[..., Page]) -> None:
    wanted = parse_request(prompt="cut short", seed=5, duration_s=8.0, model={"id": "tone"})
    take = TakeWriter.begin(wanted, RATE, tone_site.settings.outputs)
    for event in Renderer()(wanted, ToneBackend(), CancelToken()):
        if isinstance(event, AudioChunk):
            take.write(event.samples)
        elif isinstance(event, SavePoint) and event.samples > 2 * RATE:
            take.save(event.checkpoint)
            break
    take._wav.close()  # as a kill does
    page = visit(tone_site.url)
    open_tab(page, "Library")
    page.fill("#library-search textarea, #library-search input", "cut short")
    wait_for_text(page, "#library-list", "interrupted")
    page.click(".lw-take")
    page.click("#library-resume:not([disabled])")
    wait_for_state(page, "ended")
    wait_for_text(page, "#infinite-status", "Finished: 0:08")
    assert page.inner_text("#infinite-player .lw-made") == "0:08 of 0:08 made"
    (whole,) = tone_site.studio.library.takes("cut short")
    samples, _ = sf.read(whole.path, dtype="float32")
    np.testing.assert_allclose(samples, tone(0, 8 * RATE, RATE), atol=2 / 32768)


def test_a_recording_is_extended_and_the_take_again(
    tone_site: Any, visit: Callable[..., Page], tmp_path: Path
) -> None:
    sf.write(tmp_path / "my field.wav", tone(0, 6 * 44100, 44100), 44100)
    page = visit(tone_site.url)
    page.fill("#infinite-prompt textarea", "extended")
    open_section(page, "infinite-continue-part")
    wait_for_text(page, "#infinite-continue-from-said", "CAF")
    page.set_input_files("#infinite-continue-from input[type=file]", tmp_path / "my field.wav")
    wait_for_text(page, "#infinite-continue-from", "my field")
    wait_for_text(page, "#infinite-continue-from-said", "6.0 s of sound.")
    set_length(page, 8)
    page.click("#infinite-generate")
    wait_for_state(page, "ended")
    wait_for_text(page, "#infinite-status", "Finished: 0:08")
    (take,) = tone_site.studio.library.takes("extended")
    assert take.about.source is not None
    assert take.about.source.file == "my field.wav"
    samples, _ = sf.read(take.path, dtype="float32")
    assert len(samples) == 8 * RATE
    open_tab(page, "Library")
    page.fill("#library-search textarea, #library-search input", "extended")
    page.wait_for_function("document.querySelectorAll('.lw-take').length === 1")
    page.click(".lw-take")
    wait_for_text(page, "#library-detail", "my field.wav")
    page.click("#library-extend")
    wait_for_text(page, "#infinite-continue-from", "extended")
    page.click("#infinite-generate")
    wait_for_position(page, 2.0)
    page.click("#infinite-stop")
    wait_for_state(page, "stopped")
    wait_for_text(page, "#infinite-status", "saved as")
    assert {take.about.duration_s > 8 for take in tone_site.studio.library.takes("extended")} == {True, False}


def test_what_is_noticed_in_a_recording_is_said_under_it(
    tone_site: Any, visit: Callable[..., Page], tmp_path: Path
) -> None:
    left = tone(0, 3 * RATE, RATE)
    sf.write(tmp_path / "opposed.caf", np.stack([left, -left], axis=1), RATE, subtype="FLOAT")
    (tmp_path / "notes.txt").write_text("no sound")
    page = visit(tone_site.url)
    open_section(page, "infinite-continue-part")
    page.set_input_files("#infinite-continue-from input[type=file]", tmp_path / "opposed.caf")
    wait_for_text(page, "#infinite-continue-from-said", "3.0 s of sound. Its two channels cancel each other")
    page.click(
        "#infinite-continue-from [aria-label='Remove this file'], #infinite-continue-from [aria-label=Clear]"
    )
    wait_for_text(page, "#infinite-continue-from-said", "WAV, FLAC")
    page.set_input_files("#infinite-continue-from input[type=file]", tmp_path / "notes.txt")
    wait_for_text(page, "#infinite-continue-from-said", "notes.txt is no sound file")


@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
def test_ways_are_compared_under_each_other(
    tone_site: Any, visit: Callable[..., Page], device: dict[str, Any]
) -> None:
    page = visit(tone_site.url, **device)
    page.fill("#infinite-prompt textarea", "compared")
    wait_for_text(page, "#infinite-status", "Ready")
    open_pane(page, "inside")
    open_section(page, "infinite-compare")
    page.fill("#infinite-compare-seconds input", "6")
    page.press("#infinite-compare-seconds input", "Tab")
    assert page.input_value("#infinite-compare-seconds input") == "6"
    page.click("#infinite-compare-start")
    wait_for_text(page, "#infinite-compared", "All 5 made")
    assert page.locator(".lw-compared").count() == 5
    for source in page.eval_on_selector_all(".lw-compared audio", "all => all.map((audio) => audio.src)"):
        assert sf.info(io.BytesIO(page.request.get(source).body())).duration == 6
    picture, mark = page.locator(".lw-strip").last.bounding_box(), page.locator(".lw-strip i").bounding_box()
    assert picture is not None
    assert mark is not None
    assert abs((mark["x"] - picture["x"]) / picture["width"] - 5.12 / 6) < 0.01
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_take_fades_out_and_a_new_one_begins(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.fill("#infinite-prompt textarea", "volcano")
    wait_for_text(page, "#infinite-status", "Ready")
    page.click("#infinite-generate")
    wait_for_position(page, 0.5)
    first = page.evaluate("window.longwave.infinite.seed")
    for _ in range(2):
        page.click("#infinite-again")
        page.wait_for_function("(old) => window.longwave.infinite.seed !== old", arg=first)
        first = page.evaluate("window.longwave.infinite.seed")
        wait_for_position(page, 0.5)
    assert not page.is_visible("#infinite-generate"), "it would start a take behind the one that plays"
    page.click("#infinite-finish")
    wait_for_state(page, "ended")
    wait_for_text(page, "#infinite-status", "Finished")
    statuses = sorted(take.status for take in tone_site.studio.library.takes("volcano"))
    assert statuses == ["finished", "stopped", "stopped"]
