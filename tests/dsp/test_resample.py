"""A change of sample rate, at once and as it comes."""

from __future__ import annotations

import numpy as np
import pytest

from studio.dsp.resample import decimate, resample, resample_stream


@pytest.mark.parametrize(
    ("rate", "target"), [(48000, 16000), (44100, 16000), (16000, 44100), (8000, 32000), (11025, 16000)]
)
@pytest.mark.parametrize("seconds", [0.01, 0.73, 2.0])
def test_a_stream_is_the_whole_in_pieces(rate: int, target: int, seconds: float) -> None:
    samples = np.random.default_rng(0).standard_normal(round(rate * seconds)).astype(np.float32)
    blocks = np.split(samples, range(1000, len(samples), 1000))
    pieces = list(resample_stream(blocks, rate, target, chunk_s=0.2))
    assert seconds < 0.5 or len(pieces) > 1
    np.testing.assert_allclose(np.concatenate(pieces), resample(samples, rate, target), atol=1e-5)


def test_a_tone_stays_one() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100).astype(np.float32)
    wanted = np.sin(2 * np.pi * 440 * np.arange(32000) / 32000)
    assert np.abs(resample(tone, 44100, 32000) - wanted)[500:-500].max() < 5e-3


def test_a_stream_of_the_same_rate_is_itself() -> None:
    samples = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    np.testing.assert_allclose(
        np.concatenate(list(resample_stream([samples], 16000, 16000, chunk_s=0.1))), samples, atol=1e-6
    )


def test_a_third_of_the_samples_keeps_what_lies_below_8_khz() -> None:
    def tone(hz: float, rate: int) -> np.ndarray:
        return np.sin(2 * np.pi * hz * np.arange(rate) / rate).astype(np.float32)

    inner = slice(300, -300)
    for hz in (100, 4000, 7700):
        kept = decimate(tone(hz, 48000), 3)
        np.testing.assert_allclose(kept[inner], tone(hz, 16000)[inner], atol=1e-3)
    for hz in (8300, 20000):
        assert np.abs(decimate(tone(hz, 48000), 3)[inner]).max() < 1e-3
    assert len(decimate(tone(100, 48000), 3)) == 16000
