"""How quick and how quiet the page is, in a real browser on a server of its own.

    python -m tests.page_speed [--minutes 10] [--model pocket] [--shifts]

Prints a figure a line beside what it has to keep to; the exit status is 1 where one does not.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.core.modes import POCKET
from studio.core.request import ModelChoice
from studio.core.settings import Settings
from tests.conftest import find_tool
from tests.e2e.conftest import free_port, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

VISITS = 5  # of which the median counts
SIZES: dict[str, dict[str, Any]] = {
    "1440": {"viewport": {"width": 1440, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}
TABS = ("Infinite", "Sparse", "Dual", "Sets", "Layers", "Library")
QUIET_MS = 1500  # without a shift, and a page has settled
SETTLE_S = 20.0  # a take has filled its lead by then
COUNT_S = 60.0
SAMPLE_S = 10.0
HEAP_LIMIT_MB = 0.5  # a minute: what a take leaves behind that never goes

OBSERVE = """
window.lw = { shifts: [], shown: null, pressed: null, heard: null, moved: performance.now() };
const part = (node) => node && (node.id || `${node.closest?.('[id]')?.id} ${node.className}`);
const box = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(' ');
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries()) {
    lw.moved = performance.now();
    const tell = ({ node, previousRect, currentRect }) =>
      `${part(node)}: ${box(previousRect)} -> ${box(currentRect)}`;
    lw.shifts.push({ value, what: sources.map(tell) });
  }
}).observe({ type: 'layout-shift', buffered: true });
const look = () => {
  const button = document.querySelector('#infinite-generate');
  if (button?.checkVisibility({ visibilityProperty: true })) lw.shown = performance.now();
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
addEventListener('click', ({ target }) => {
  if (target.closest?.('#infinite-generate')) lw.pressed = performance.now();
}, true);
const worklet = `registerProcessor('first-sound', class extends AudioWorkletProcessor {
  process([input]) {
    if (!input[0]?.some((sample) => Math.abs(sample) > 1e-3)) return true;
    this.port.postMessage(null);
    return false;
  }
})`;
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    const url = URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' }));
    this.context.audioWorklet.addModule(url).then(() => {
      const listener = new AudioWorkletNode(this.context, 'first-sound');
      listener.port.onmessage = () => { lw.heard ??= performance.now(); };
      connect.call(this, listener);
    });
  }
  return connect.call(this, target, ...rest);
};
"""
PAINTED = "lw.shown && performance.getEntriesByName('first-contentful-paint').length"
PAINTS = """() => {
  const answered = performance.getEntriesByType('navigation')[0].responseStart;
  const painted = performance.getEntriesByName('first-contentful-paint')[0].startTime;
  return [(painted - answered) / 1000, (lw.shown - answered) / 1000];
}"""


@dataclass(frozen=True)
class Figure:
    """One line of the report; without a limit it is told and not judged."""

    name: str
    value: float
    unit: str = ""
    limit: float | None = None

    @property
    def kept(self) -> bool:
        return self.limit is None or self.value <= self.limit

    def __str__(self) -> str:
        judged = "" if self.limit is None else f"at most {self.limit:g}{'' if self.kept else '   TOO MUCH'}"
        return f"{self.name:<44} {self.value:8.3f} {self.unit:<10}   {judged}".rstrip()


@contextmanager
def opened(browser: Browser, url: str, size: str) -> Iterator[Page]:
    """The page in a fresh context: nothing is cached."""
    context = browser.new_context(**SIZES[size])
    context.add_init_script(OBSERVE)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.wait_for_selector("#infinite-player[data-state]")
    yield page
    context.close()


def settle(page: Page) -> None:
    page.wait_for_function(f"performance.now() - lw.moved > {QUIET_MS}")


def measure_opening(browser: Browser, url: str) -> list[Figure]:
    """From the server's answer to the first paint, and to a button that can be pressed."""
    paints = []
    for _ in range(VISITS):
        with opened(browser, url, "1440") as page:
            page.wait_for_function(PAINTED)
            paints.append(page.evaluate(PAINTS))
    painted, shown = (statistics.median(column) for column in zip(*paints, strict=True))
    return [Figure("first paint", painted, "s", 1.5), Figure("the form is there", shown, "s")]


def measure_shifts(browser: Browser, url: str, size: str, tell: bool) -> list[Figure]:
    """At load, and at every tab when it is opened first and once more: whatever moves, asked for or not."""
    with opened(browser, url, size) as page:
        settle(page)
        figures = [_shift(page, f"at load, {size}", tell)]
        for time_ in ("first", "again"):
            for name in (*TABS[1:], TABS[0]):
                page.evaluate("() => { lw.moved = performance.now(); }")
                page.get_by_role("tab", name=name, exact=True).click()
                settle(page)
                figures.append(_shift(page, f"{name} opened {time_}, {size}", tell))
    return figures


