"""The README's pictures, made from the running page with the pocket model.

    python -m tests.pictures [--out docs/pictures]

Screenshots of every tab at 1440 pixels and on a phone, in both themes; a silent animation of a first session.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from studio.core.request import ModelChoice
from studio.core.settings import Settings
from tests.conftest import find_tool
from tests.e2e.conftest import free_port, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
SIZES: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1440, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}
SIZES["phone"]["device_scale_factor"] = 2
THEMES = ("light", "dark")
COLOURS = 256
FILM_S, FILM_WIDTH, FRAME_S = 20.0, 960, 0.2
FILM_QUALITY, FILM_LIMIT_BYTES = 55, 3_000_000
CHANGE_S = 42
# What a screenshot leaves out: where the mouse is.
POINTER = """
addEventListener('DOMContentLoaded', () => {
  const pointer = document.createElement('div');
  pointer.style.cssText = `pointer-events: none; position: fixed; z-index: 99999;
    width: 18px; height: 18px; margin: -9px; left: -99px;
    border: 2px solid white; border-radius: 50%; background: rgb(30 30 30 / 0.55);`;
  document.body.append(pointer);
  addEventListener('pointermove', ({ clientX, clientY }) => {
    Object.assign(pointer.style, { left: `${clientX}px`, top: `${clientY}px` });
  }, true);
});
"""


@contextmanager
def opened(browser: Browser, url: str, size: str, theme: str, script: str = "") -> Iterator[Page]:
    """The page in a context of its own."""
    context = browser.new_context(color_scheme=theme, **SIZES[size])
    if script:
        context.add_init_script(script)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.wait_for_selector("#infinite-player[data-state]")
    yield page
    context.close()


def wait_for_position(page: Page, seconds: float) -> None:
    page.wait_for_function(
        "seconds => Number(document.querySelector('#infinite-player').dataset.positionS) >= seconds",
        arg=seconds,
    )


def stop(page: Page) -> None:
    """End the take, or the next page would come back to it."""
    page.click("#infinite-stop")
    page.wait_for_selector("#infinite-player[data-state=stopped]")
    page.wait_for_selector("#infinite-generate", state="visible")


class Film:
    """Frames of a page as its user would see them, and how long each was to be seen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._frames: list[Image.Image] = []
        self._times: list[float] = []
        self._at = (0.0, 0.0)

    def roll(self, seconds: float) -> None:
        """Look on for so long."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            with Image.open(io.BytesIO(self.page.screenshot())) as shot:
                height = round(shot.height * FILM_WIDTH / shot.width)
                self._frames.append(
                    shot.convert("RGB").resize((FILM_WIDTH, height), Image.Resampling.LANCZOS)
                )
            self._times.append(now)
            self.page.wait_for_timeout(max(0.0, 1000 * (now + FRAME_S - time.monotonic())))

    def move(self, x: float, y: float, seconds: float = 0.8) -> None:
        """Bring the mouse there, to be followed by the eye."""
        steps = max(1, round(seconds / FRAME_S))
        left, top = self._at
        for step in range(1, steps + 1):
            share = step / steps
            self.page.mouse.move(left + share * (x - left), top + share * (y - top), steps=4)
            self.roll(FRAME_S / 2)
        self._at = (x, y)

    def move_to(self, selector: str) -> None:
        """Bring the mouse onto the middle of an element."""
        box = self.page.locator(selector).first.bounding_box()
        assert box is not None, selector
        self.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def press(self, selector: str, then_s: float) -> None:
        """Go to an element, press it, and look on."""
        self.move_to(selector)
        self.page.mouse.down()
        self.page.mouse.up()
        self.roll(then_s)

    def save(self, path: Path) -> None:
        """Write the film in `FILM_S`, its pace evened out."""
        ends = [*self._times[1:], self._times[-1] + FRAME_S]
        pace = FILM_S / (ends[-1] - self._times[0])
        shown = [
            max(20, round(1000 * pace * (end - start))) for start, end in zip(self._times, ends, strict=True)
        ]
        first, *rest = self._frames
        first.save(
            path, save_all=True, append_images=rest, duration=shown, loop=0, quality=FILM_QUALITY, method=5,
        )  # fmt: skip


def film_a_session(page: Page, path: Path) -> None:
    """Rain by a press, thunder drawn into the timeline at 0:42, another sound while it plays, the insides."""
    film = Film(page)
    film.move(720, 600, seconds=0.2)
    film.roll(0.8)
    film.press(".lw-chip[data-family=rain]", then_s=0.4)
    wait_for_position(page, 0.5)
    film.roll(3.0)
    film.move_to(".lw-chip[data-family=thunder]")
    page.mouse.down()
    x, y = page.evaluate(
        """(second) => {
          const timeline = window.longwave.infinite.timeline;
          const lane = document.querySelector('#infinite-timeline .lw-timeline');
          const { top, height } = lane.getBoundingClientRect();
          let [low, high] = [0, innerWidth];
          while (high - low > 0.5) {
            if (timeline.timeAt((low + high) / 2) < second) low = (low + high) / 2;
            else high = (low + high) / 2;
          }
          return [low, top + 0.4 * height];
        }""",
        CHANGE_S,
    )
    film.move(x, y, seconds=1.6)
    page.mouse.up()
    film.roll(1.6)
    film.press("#infinite-steer", then_s=2.5)
    film.press("#infinite-inside-tab", then_s=3.0)
    stop(page)
    film.save(path)


def take_pictures(url: str, browser: Browser, out: Path) -> None:
    """Screenshots of the tabs, the first with a take that plays."""
    for size in SIZES:
        for theme in THEMES:
            with opened(browser, url, size, theme) as page:
                page.click(".lw-chip[data-family=rain]")
                wait_for_position(page, 6)
                shoot(page, out / f"infinite-{size}-{theme}.png")
                stop(page)
                for name in ("Sparse", "Dual", "Library"):
                    page.get_by_role("tab", name=name, exact=True).click()
                    page.wait_for_selector(f"[role=tab][aria-selected=true]:has-text('{name}')")
                    page.wait_for_selector(
                        ".lw-take" if name == "Library" else f"#{name.lower()}-tab[data-ready]"
                    )
                    shoot(page, out / f"{name.lower()}-{size}-{theme}.png")


def shoot(page: Page, path: Path) -> None:
    """A screenshot of few colours: a third of the bytes, and no eye tells."""
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def main(words: Sequence[str] | None = None) -> None:
    """Make them all."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description="The README's pictures.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="the folder they go to")
    out: Path = parser.parse_args(words).out
    chromium = find_tool("chromium")
    if chromium is None:
        parser.error("chromium is not installed")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as outputs, sync_playwright() as playwright:
        settings = Settings(outputs=Path(outputs), port=free_port(), open_browser=False, device="cpu")
        with served(settings) as site:
            site.studio.preload(ModelChoice(id=settings.model_id, device=settings.device)).join()
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            with opened(browser, site.url, "desk", "dark", POINTER) as page:
                film_a_session(page, out / "session.webp")
            take_pictures(site.url, browser, out)
            browser.close()
    for path in sorted(out.iterdir()):
        print(f"{path.stat().st_size / 1000:8.0f} kB  {path.name}")
    if (out / "session.webp").stat().st_size > FILM_LIMIT_BYTES:
        raise SystemExit("The animation is too large: lower FILM_QUALITY.")


if __name__ == "__main__":
    main()
