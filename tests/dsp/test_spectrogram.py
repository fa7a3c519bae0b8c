"""The picture's columns: right place, right level, and the same however the sound is cut."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.dsp.spectrogram import SpectrogramStream, columns, overview, spectrogram_png

RATE = 16000


def sine(hz: float, count: int = 8000) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(count) / RATE).astype(np.float32)


def test_a_sine_lights_its_band_fully() -> None:
    low, high = columns(sine(200)), columns(sine(4000))
    assert low.shape == (50, 64)
    assert low.dtype == np.uint8
    assert low[25].max() >= 245
    assert low[25].argmax() < 10 < 40 < high[25].argmax()


def test_at_48_khz_it_is_as_fine_and_as_bright_and_reaches_higher() -> None:
    at_48k = np.sin(2 * np.pi * 440 * np.arange(24000) / 48000).astype(np.float32)
    low, own = columns(at_48k, 48000), columns(sine(440))
    assert low.shape == own.shape == (50, 64)
    assert abs(int(low[25].max()) - int(own[25].max())) <= 8
    high = columns(np.sin(2 * np.pi * 20000 * np.arange(24000) / 48000).astype(np.float32), 48000)
    assert high[25].argmax() > 58
    glance = overview([at_48k[:6144], at_48k[6144:12288]], 48000)
    assert (glance.argmax(axis=1) == low[25].argmax()).all()


def test_silence_is_black() -> None:
    assert not columns(np.zeros(1600, np.float32)).any()
    assert columns(np.zeros(0, np.float32)).shape == (0, 64)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=8))
def test_chunks_do_not_matter(sizes: list[int]) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, sum(sizes)).astype(np.float32)
    stream = SpectrogramStream()
    parts = [stream.push(part) for part in np.split(samples, np.cumsum(sizes))]
    streamed = np.concatenate([*parts, stream.flush()])
    np.testing.assert_array_equal(streamed, columns(samples))
    assert len(streamed) == len(samples) // 160


def test_draws_a_picture(tmp_path: Path) -> None:
    spectrogram_png(sine(440), tmp_path / "tone.png", title="A tone")
    assert (tmp_path / "tone.png").read_bytes().startswith(b"\x89PNG")


def test_needs_no_torch() -> None:
    code = (
        "import sys, studio.dsp.spectrogram; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