def _shift(page: Page, where: str, tell: bool) -> Figure:
    shifts = page.evaluate("() => lw.shifts.splice(0)")
    if tell:
        for shift in shifts:
            print(f"  {shift['value']:.4f}", *shift["what"], sep="\n      ")
    return Figure(f"layout shift {where}", sum(shift["value"] for shift in shifts), "", 0.1)


def measure_take(page: Page, minutes: float) -> list[Figure]:
    """From the press of the button to minutes of playing."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.click("#infinite-generate")
    page.wait_for_function("lw.heard")
    figures = [Figure("first sound", page.evaluate("(lw.heard - lw.pressed) / 1000"), "s", 4)]
    page.wait_for_timeout(1000 * SETTLE_S)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    before = _task_s(session)
    page.wait_for_timeout(1000 * COUNT_S)
    (began, busy_before), (ended, busy_after) = before, _task_s(session)
    figures.append(Figure("requests while it plays", 60 * len(requests) / (ended - began), "a minute", 120))
    busy = 100 * (busy_after - busy_before) / (ended - began)
    figures.append(Figure("the main thread is busy", busy, "%", 20))
    if minutes:
        figures += _watch_heap(page, session, minutes)
    underruns = float(page.get_attribute("#infinite-player", "data-underruns") or 0)
    figures.append(Figure("interruptions", underruns))
    page.click("#infinite-stop")
    return figures


def _metrics(session: CDPSession) -> dict[str, float]:
    return {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}


def _task_s(session: CDPSession) -> tuple[float, float]:
    """Now, and how long the page's main thread has worked so far: seconds."""
    metrics = _metrics(session)
    return metrics["Timestamp"], metrics["TaskDuration"]


def _watch_heap(page: Page, session: CDPSession, minutes: float) -> list[Figure]:
    """What is left of JavaScript's heap after collecting, over the time; the first fifth of it settles."""
    rows, began = [], time.monotonic()
    while (passed := time.monotonic() - began) < 60 * minutes:
        session.send("HeapProfiler.collectGarbage")
        rows.append((passed / 60, _metrics(session)["JSHeapUsedSize"] / 2**20))
        page.wait_for_timeout(1000 * SAMPLE_S)
    table = np.array(rows)
    late = table[table[:, 0] >= minutes / 5]
    figures = [
        Figure("JavaScript's heap at first", float(table[0, 1]), "MB"),
        Figure(f"JavaScript's heap after {minutes:g} min", float(table[-1, 1]), "MB"),
    ]
    if len(late) > 2:  # fewer make no slope
        slope = float(np.polyfit(late[:, 0], late[:, 1], 1)[0])
        figures.append(Figure("JavaScript's heap grows by", slope, "MB a min", HEAP_LIMIT_MB))
    return figures


def measure(settings: Settings, chromium: str, minutes: float, tell: bool) -> Iterator[Figure]:
    """All figures, each as soon as it is known; with `tell`, what shifted is printed too."""
    from playwright.sync_api import sync_playwright

    with served(settings) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield from measure_opening(browser, site.url)
        for size in SIZES:
            yield from measure_shifts(browser, site.url, size, tell)
        site.studio.preload(ModelChoice(id=settings.model_id, device=settings.device)).join()
        with opened(browser, site.url, "1440") as page:
            page.fill("#infinite-prompt textarea", "heavy rain")
            yield from measure_take(page, minutes)
        browser.close()


def main() -> int:
    """Measure and print; 1 where a figure is over its limit."""
    about, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(prog="python -m tests.page_speed", description=about)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="how long the heap is watched; 0: not at all"
    )
    parser.add_argument("--model", default=POCKET, help="that makes the sound")
    parser.add_argument("--shifts", action="store_true", help="tell what moved")
    options = parser.parse_args()
    chromium = find_tool("chromium")
    if chromium is None:
        parser.error("chromium is not installed")
    over = 0
    with tempfile.TemporaryDirectory() as outputs:
        settings = Settings(
            outputs=Path(outputs), port=free_port(), open_browser=False, model_id=options.model, device="cpu"
        )
        for figure in measure(settings, chromium, options.minutes, options.shifts):
            print(figure, flush=True)
            over += not figure.kept
    return int(over > 0)


if __name__ == "__main__":
    sys.exit(main())
