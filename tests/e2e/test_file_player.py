"""What the player of finished sounds does, on a page of its own, and what is heard of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile as sf
from bench import bench, send
from conftest import RECORDER, recording

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

LEVEL = 0.8
SECONDS = {"a.wav": 4.0, "b.wav": 4.0, "short.wav": 0.6, "ring.wav": 0.5}
HERTZ = {"a.wav": 440.0, "b.wav": 1500.0, "short.wav": 440.0, "ring.wav": 440.0}
LOAD = """async () => {
  const { FilePlayer } = await import('./page/file_player.js');
  window.player = new FilePlayer();
  setInterval(() => window.player.tick(), 50);
}"""


def sound(name: str) -> bytes:
    """A sine of half of full scale."""
    file, at = io.BytesIO(), np.arange(round(SECONDS[name] * 16000)) / 16000
    sf.write(file, 0.5 * np.sin(2 * np.pi * HERTZ[name] * at), 16000, format="WAV")
    return file.getvalue()


def answer(handler: BaseHTTPRequestHandler) -> None:
    name = urlsplit(handler.path).path.rpartition("/")[2]
    if name in SECONDS:
        send(handler, sound(name), "audio/wav")
    else:
        handler.send_error(404)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    context.add_init_script(RECORDER)
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def address() -> Iterator[str]:
    with bench({"/sound/": answer}) as url:
        yield url


@pytest.fixture
def page(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    page.evaluate(LOAD)
    page.click("button")
    return page


def play(page: Page, name: str, **options: Any) -> None:
    page.evaluate("options => player.start(options)", {"url": f"sound/{name}", **options})


def wait_until(page: Page, condition: str) -> None:
    page.wait_for_function(f"() => {condition}")


def value(page: Page, name: str) -> Any:
    return page.evaluate(f"player.{name}")


def strength(samples: np.ndarray, hertz: float, rate: int) -> float:
    """The amplitude of a sine in them."""
    return float(2 * abs(np.mean(samples * np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / rate))))


def last_heard(page: Page, seconds: float = 0.2) -> tuple[np.ndarray, int]:
    """The newest of what was rendered, and its rate."""
    rate = page.evaluate(
        "import('./page/output.js').then(({ output }) => { "
        "const way = output.open(); way.close(); return way.context.sampleRate; })"
    )
    return recording(page)[-round(seconds * rate) :], rate


def test_a_sound_plays_at_the_level_and_at_its_gain_and_ends(page: Page) -> None:
    play(page, "a.wav", gainDb=-6.0)
    wait_until(page, "player.state === 'playing' && player.position > 1")
    assert value(page, "duration") == pytest.approx(4.0)
    samples, rate = last_heard(page)
    assert strength(samples, 440, rate) == pytest.approx(0.5 * LEVEL * 10 ** (-6 / 20), rel=0.03)
    page.evaluate("player.gainDb = 0")
    wait_until(page, "player.position > 2")
    samples, rate = last_heard(page)
    assert strength(samples, 440, rate) == pytest.approx(0.5 * LEVEL, rel=0.03)
    wait_until(page, "player.state === 'ended'")
    assert value(page, "position") == pytest.approx(4.0)


def test_toggle_holds_goes_on_and_after_the_end_begins_anew(page: Page) -> None:
    play(page, "short.wav")
    wait_until(page, "player.state === 'playing'")
    page.evaluate("player.toggle()")
    assert value(page, "state") == "paused"
    page.evaluate("player.toggle()")
    wait_until(page, "player.state === 'ended'")
    page.evaluate("player.toggle()")
    wait_until(page, "player.state === 'playing'")
    assert value(page, "position") < 0.6
    wait_until(page, "player.state === 'ended'")


def test_a_seek_is_kept_whether_it_plays_or_not(page: Page) -> None:
    play(page, "a.wav", at=2.5)
    assert value(page, "position") == 2.5
    wait_until(page, "player.state === 'playing' && player.position > 2.6")
    page.evaluate("player.toggle()")
    page.evaluate("player.seek(1.0)")
    assert (value(page, "state"), value(page, "position")) == ("paused", 1.0)
    page.evaluate("player.toggle()")
    wait_until(page, "player.state === 'playing' && player.position > 1.2")
    assert value(page, "position") < 2
    page.evaluate("player.stop()")
    assert (value(page, "state"), value(page, "position")) == ("stopped", 0)
    page.evaluate("player.toggle()")
    wait_until(page, "player.state === 'playing'")
    assert value(page, "position") < 1


def test_of_sounds_started_in_a_row_the_last_is_heard_alone(page: Page) -> None:
    for name in ("a.wav", "b.wav", "a.wav", "b.wav"):
        play(page, name, at=0.5)
    wait_until(page, "player.state === 'playing' && player.position > 1")
    samples, rate = last_heard(page)
    assert strength(samples, 1500, rate) == pytest.approx(0.5 * LEVEL, rel=0.03)
    assert strength(samples, 440, rate) < 0.01


def test_a_loop_stays_within_its_span(page: Page) -> None:
    play(page, "a.wav", at=1)
    page.evaluate(
        """() => {
          window.seen = [];
          player.loop = { from: 1, to: 1.5 };
          setInterval(() => { if (player.state === 'playing') seen.push(player.position); }, 10);
        }"""
    )
    wait_until(page, "seen.filter((at, index) => at < seen[index - 1]).length >= 3")
    assert page.evaluate("Math.min(...seen)") >= 0.99
    assert page.evaluate("Math.max(...seen)") < 1.6
    page.evaluate("player.loop = null")
    wait_until(page, "player.position > 1.8")


def test_a_loop_goes_round_eight_times_without_a_gap(page: Page) -> None:
    """Its end leads to its beginning: heard on and on it is one sine, even in level and in phase."""
    play(page, "ring.wav")
    page.evaluate(
        "player.loop = { from: 0, to: 0.5 }; window.rounds = 0; window.last = 0; setInterval(() => { "
        "if (player.position < last) rounds += 1; last = player.position; }, 10);"
    )
    wait_until(page, "rounds >= 11")
    samples, rate = last_heard(page, 8 * 0.5)
    at = np.arange(len(samples)) / rate
    frame = rate // 100
    turned = (samples * np.exp(-2j * np.pi * 440 * at))[: len(samples) // frame * frame]
    # 10 ms hold no whole number of cycles: two of them smooth what twice the frequency leaves.
    levels = 2 * np.convolve(turned, np.ones(frame) / frame, "valid")[::frame]
    assert np.abs(levels).min() > 0.8 * 0.5 * LEVEL
    assert np.abs(np.angle(levels[1:] / levels[:-1])).max() < 0.3
    assert value(page, "state") == "playing"
    page.evaluate("player.seek(0.1)")
    wait_until(page, "rounds >= 13")
    page.evaluate("player.toggle()")
    assert value(page, "state") == "paused"
    assert 0 <= value(page, "position") <= 0.5
    page.evaluate("player.toggle()")
    wait_until(page, "player.state === 'playing' && player.position > 0.2")


def test_a_loop_to_the_end_goes_on(page: Page) -> None:
    play(page, "short.wav")
    page.evaluate(
        "player.loop = { from: 0.2, to: 0.6 }; window.back = 0; window.last = 0; setInterval(() => { "
        "if (player.position < last) back += 1; last = player.position; }, 10);"
    )
    wait_until(page, "back >= 2")
    assert value(page, "state") in ("playing", "loading")


def test_a_sound_that_is_not_there_fails_and_the_next_one_plays(page: Page) -> None:
    play(page, "none.wav")
    wait_until(page, "player.state === 'failed'")
    play(page, "a.wav")
    wait_until(page, "player.state === 'playing'")


def test_before_anything_was_pressed_it_is_paused_until_it_is(context: BrowserContext, address: str) -> None:
    begin = f"({LOAD})().then(() => player.start({{ url: 'sound/a.wav', at: 1 }}))"
    tell = "setInterval(() => console.log(window.player?.state), 100)"
    context.add_init_script(f"addEventListener('load', () => {{ {begin}; {tell}; }})")
    page = context.new_page()
    with page.expect_console_message(lambda message: message.text == "paused"):
        page.goto(address)  # and nothing is evaluated meanwhile: that counts as pressed
    assert value(page, "position") == 1
    page.evaluate("player.toggle()")
    wait_until(page, "player.state === 'playing' && player.position > 1.1")
