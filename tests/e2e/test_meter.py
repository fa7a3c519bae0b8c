"""The page's meter against the studio's own, in a real browser."""

from __future__ import annotations

import io
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf
from bench import bench, send
from numpy.typing import NDArray
from scipy.signal import sosfilt

from studio.dsp.loudness import k_weighting
from studio.dsp.true_peak import TruePeakMeter

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

LENGTH_S = 4.0
STEP_S = 0.01
READ = """async ([names, rate]) => {
  const { output } = await import('./page/output.js');
  const play = async (name) => {
    const way = output.open(rate);
    const node = way.context.createBufferSource();
    const answer = await fetch(`sound/${name}/${rate}`);
    node.buffer = await way.context.decodeAudioData(await answer.arrayBuffer());
    node.connect(way.input);
    await way.context.resume();
    const begun = way.context.currentTime + 0.2;
    node.start(begun);
    const rows = [];
    await new Promise((done) => {
      const timer = setInterval(() => {
        const { momentary, shortTerm, truePeak, clipped } = way.meter.read();
        const at = way.context.currentTime - begun;
        rows.push({ at, momentary, shortTerm, truePeak, clipped });
        if (at < node.buffer.duration + 0.2) return;
        clearInterval(timer);
        done();
      }, 100);
    });
    const { sampleRate } = way.context;
    way.close();
    return { rows, sampleRate };
  };
  return Promise.all(names.map(play));
}"""


def sounds(rate: int) -> dict[str, NDArray[np.float64]]:
    """Steady and unsteady ones, and one whose peaks lie between its samples."""
    rng, at = np.random.default_rng(1), np.arange(round(LENGTH_S * rate)) / rate
    clicks = np.zeros(len(at))
    clicks[:: rate // 3] = 0.9
    return {
        "sine": 0.5 * np.sin(2 * np.pi * 997 * at),
        "low": 0.8 * np.sin(2 * np.pi * 45 * at),
        "noise": 0.1 * rng.standard_normal(len(at)).clip(-6, 6),
        "waves": (0.1 * (1 + 0.9 * np.sin(2 * np.pi * 0.7 * at)) * rng.standard_normal(len(at))).clip(-1, 1),
        "between": 0.7 * np.sin(2 * np.pi * rate / 4 * at + np.pi / 4),  # its samples reach 0.495
        "clicks": clicks,
        "clipped": (1.5 * np.sin(2 * np.pi * 220 * at)).clip(-1, 1),
    }


def pcm(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.round(samples * 32767).astype(np.int16)


@pytest.fixture
def address() -> Iterator[str]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        name, rate = handler.path.split("/")[-2:]
        file = io.BytesIO()
        sf.write(file, pcm(sounds(int(rate))[name]), int(rate), format="WAV")
        send(handler, file.getvalue(), "audio/wav")

    with bench({"/sound/": answer}) as url:
        yield url


def loudness(samples: NDArray[np.float64], rate: int, window_s: float) -> NDArray[np.float64]:
    """LUFS of the window that ends at each multiple of `STEP_S`, silence before the sound."""
    weighted = sosfilt(k_weighting(rate), samples)
    energy = np.concatenate([[0.0], np.cumsum(np.square(weighted))])
    ends = (np.arange(0, round(LENGTH_S / STEP_S)) * STEP_S * rate).astype(int)
    starts = np.maximum(0, ends - round(window_s * rate))
    power = (energy[ends] - energy[starts]) / np.maximum(1, ends - starts)
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-12))


def assert_within(rows: list[dict[str, Any]], key: str, course: NDArray[np.float64], from_s: float) -> None:
    """Each reading is that of a moment no more than a hop ago."""
    looked = 0
    for row in rows:
        if not from_s < row["at"] < LENGTH_S - 0.05:
            continue
        moments = course[round((row["at"] - 0.15) / STEP_S) : round((row["at"] + 0.03) / STEP_S)]
        assert moments.min() - 0.2 < row[key] < moments.max() + 0.2, (key, row)
        looked += 1
    assert looked >= 5


@pytest.mark.parametrize("rate", [16000, 48000])
def test_the_meter_reads_what_the_studio_measures(browser: Browser, address: str, rate: int) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.click("button")
    played = sounds(rate)
    readings = page.evaluate(READ, [list(played), rate])
    context.close()
    for (name, samples), reading in zip(played.items(), readings, strict=True):
        assert reading["sampleRate"] == rate
        heard = pcm(samples) / 32768
        rows = reading["rows"]
        assert_within(rows, "momentary", loudness(heard, rate, 0.4), 0.6)
        assert_within(rows, "shortTerm", loudness(heard, rate, 3.0), 3.3)
        meter = TruePeakMeter(rate)
        meter.push(heard[:, None])
        assert rows[-1]["truePeak"] == pytest.approx(20 * np.log10(meter.peak()), abs=0.2), name
        assert rows[-1]["clipped"] == (name == "clipped"), name


def test_the_listeners_level_moves_no_meter_and_a_reset_forgets(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.click("button")
    assert (
        page.evaluate(
            "import('./page/output.js').then((script) => (window.output = script.output).meter.read())"
        )
        is None
    )
    page.evaluate(
        """() => {
          output.level = 0.1;
          const way = output.open(16000);
          const tone = way.context.createOscillator();
          window.tone = way.context.createGain();
          window.tone.gain.value = 0.5;
          tone.connect(window.tone).connect(way.input);
          tone.start();
          way.context.resume();
          setInterval(() => { window.read = output.meter.read(); }, 100);
        }"""
    )
    page.wait_for_function("() => window.read?.momentary > -11")
    assert page.evaluate("read.truePeak") == pytest.approx(-6.02, abs=0.1)
    page.evaluate("() => { tone.gain.value = 0.05; }")
    page.wait_for_function("() => read.momentary < -28")
    assert page.evaluate("read.truePeak") == pytest.approx(-6.02, abs=0.1)
    page.evaluate("output.meter.reset()")
    page.wait_for_function("() => read.truePeak < -20 && read.momentary > -40")
    assert page.evaluate("read.truePeak") == pytest.approx(-26.02, abs=0.1)
    context.close()
