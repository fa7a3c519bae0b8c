"""Both channels of a stereo take, and all of one of 48 kHz, on their way to the ear."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from bench import bench, send
from conftest import wait_for_position

from studio.service.live.codecs import encoder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

RATE = 16000
PLAYED = """(() => {
  const { start } = AudioBufferSourceNode.prototype;
  window.played = [];
  AudioBufferSourceNode.prototype.start = function (...when) {
    const channels = [...Array(this.buffer.numberOfChannels).keys()];
    window.played.push(channels.map((channel) => [...this.buffer.getChannelData(channel)]));
    window.rate = this.buffer.sampleRate;
    return start.apply(this, when);
  };
})()"""
DECODE = """async ([codec]) => {
  const { receive } = await import('./page/stream.js');
  const answer = await fetch(codec);
  const heard = [];
  for await (const sound of receive(answer.body.getReader(), codec, 16000, 2)) heard.push(...sound);
  return heard;
}"""


def test_a_wide_take_is_heard_in_both_channels(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.evaluate(PLAYED)
    page.locator("#infinite-stereo").get_by_label("Wide").check()
    page.click("#infinite-generate")
    wait_for_position(page, 2)
    pieces = [np.array(piece) for piece in page.evaluate("window.played")]
    assert {len(piece) for piece in pieces} == {2}
    left, right = np.concatenate(pieces, axis=1)
    assert len(left) > 2 * RATE
    assert np.abs(left - right).max() > 0.01
    page.wait_for_function("() => /L\\/R [−0-9.]+$/.test(document.querySelector('.lw-lufs').textContent)")
    agreed = page.locator("#transport .lw-lufs").inner_text().rpartition("L/R ")[2].replace("−", "-")
    assert float(agreed) == pytest.approx(np.asarray(np.corrcoef(left, right))[0, 1], abs=0.1)


def test_a_take_of_48_khz_is_heard_at_its_rate(tone_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(tone_site.url)
    page.evaluate(PLAYED)
    page.locator("#infinite-bandwidth").get_by_label("48 kHz").check()
    page.click("#infinite-generate")
    wait_for_position(page, 2)
    assert page.evaluate("window.rate") == 48000
    [heard] = np.concatenate([np.array(piece) for piece in page.evaluate("window.played")], axis=1)
    assert len(heard) > 2 * 48000
    spectrum = np.abs(np.fft.rfft(heard[:96000]))
    assert spectrum.argmax() == 880  # the tone of 440 Hz in two seconds


def test_no_codec_mixes_the_channels_up(browser: Browser) -> None:
    rng = np.random.default_rng(0)
    sound = rng.integers(-32767, 32767, (5 * RATE // 2, 2)).astype("<i2")

    def sent(codec: str) -> bytes:
        encode = encoder(codec, RATE, 2)
        return b"".join(encode.push(part) for part in np.split(sound, [7001, 9000])) + encode.flush()

    def answer(codec: str) -> Any:
        return lambda handler: send(handler, sent(codec), "application/octet-stream")

    with bench({f"/{codec}": answer(codec) for codec in ("raw", "flac")}) as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        raw, flac = (np.array(page.evaluate(DECODE, [codec])).reshape(-1, 2) for codec in ("raw", "flac"))
        context.close()
    np.testing.assert_array_equal(raw * 32768, sound)
    # Chrome has 32767 as 1, and −32768 as −1.
    np.testing.assert_array_equal(np.round(flac * np.where(flac > 0, 32767, 32768)), sound)
