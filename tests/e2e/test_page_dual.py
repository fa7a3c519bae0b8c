"""The Dual tab in a real browser, with tiny networks and a drafter that needs no audiocraft."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf
from conftest import close_settings, free_port, open_pane, open_section, open_tab, served
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import expect

from studio.backends.systems import dcldm
from studio.core.preset import load_preset
from studio.core.settings import Settings
from studio.pipeline.drafts import AcousticModelPool, Drafts
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from tests.backends.conftest import make_dcldm, make_tango, wake
from tests.pipeline.drafting_fakes import FakeDrafter

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
DESK = {"viewport": {"width": 1280, "height": 720}}
SHOWN = (
    "selector => { const part = document.querySelector(selector); return part && !part.hidden && part.src; }"
)


@pytest.fixture(scope="module")
def dual_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place, drafter = tmp_path_factory.mktemp("dual"), FakeDrafter()
    folder = wake(make_dcldm(make_tango(place / "tango"), place / "dual"))

    def make(settings: Settings) -> Studio:
        drafts = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), settings.outputs)
        load = lambda choice: dcldm.load(folder, "cpu", "float32", model_id=choice.id)  # noqa: E731
        return Studio(settings, load, Renderer(drafts, estimates=True), drafts=drafts)

    settings = Settings(outputs=place / "outputs", port=free_port(), open_browser=False, device="cpu")
    with served(settings, make) as page:
        yield page


def wait_for_status(page: Page, words: str) -> None:
    page.wait_for_function(
        "words => document.querySelector('#dual-status').innerText.includes(words)",
        arg=words,
        timeout=120_000,
    )


def number(page: Page, name: str, value: str) -> None:
    page.fill(f"#dual-{name} :is(input[type=number], textarea, input[type=text])", value)


def set_steps(page: Page, steps: int) -> None:
    open_pane(page, "engine", "dual")
    page.fill("#dual-steps input", f"{steps}")
    close_settings(page, "dual")


@pytest.mark.parametrize("screen", [DESK, PHONE])
def test_a_draft_is_shown_then_refined(
    dual_site: Any, visit: Callable[..., Page], screen: dict[str, Any]
) -> None:
    page = visit(dual_site.url, **screen)
    open_tab(page, "Dual")
    page.fill("#dual-prompt textarea", "rain")
    open_pane(page, "sound", "dual")
    number(page, "duration", "5")
    set_steps(page, 6)
    page.click("#dual-generate")
    wait_for_status(page, "Finished: 0:05")
    for part in ("audio", ".lw-draft-picture", ".lw-draft-tokens"):
        page.wait_for_function(SHOWN, arg=f"#dual-draft-player {part}")
    length = page.evaluate(
        "() => new Promise(done => { const a = document.querySelector('#dual-draft-player audio');"
        " a.readyState ? done(a.duration) : a.onloadedmetadata = () => done(a.duration); })"
    )
    assert length == pytest.approx(5.0, abs=0.05)
    width = page.evaluate("document.querySelector('.lw-draft-picture').getBoundingClientRect().width")
    canvas = page.evaluate("document.querySelector('#dual-spectrogram canvas').getBoundingClientRect().width")
    assert width == pytest.approx(canvas, abs=3), "both spectrograms are of one width"
    job = dual_site.studio.jobs()[-1]
    request = load_preset(Path(job.outcome.path).with_suffix(".json")).request()
    assert (request.mode, request.draft.kind, request.duration_s) == ("dual", "audiogen", 5.0)
    page.wait_for_selector("#dual-download:not([disabled])")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    open_pane(page, "inside", "dual")
    open_section(page, "dual-attention")
    page.click("#dual-attention-look")
    page.wait_for_selector("#dual-attention-map .js-plotly-plot", timeout=60_000)


def test_the_pad_sets_both_scales_and_they_set_it(dual_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(dual_site.url)
    open_tab(page, "Dual")
    page.wait_for_selector("#dual-pad .lw-pad[tabindex]")  # somebody listens
    page.locator("#dual-pad .lw-pad").evaluate("pad => pad.scrollIntoView({ block: 'center' })")
    box = page.locator("#dual-pad .lw-pad").bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 0.75 * box["height"])
    page.wait_for_function("document.querySelector('#dual-text-scale input[type=number]').value == 8")
    acoustic = page.locator("#dual-acoustic-scale input[type=number]").input_value()
    assert float(acoustic) == pytest.approx(2.5, abs=0.15)
    number(page, "text-scale", "1")
    page.keyboard.press("Tab")
    page.wait_for_function("document.querySelector('#dual-pad i').style.left == '10%'")


def test_a_draft_is_playable_while_it_is_refined_and_re_rolled_apart(
    dual_site: Any, visit: Callable[..., Page]
) -> None:
    page = visit(dual_site.url)
    open_tab(page, "Dual")
    page.fill("#dual-prompt textarea", "rain")
    number(page, "seed", "5")
    set_steps(page, 500)
    open_section(page, "dual-draft-settings")
    page.click("#dual-draft-reroll")
    page.wait_for_function("document.querySelector('#dual-draft-seed input').value >= 0")
    rolled = int(page.locator("#dual-draft-seed input").input_value())
    page.click("#dual-generate")
    page.wait_for_function(SHOWN, arg="#dual-draft-player audio", timeout=60_000)
    job = dual_site.studio.jobs()[-1]
    assert job.outcome is None, "the take is still being made"
    page.click("#dual-stop")
    wait_for_status(page, "Stopped")
    assert (job.request.seed, job.request.draft.seed) == (5, rolled)


def test_own_audio_takes_audiogens_place(dual_site: Any, visit: Callable[..., Page], tmp_path: Path) -> None:
    sf.write(tmp_path / "mine.wav", 0.3 * np.sin(np.arange(48000) / 9), 16000)
    page = visit(dual_site.url)
    open_tab(page, "Dual")
    number(page, "duration", "3")
    set_steps(page, 4)
    open_pane(page, "sound", "dual")
    page.click("text=My own audio")
    page.click("#dual-generate")
    wait_for_status(page, "Choose your own audio")
    page.set_input_files("#dual-draft-file input[type=file]", tmp_path / "mine.wav")
    page.wait_for_selector("#dual-draft-file >> text=mine.wav")
    page.wait_for_selector("#dual-generate:not([disabled])")
    page.click("#dual-generate")
    wait_for_status(page, "Finished: 0:03")
    assert dual_site.studio.jobs()[-1].request.draft.file == "mine.wav"


def test_a_grid_of_scales(dual_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(dual_site.url)
    open_tab(page, "Dual")
    number(page, "duration", "2.5")
    set_steps(page, 2)
    open_pane(page, "inside", "dual")
    open_section(page, "dual-compare")
    page.fill("#dual-grid-text input, #dual-grid-text textarea", "1 4")
    page.fill("#dual-grid-acoustic input, #dual-grid-acoustic textarea", "0 4")
    page.click("#dual-compare-start")
    page.wait_for_function(
        "document.querySelector('#dual-compared').innerText.includes('All 4 made')", timeout=120_000
    )
    expect(page.locator("#dual-compare-rows .lw-grid > figure audio")).to_have_count(4)
    tops = page.locator(".lw-grid > figure").evaluate_all(
        "all => all.map((a) => a.getBoundingClientRect().top)"
    )
    assert tops[0] == tops[1] < tops[2] == tops[3], "a line for each text scale"
    assert len(dual_site.studio.jobs()[-1].outcomes) == 4, "in one job"


def test_a_sweep_over_w_is_plotted(dual_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(dual_site.url)
    open_tab(page, "Dual")
    number(page, "duration", "2.5")
    set_steps(page, 2)
    open_pane(page, "inside", "dual")
    open_section(page, "dual-sweep")
    page.fill("#dual-sweep-scales input, #dual-sweep-scales textarea", "1 4")
    page.click("#dual-sweep-compare-start")
    page.wait_for_selector("#dual-sweep-plot .js-plotly-plot", timeout=120_000)
    expect(page.locator("#dual-sweep-compare-rows audio")).to_have_count(2)
    paths = [outcome.path for outcome in dual_site.studio.jobs()[-1].outcomes]
    assert [load_preset(path.with_suffix(".json")).request().guidance_scale for path in paths] == [1, 4]


def test_the_api_renders_a_dual_clip(dual_site: Any, tmp_path: Path) -> None:
    client = Client(dual_site.url, verbose=False, download_files=str(tmp_path))
    file, figures = client.predict(
        "rain", "", 2.5, 7, "", 3.0, 1.0, 0.5, 4, temperature=0.7, top_k=20, api_name="/dual"
    )
    assert sf.info(file).frames == 40_000
    assert figures["seed"] == "7"
    request = dual_site.studio.jobs()[-1].request
    assert (request.guidance_scale, request.acoustic_scale, request.draft.strength) == (3.0, 1.0, 0.5)
    assert (request.draft.temperature, request.draft.top_k) == (0.7, 20)
    sf.write(tmp_path / "mine.wav", 0.3 * np.sin(np.arange(48000) / 9), 16000)
    own = handle_file(tmp_path / "mine.wav")
    client.predict("rain", "", 2.5, 8, "", -1, -1, -1, 2, "", -1, "", own, api_name="/dual")
    assert dual_site.studio.jobs()[-1].request.draft.kind == "recorded"
    client.predict("", "", 2.5, -1, "", -1, -1, -1, 2, "", 9, "dual-loose-drums", api_name="/dual")
    request = dual_site.studio.jobs()[-1].request
    assert (request.prompt, request.draft.temperature, request.draft.seed) == ("slow lo-fi drums", 1.2, 9)
    with pytest.raises(AppError, match=r"Follow the text"):
        client.predict("rain", "", 2.5, 7, "", 1e6, api_name="/dual")
    with pytest.raises(AppError, match="is for infinite takes"):
        client.predict("rain", "", 2.5, 7, "", -1, -1, -1, 2, "", -1, "night-train", api_name="/dual")
