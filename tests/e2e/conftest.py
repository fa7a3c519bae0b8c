"""A served page, a real browser on it, and what the browser's loudspeaker got."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from studio.app import build_page, build_studio
from studio.backends.systems.tone import ToneBackend
from studio.core.settings import Settings
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RECORDER = """
const worklet = `registerProcessor('recorder', class extends AudioWorkletProcessor {
  process([input]) {
    if (input[0]) this.port.postMessage([currentFrame, input[0].slice()]);
    return true;
  } })`;
window.recorded = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    const url = URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' }));
    this.context.audioWorklet.addModule(url).then(() => {
      const recorder = new AudioWorkletNode(this.context, 'recorder');
      let next = 0; // a graph that nothing sounds in is not asked: its silence is filled in
      recorder.port.onmessage = ({ data: [frame, samples] }) => {
        if (next && frame > next) window.recorded.push(new Float32Array(frame - next));
        next = frame + samples.length;
        window.recorded.push(samples);
      };
      connect.call(recorder, target);
      connect.call(this, recorder);
    });
  }
  return connect.call(this, target, ...rest);
};
"""
READ_RECORDING = """async () => {
  const url = await new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(new Blob(window.recorded));
  });
  return url.slice(url.indexOf(',') + 1);
}"""
FRAMES = """() => new Promise((done) => {
  let left = 4;
  const next = () => (left-- ? requestAnimationFrame(next) : done());
  next();
})"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(settings: Settings, make_studio: Callable[[Settings], Studio] = build_studio) -> Iterator[Any]:
    """A launched page with its `studio`."""
    studio = make_studio(settings)
    page = build_page(studio, settings)
    page.studio = studio
    try:
        page.launch()
        yield page
    finally:
        studio.close()
        page.close()


def tone_settings(outputs: Path) -> Settings:
    return Settings(outputs=outputs, port=free_port(), open_browser=False, model_id="tone", device="cpu")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the libraries of a server and a browser leave open is found within whichever test comes next."""
    left = pytest.mark.filterwarnings("ignore::ResourceWarning")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(left)


@pytest.fixture(scope="module")
def tone_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with served(tone_settings(tmp_path_factory.mktemp("outputs"))) as page:
        yield page


@pytest.fixture(scope="module")
def word_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page as it opens with the pocket models, whose words it knows, over a render that takes no time."""
    settings = Settings(
        outputs=tmp_path_factory.mktemp("outputs"), port=free_port(), open_browser=False, device="cpu"
    )
    with served(
        settings, lambda settings: Studio(settings, lambda choice: ToneBackend(), Renderer())
    ) as page:
        yield page


@pytest.fixture(autouse=True)
def silence(request: pytest.FixtureRequest) -> Iterator[None]:
    """No take outlives its test: the next one's page would come back to it."""
    site = request.getfixturevalue("tone_site") if "tone_site" in request.fixturenames else None
    yield
    for job in site.studio.jobs() if site else ():
        if not job.ended:
            site.studio.stop(job.id)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe(pytestconfig: pytest.Config) -> str:
    """axe-core's script, kept in pytest's cache."""
    from axe import AxeMissingError, read_axe  # which programs that only serve a page don't find

    assert pytestconfig.cache is not None
    try:
        return read_axe(pytestconfig.cache.mkdir("axe"))
    except AxeMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page in a context of its own; at the end no request may have gone to another host."""
    contexts, outside = [], []

    def open_page(url: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 720}, **options})
        contexts.append(context)
        context.add_init_script(RECORDER)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: outside.append(request.url) if not local(request.url) else None)
        page.goto(url)
        page.wait_for_selector("#infinite-player[data-state]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert outside == []


def local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def player_state(page: Page) -> dict[str, Any]:
    """The player's data-attributes."""
    data = page.eval_on_selector("#infinite-player", "element => ({...element.dataset})")
    return {
        "state": data["state"],
        "position_s": float(data["positionS"]),
        "underruns": int(data["underruns"]),
    }


def wait_for_position(page: Page, seconds: float, timeout_s: float = 90.0) -> None:
    page.wait_for_function(
        "seconds => Number(document.querySelector('#infinite-player').dataset.positionS) >= seconds",
        arg=seconds,
        timeout=timeout_s * 1000,
    )


def wait_for_state(page: Page, state: str) -> None:
    page.wait_for_selector(f"#infinite-player[data-state={state}]")


def settled(page: Page) -> None:
    """Wait until what was opened for the first time stays what it is.

    Gradio lays out what lies in a tab or a section when that is opened, and in the next frame sets every
    field of it to its beginning again. Nobody types before they see a field; a test may, and loses it.
    """
    page.evaluate(FRAMES)


def open_tab(page: Page, name: str) -> None:
    """Show a tab, its fields ready to be filled."""
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_selector(f"[role=tab][aria-selected=true]:has-text('{name}')")
    there = "#library-list" if name == "Library" else f"#{name.lower()}-player[data-state]"
    page.wait_for_selector(there, state="attached")
    settled(page)


def open_section(page: Page, section: str) -> None:
    """Open a closed section, by its element's id, its fields ready to be filled."""
    page.click(f"#{section} > button")
    page.wait_for_selector(f"#{section} > button.open")
    page.locator(f"#{section} :is(input, textarea, button:not(.label-wrap))").first.wait_for(state="attached")
    settled(page)


def open_pane(page: Page, pane: str, tab: str = "infinite") -> None:
    """Show a pane of the settings, which on a phone are a sheet."""
    opener = page.locator(f"#{tab}-tab .lw-sheet-open")
    if opener.is_visible() and not page.locator(f"#{tab}-inspector.lw-open").count():
        opener.click()
    page.click(f"#{tab}-{pane}-tab")


def close_settings(page: Page, tab: str = "infinite") -> None:
    """Put a phone's sheet away."""
    closer = page.locator(f"#{tab}-inspector .lw-sheet-close")
    if closer.is_visible():
        closer.click()


def set_length(page: Page, seconds: float) -> None:
    """Ask for endless sound no longer."""
    open_pane(page, "sound")
    page.uncheck("#infinite-endless input")
    page.fill("#infinite-duration input", f"{seconds:g}")
    close_settings(page)


def open_export(page: Page) -> None:
    """Open what the transport exports with, once a take is whole."""
    page.click("#transport-export:not([disabled])")
    page.wait_for_selector(".lw-export a[href]")


def recording(page: Page) -> np.ndarray:
    """What was rendered, float32 [n], from the first sound to the last."""
    raw = base64.b64decode(page.evaluate(READ_RECORDING))
    samples = np.frombuffer(raw, np.float32)
    loud = np.flatnonzero(np.abs(samples) > 1e-3)
    return samples[loud[0] : loud[-1] + 1]
