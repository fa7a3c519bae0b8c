"""Layers in a browser: takes laid in by pressing and dragging, balanced, heard, mixed, opened again."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf
from axe import Inspection
from conftest import open_tab, recording, served, tone_settings

from studio.backends.systems.tone import ToneBackend
from studio.core.request import parse_request
from studio.core.scene import parse_scene
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SCENE = "() => import(new URL('page/layers.js', document.baseURI)).then(({ layers }) => layers.scene)"
# The page's own graph over the samples that it is given, played into memory; both channels, as base64.
OFFLINE = """async () => {
  const { Bus } = await import(new URL('page/layer_graph.js', document.baseURI));
  const { ask } = await import(new URL('page/layer_player.js', document.baseURI));
  const { layers } = await import(new URL('page/layers.js', document.baseURI));
  const { scene } = layers;
  const { rate, frames, layers: laid } = await (await ask('layers/plan', scene)).json();
  const context = new OfflineAudioContext(2, frames, rate);
  const bus = new Bus(context, context.destination, laid.map(({ channels }) => channels));
  bus.set(scene.layers, true);
  for (let first = 0; first < frames; first += 5000) {
    const count = Math.min(5000, frames - first);
    const answer = await ask(`layers/sound?from=${first}&count=${count}`, scene);
    bus.play(new Float32Array(await answer.arrayBuffer()), count, rate, first / rate);
  }
  const made = await context.startRendering();
  const sound = new Blob([made.getChannelData(0), made.getChannelData(1)]);
  const url = await new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(sound);
  });
  return url.slice(url.indexOf(',') + 1);
}"""


@pytest.fixture(scope="module")
def desk_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with served(
        tone_settings(tmp_path_factory.mktemp("outputs")),
        lambda settings: Studio(settings, lambda choice: ToneBackend(), Renderer()),
    ) as page:
        for prompt, length, more in (
            ("rain", 2.5, {"bandwidth": "48k"}),
            ("waves", 4.0, {"stereo": "wide"}),
            ("a bell", 1.5, {}),
        ):
            request = parse_request(
                prompt=prompt, duration_s=length, seed=3, model={"id": "tone", "device": "cpu"}, **more
            )
            job = page.studio.submit(request)
            for _ in page.studio.events(job.id):
                pass
        yield page


def heard(page: Page) -> np.ndarray:
    """What the page's graph makes of the scene, float32 [n, 2]."""
    return np.frombuffer(base64.b64decode(page.evaluate(OFFLINE)), np.float32).reshape(2, -1).T


def mixed(site: Any, page: Page) -> np.ndarray:
    """What the service makes of the same scene."""
    with site.studio.mixes.open(parse_scene(page.evaluate(SCENE))) as mix:
        return np.concatenate(list(mix.blocks()))


def slide(page: Page, row: int, field: str, value: float) -> None:
    slider = f".lw-layer:nth-child({row}) [data-number={field}]"
    page.eval_on_selector(slider, "(one, value) => { one.value = value; }", value)
    page.dispatch_event(slider, "input")


def lay_in(page: Page) -> None:
    """Two takes by the Library's button, the third by dragging its card onto the tab."""
    open_tab(page, "Library")
    for prompt in ("rain", "waves"):
        page.click(f".lw-take-name:has-text('{prompt}')")
        page.wait_for_selector(f".lw-detail-name:has-text('{prompt}')")
        page.click(".lw-detail [data-lay=take]")
        page.wait_for_selector(f".lw-detail .lw-told:has-text('“{prompt}” is layer')")
    page.drag_and_drop(".lw-take:has-text('a bell') img", "#layers-tab-button")
    page.get_by_role("tab", name="Layers", exact=True).click()
    page.wait_for_selector(".lw-layer:nth-child(3) .lw-layer-bar:visible")
    assert page.locator(".lw-layer-name").all_inner_texts() == ["rain", "waves", "a bell"]


def balance(page: Page) -> None:
    slide(page, 1, "gain_db", -6)
    slide(page, 1, "pan", -0.5)
    slide(page, 2, "pan", 0.4)
    page.click(".lw-layer:nth-child(3) [data-switch=loop]")
    page.click(".lw-layer:nth-child(3) summary")
    for field, value in (("offset_s", "0.8"), ("fade_in_s", "0.3"), ("crossfade_s", "0.2")):
        page.fill(f".lw-layer:nth-child(3) [data-time={field}]", value)
        page.keyboard.press("Tab")


