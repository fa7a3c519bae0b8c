"""Two voices are told apart by their colour, however loud they are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from studio.evaluation.voices import VoiceClassifier, colour

Samples = NDArray[np.float32]


def speech(seed: int, pole: float, gain: float = 0.1) -> Samples:
    """Noise of one colour that comes and goes."""
    rng = np.random.default_rng(seed)
    noise = lfilter([1.0], [1.0, -pole], rng.normal(size=16000))
    swell = 0.1 + np.abs(np.sin(np.arange(16000) / 1500))
    return (gain * noise * swell / np.abs(noise).max()).astype(np.float32)


@pytest.fixture(scope="module")
def classifier() -> VoiceClassifier:
    return VoiceClassifier.fit([speech(i, 0.9) for i in range(6)], [speech(i, 0.6) for i in range(6)])


@pytest.mark.parametrize("gain", [0.02, 0.4])
def test_each_is_known_again(classifier: VoiceClassifier, gain: float) -> None:
    assert [classifier.voice(speech(seed, 0.9, gain)) for seed in range(10, 15)] == [0] * 5
    assert [classifier.voice(speech(seed, 0.6, gain)) for seed in range(10, 15)] == [1] * 5


def test_a_colour_has_no_level() -> None:
    np.testing.assert_allclose(colour(speech(0, 0.9, 0.1)), colour(speech(0, 0.9, 0.3)), atol=0.05)
