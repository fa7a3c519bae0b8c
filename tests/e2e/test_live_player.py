"""What the live player makes of streams that are slow, halt or end, on a page of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from queue import Queue
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from bench import begin_stream, bench, send, send_chunk
from conftest import RECORDER, recording
from test_page_sound import amplitude_and_phase, assert_pure

from studio.backends.systems.tone import tone
from studio.core.audio import to_int16
from studio.service.live.codecs import encoder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

RATE = 16000
START = """async (options) => {
  const { LivePlayer } = await import('./page/player.js');
  window.player = new LivePlayer();
  setInterval(() => window.player.tick(), 50);
  window.player.start('token', 16000, { codec: 'raw', ...options });
}"""


class Source:
    """A stream of the tone that sends what it is told to."""

    def __init__(self) -> None:
        self._asked: Queue[float] = Queue()
        self._sent = 0

    def give(self, seconds: float) -> None:
        """Send so much; nothing ends the stream."""
        self._asked.put(seconds)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        encode = encoder(parse_qs(urlsplit(handler.path).query).get("codec", ["raw"])[0], RATE)
        begin_stream(handler, X_First_Sample="0")
        while seconds := self._asked.get():
            sound = tone(self._sent, round(seconds * RATE), RATE)
            self._sent += len(sound)
            send_chunk(handler, encode.push(to_int16(sound)))
        if rest := encode.flush():
            send_chunk(handler, rest)
        send_chunk(handler, b"")


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def page(browser: Browser, source: Source) -> Iterator[Page]:
    with bench({"/pcm/": source.answer}) as url:
        context = browser.new_context()
        context.add_init_script(RECORDER)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(url)
        page.click("button")  # a sound needs somebody's hand
        yield page
        source.give(0)
        context.close()


def wait_until(page: Page, condition: str) -> None:
    page.wait_for_function(f"() => {condition}")


def value(page: Page, name: str) -> Any:
    return page.evaluate(f"player.{name}")


def gaps(samples: np.ndarray) -> list[float]:
    """Seconds of each silence within."""
    silent = np.abs(samples) < 1e-4
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(int)))
    return [(end - start) / RATE for start, end in edges.reshape(-1, 2) if end - start > 200]


def test_a_stream_slower_than_playback_halts_once_for_seconds(page: Page, source: Source) -> None:
    page.evaluate(START, {"leadS": 8})
    over = threading.Event()

    def trickle() -> None:  # 0.7 s of sound a second
        began = time.monotonic()
        for block in range(40):
            over.wait(max(0.0, began + block * 0.2 / 0.7 - time.monotonic()))
            source.give(0.2)
        source.give(0)

    thread = threading.Thread(target=trickle)
    thread.start()
    wait_until(page, "player.state === 'buffering'")
    wait_until(page, "player.state === 'playing'")
    assert value(page, "bufferedS") > 2.5
    assert 0.6 < value(page, "paceS") < 0.8
    assert value(page, "refillS") >= 3
    wait_until(page, "player.state === 'ended'")
    thread.join()
    assert value(page, "underruns") == 1
    assert value(page, "position") == 8.0
    samples = recording(page)
    (gap,) = gaps(samples)
    assert gap > 3
    assert abs(len(samples) - round((8 + gap) * RATE)) <= 3


def test_each_time_it_waits_for_more_but_never_for_more_than_is_made(page: Page, source: Source) -> None:
    page.evaluate(START, {"leadS": 4})
    source.give(0.5)
    wait_until(page, "player.state === 'buffering'")
    assert value(page, "refillS") == 3
    source.give(2.9)
    wait_until(page, "player.bufferedS > 2.8")
    assert page.evaluate("(player.tick(), player.state)") == "buffering"
    source.give(0.2)
    wait_until(page, "player.state === 'playing'")
    wait_until(page, "player.state === 'buffering'")
    assert value(page, "refillS") == pytest.approx(3.4)  # of a lead of 4 s no more than this can be had
    assert value(page, "underruns") == 2
    assert value(page, "position") == pytest.approx(3.6)


def test_a_stream_that_ends_while_it_waits_is_played_to_its_end(page: Page, source: Source) -> None:
    page.evaluate(START, {})
    source.give(0.5)
    wait_until(page, "player.state === 'buffering'")
    source.give(0.6)
    source.give(0)
    wait_until(page, "player.state === 'ended'")
    assert value(page, "position") == pytest.approx(1.1)
    samples = recording(page)
    (gap,) = gaps(samples)
    assert len(samples) == pytest.approx((1.1 + gap) * RATE, abs=3)


def test_a_pause_while_it_waits_stays_a_pause(page: Page, source: Source) -> None:
    page.evaluate(START, {})
    source.give(0.5)
    wait_until(page, "player.state === 'buffering'")
    page.evaluate("player.toggle()")
    wait_until(page, "player.state === 'paused'")
    source.give(3.5)
    wait_until(page, "player.bufferedS > 3")
    assert value(page, "state") == "paused"
    assert value(page, "position") == pytest.approx(0.5)
    page.evaluate("player.toggle()")
    wait_until(page, "player.state === 'playing' && player.position > 1")


def test_many_takes_one_after_the_other_leave_no_way_open(page: Page, source: Source) -> None:
    page.evaluate(
        """async () => {
          const close = AudioContext.prototype.close;
          window.open_ = 0;
          window.AudioContext = class extends AudioContext {
            constructor(...options) { super(...options); window.open_ += 1; }
            close() { window.open_ -= 1; return super.close(); }
          };
        }"""
    )
    page.evaluate(START, {})
    for _ in range(8):
        page.evaluate("() => { player.start('token', 16000); }")
    wait_until(page, "open_ === 1")
    page.evaluate("player.stop()")
    wait_until(page, "open_ === 0")
    assert value(page, "state") == "stopped"


def test_the_level_is_everybodys_and_is_remembered(page: Page, source: Source) -> None:
    page.evaluate(
        """async () => {
          const { output } = await import('./page/output.js');
          window.levels = [output.level];
          output.addEventListener('level', () => window.levels.push(output.level));
          output.level = 0.25;
          output.level = 7;
        }"""
    )
    assert page.evaluate("levels") == [0.8, 0.25, 1]
    page.reload()
    assert page.evaluate("import('./page/output.js').then(({ output }) => output.level)") == 1


@pytest.mark.parametrize("codec", ["raw", "flac", "opus"])
def test_no_codec_has_a_seam(page: Page, source: Source, codec: str) -> None:
    page.evaluate(START, {"codec": codec})
    for seconds in (0.25, 1.0, 0.7, 1.0, 0.33):
        source.give(seconds)
    source.give(0)
    wait_until(page, "player.state === 'ended'")
    assert value(page, "position") == pytest.approx(3.28)
    assert value(page, "underruns") == 0
    samples = recording(page)
    assert len(samples) == pytest.approx(3.28 * RATE, abs=50)
    assert gaps(samples) == []
    if codec == "opus":  # comes to itself within its first tenth of a second
        samples = samples[RATE // 10 :]
        amplitude, phase = amplitude_and_phase(samples)
        assert np.abs(phase[1:-2]).max() < 0.03
        assert amplitude[1:-2] == pytest.approx(amplitude[1], rel=0.03)
    else:
        assert_pure(samples)


def test_flac_gives_back_each_of_the_samples(browser: Browser) -> None:
    rng = np.random.default_rng(0)
    sound = rng.integers(-32767, 32767, 3 * RATE).astype("<i2")
    encode = encoder("flac", RATE)
    stream = b"".join(encode.push(sound[start : start + 7001]) for start in range(0, len(sound), 7001))
    stream += encode.flush()
    decode = """async () => {
      const { receive } = await import('./page/stream.js');
      const answer = await fetch('stream');
      const heard = [];
      for await (const sound of receive(answer.body.getReader(), 'flac', 16000)) heard.push(...sound);
      return heard;
    }"""
    with bench({"/stream": lambda handler: send(handler, stream, "application/octet-stream")}) as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        heard = np.array(page.evaluate(decode))
        context.close()
    # Chrome has 32767 as 1, and −32768 as −1.
    np.testing.assert_array_equal(np.round(heard * np.where(heard > 0, 32767, 32768)), sound)