def test_takes_are_laid_in_balanced_heard_mixed_and_opened_again(
    desk_site: Any, visit: Callable[..., Page], axe: str, tmp_path: Path
) -> None:
    page = visit(desk_site.url, reduced_motion="reduce", color_scheme="light")
    inspection = Inspection(page, axe)
    lay_in(page)
    balance(page)
    page.focus(".lw-layer:nth-child(1) .lw-layer-bar")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"async () => (await ({SCENE})()).layers[0].offset_s === 0.1")
    page.wait_for_selector(".lw-layer:nth-child(1) [aria-valuetext='after 0.1 s']")
    inspection.look("three layers")

    made = mixed(desk_site, page)
    assert made.shape == (4 * 48000, 2), "as long as the longest that ends, at the highest rate"
    np.testing.assert_allclose(heard(page), made, atol=1e-6)
    page.click(".lw-layer:nth-child(2) [data-switch=mute]")
    quieter = mixed(desk_site, page)
    assert np.abs(quieter - made).max() > 0.01
    np.testing.assert_allclose(heard(page), quieter, atol=1e-6)
    page.click(".lw-layer:nth-child(2) [data-switch=mute]")

    page.evaluate("() => { window.recorded = []; }")  # what was played into memory was recorded too
    page.click(".lw-desk-play")
    page.wait_for_selector("#transport[data-state=playing]")
    page.wait_for_selector("#transport[data-state=ended]")
    sound = recording(page)
    assert len(sound) / 48000 == pytest.approx(4.0, abs=0.3)
    assert float(np.std(sound)) > 0.01
    assert page.inner_text("#transport .lw-title") == "Scene"

    page.fill(".lw-desk-name input", "Rainy bell")
    page.keyboard.press("Tab")
    page.select_option(".lw-mix [name=format]", ".wav")
    page.select_option(".lw-mix [name=quality]", "48 32")
    page.select_option(".lw-mix [name=ceiling_dbtp]", "")
    page.check(".lw-mix [name=stems]")
    page.click(".lw-mix [type=submit]")
    open_tab(page, "Library")
    page.wait_for_selector(".lw-transport-said:has-text('The mix “Rainy bell” is in the Library.')")
    page.wait_for_selector(".lw-take:has-text('Rainy bell')")
    page.get_by_role("tab", name="Layers", exact=True).click()
    page.wait_for_selector(".lw-mix-zip:visible")
    inspection.look("a mix that is made")
    page.reload()
    page.wait_for_selector("#infinite-player[data-state]")
    page.get_by_role("tab", name="Layers", exact=True).click()
    page.wait_for_selector(".lw-layer:nth-child(3) .lw-layer-bar:visible")
    assert page.input_value(".lw-desk-name input") == "Rainy bell"
    stems = fetched(page, ".lw-mix-zip", tmp_path / "stems.zip")
    file, rate = sf.read(BytesIO(fetched(page, ".lw-mix-file", tmp_path / "mix.wav")), dtype="float32")
    assert rate == 48000
    np.testing.assert_array_equal(file, made, "in floats, without a limiter, it is what is heard")
    with zipfile.ZipFile(BytesIO(stems)) as archive:
        sounds = [name for name in archive.namelist() if name.endswith(".wav")]
        parts = [sf.read(BytesIO(archive.read(name)), dtype="float32")[0] for name in sorted(sounds)]
        saved = json.loads(archive.read("scene.json"))
    assert sorted(sounds) == ["1_rain.wav", "2_waves.wav", "3_a_bell.wav"]
    np.testing.assert_array_equal(parts[0] + parts[1] + parts[2], made)

    page.click(".lw-desk-new")
    page.wait_for_selector(".lw-desk-none:visible")
    (tmp_path / "scene.json").write_text(json.dumps(saved))
    page.set_input_files(".lw-desk-open input", tmp_path / "scene.json")
    page.wait_for_selector(".lw-desk-said:has-text('“Rainy bell” is open')")
    page.click(".lw-desk-new")
    open_tab(page, "Library")
    page.click(".lw-take-name:has-text('Rainy bell')")
    page.click(".lw-detail [data-lay=scene]")
    page.wait_for_selector(".lw-detail .lw-told:has-text('“Rainy bell” is open')")
    assert len(page.evaluate(SCENE)["layers"]) == 3
    assert inspection.found == [], "\n".join(inspection.found)


def fetched(page: Page, selector: str, path: Path) -> bytes:
    with page.expect_download() as got:
        page.click(selector)
    got.value.save_as(path)
    return path.read_bytes()


def test_on_a_phone_what_a_scene_lacks_is_made_and_what_is_wrong_is_said(
    desk_site: Any, visit: Callable[..., Page], axe: str
) -> None:
    page = visit(desk_site.url, **PHONE, color_scheme="dark", reduced_motion="reduce")
    inspection = Inspection(page, axe)
    page.get_by_role("tab", name="Layers", exact=True).click()
    page.wait_for_selector(".lw-desk-none:visible")
    tone = {"prompt": "a hum", "duration_s": 1.0, "seed": 5, "model": {"id": "tone", "device": "cpu"}}
    scene = {"kind": "scene", "name": "Hum", "layers": [{"name": "Hum", "request": tone, "loop": True}] * 2}
    lay = "s => import(new URL('page/layers.js', document.baseURI)).then(({ layers }) => layers.open(s))"
    page.evaluate(lay, scene)
    page.wait_for_selector(".lw-desk-making:has-text('2 takes are not made yet.')")
    page.click(".lw-desk-make")
    page.wait_for_selector(".lw-desk-play:not(:disabled)")
    first, second = page.evaluate(SCENE)["layers"]
    assert first["take"] == second["take"], "the same words and seed are one take"
    inspection.look("a scene on a phone")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, "nothing lies beside the screen"
    page.fill(".lw-mix [name=length_s]", "0.5")
    page.click(".lw-layer:nth-child(2) summary")
    page.fill(".lw-layer:nth-child(2) [data-time=offset_s]", "2")
    page.keyboard.press("Tab")
    page.wait_for_selector(".lw-layer:nth-child(2) small.lw-wrong:has-text('after the scene')")
    page.evaluate(lay, {"kind": "scene", "name": "Gone", "layers": [{"take": "2020-01-01/gone"}]})
    page.wait_for_selector(".lw-desk-said.lw-wrong:has-text('Layer 1: its take')")
    assert page.is_disabled(".lw-desk-play")
    assert inspection.found == [], "\n".join(inspection.found)
