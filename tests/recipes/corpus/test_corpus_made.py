"""Machines, people and music: every attribute renders, repeats, and can be heard in the numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy import signal

from studio.core.audio import SAMPLE_RATE
from studio.recipes.corpus import machines, music, people
from studio.recipes.corpus.family import Family
from studio.recipes.corpus.synthesis import Samples

pytestmark = pytest.mark.slow

FAMILIES = {family.name: family for family in machines.FAMILIES + people.FAMILIES + music.FAMILIES}
CASES = [
    pytest.param(family, dict(zip(family.axes, values, strict=True)), id="-".join((family.name, *values)))
    for family in FAMILIES.values()
    for values in itertools.product(*family.axes.values())
]


def _spectrum(x: Samples) -> tuple[np.ndarray, np.ndarray]:
    return signal.welch(x, SAMPLE_RATE, nperseg=2048)


def _centroid_hz(x: Samples) -> float:
    """Centre of gravity of the power spectrum."""
    freqs, power = _spectrum(x)
    return float(np.sum(freqs * power) / np.sum(power))


def _peak_hz(x: Samples) -> float:
    """The strongest frequency."""
    freqs, power = _spectrum(x)
    return float(freqs[np.argmax(power)])


def _levels(x: Samples, hop_s: float = 0.01) -> np.ndarray:
    """RMS level of each hop of the clip."""
    hop = round(hop_s * SAMPLE_RATE)
    return np.sqrt(np.mean(x[: len(x) // hop * hop].reshape(-1, hop) ** 2, axis=1))


def _onsets(x: Samples) -> float:
    """How many times the brighter part of the sound jumps up."""
    levels = _levels(np.diff(x, prepend=0.0))
    rise = np.diff(levels, prepend=levels[0])
    return float(len(signal.find_peaks(rise, height=0.25 * np.quantile(rise, 0.995), distance=5)[0]))


def _pulse_hz(x: Samples) -> float:
    """The strongest rhythm of the envelope between 0.3 and 25 Hz."""
    levels = _levels(x, 0.005)
    power = np.abs(np.fft.rfft((levels - levels.mean()) * np.hanning(len(levels)))) ** 2
    freqs = np.fft.rfftfreq(len(levels), 0.005)
    return float(freqs[np.argmax(np.where((freqs > 0.3) & (freqs < 25), power, 0))])


def _unevenness(x: Samples) -> float:
    """Spread of the level over its mean: one speaker pauses, a crowd never does."""
    levels = _levels(x, 0.02)
    return float(levels.std() / levels.mean())


def _pitch_range(x: Samples) -> float:
    """Octaves between the lowest and the highest of the strongest frequencies in time."""
    freqs, _, power = signal.spectrogram(x, SAMPLE_RATE, nperseg=2048, noverlap=1024)
    strongest = freqs[np.argmax(power, axis=0)]
    low, high = np.quantile(strongest, (0.1, 0.9))
    return float(np.log2(high / low))


# (family, axis, lower value, higher value, what rises from the one to the other)
CONTRASTS: list[tuple[str, str, str, str, Callable[[Samples], float]]] = [
    ("engine", "speed", "idling", "revving", _centroid_hz),
    ("helicopter", "speed", "slow", "fast", _pulse_hz),
    ("train", "speed", "slow", "fast", _onsets),
    ("siren", "style", "wailing", "yelping", _pulse_hz),
    ("siren", "style", "two-tone", "wailing", _pitch_range),
    ("alarm", "speed", "slow", "fast", _onsets),
    ("alarm", "pitch", "low", "high", _peak_hz),
    ("clock", "speed", "slow", "fast", _onsets),
    ("fan", "speed", "low", "high", _centroid_hz),
    ("footsteps", "speed", "walking", "running", _pulse_hz),
    ("footsteps", "surface", "wood", "gravel", _centroid_hz),
    ("applause", "size", "large", "small", _unevenness),
    ("typing", "speed", "slow", "fast", _onsets),
    ("murmur", "size", "large", "small", _unevenness),
    ("drums", "speed", "slow", "fast", _onsets),
    ("bass", "speed", "slow", "fast", _onsets),
    ("pad", "tone", "dark", "bright", _centroid_hz),
    ("arpeggio", "speed", "slow", "fast", _onsets),
    ("arpeggio", "pitch", "low", "high", _peak_hz),
    ("bell", "pitch", "low", "high", _centroid_hz),
]


@pytest.mark.parametrize(("family", "attributes"), CASES)
def test_renders_and_repeats(family: Family, attributes: dict[str, str]) -> None:
    first = family.render(np.random.default_rng(7), 2.5, attributes)
    again = family.render(np.random.default_rng(7), 2.5, attributes)
    other = family.render(np.random.default_rng(8), 2.5, attributes)
    assert first.shape == (round(2.5 * SAMPLE_RATE),)
    assert np.isfinite(first).all()
    assert np.sqrt(np.mean(first**2)) > 0.005
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
@pytest.mark.parametrize("duration_s", [1.0, 1.2345, 13.0])
def test_any_duration(family: Family, duration_s: float) -> None:
    attributes = {axis: values[-1] for axis, values in family.axes.items()}
    sound = family.render(np.random.default_rng(0), duration_s, attributes)
    assert sound.shape == (round(duration_s * SAMPLE_RATE),)
    assert np.isfinite(sound).all()


@pytest.mark.parametrize(("family", "attributes"), CASES)
def test_never_silent_for_long(family: Family, attributes: dict[str, str]) -> None:
    """Any crop of 1.3 s holds something within 26 dB of the loudest 50 ms."""
    levels = _levels(family.render(np.random.default_rng(3), 10.0, attributes), 0.05)
    loudest_near = np.lib.stride_tricks.sliding_window_view(levels, 26).max(axis=1)
    assert loudest_near.min() > 0.05 * levels.max()


@pytest.mark.parametrize(
    ("name", "axis", "lower", "higher", "measure"),
    CONTRASTS,
    ids=["-".join((c[0], c[1], c[3])) for c in CONTRASTS],
)
def test_attributes_are_audible(
    name: str, axis: str, lower: str, higher: str, measure: Callable[[Samples], float]
) -> None:
    """The measure rises clearly (the median of three clips by 15 %), whatever the other axes say."""
    family = FAMILIES[name]
    rest = [other for other in family.axes if other != axis]
    for values in itertools.product(*(family.axes[other] for other in rest)):
        fixed = dict(zip(rest, values, strict=True))
        low, high = (
            np.median(
                [
                    measure(family.render(np.random.default_rng(seed), 6.0, {**fixed, axis: value}))
                    for seed in range(3)
                ]
            )
            for value in (lower, higher)
        )
        assert high > 1.15 * low


def test_every_axis_is_measured() -> None:
    measured = {(name, axis) for name, axis, *_ in CONTRASTS}
    assert measured == {(family.name, axis) for family in FAMILIES.values() for axis in family.axes}
