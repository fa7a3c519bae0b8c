"""The nature and animal families: length, level, determinism, and that every axis is audible."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from studio.core.audio import SAMPLE_RATE
from studio.recipes.corpus import animals, weather
from studio.recipes.corpus.family import Attributes, Family
from studio.recipes.corpus.grains import bubble, swell
from studio.recipes.corpus.synthesis import Samples

pytestmark = pytest.mark.slow

FAMILIES = {family.name: family for family in (*weather.FAMILIES, *animals.FAMILIES)}
CASES = [
    pytest.param(family, dict(zip(family.axes, values, strict=True)), id="-".join((family.name, *values)))
    for family in FAMILIES.values()
    for values in itertools.product(*family.axes.values())
]


def _render(name: str, seed: int, duration_s: float = 4.0, **attributes: str) -> Samples:
    """One clip; axes that are not named take their first value."""
    family = FAMILIES[name]
    chosen = {axis: attributes.get(axis, values[0]) for axis, values in family.axes.items()}
    return family.render(np.random.default_rng(seed), duration_s, chosen)


def _rms(x: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=float))))


def _power(x: Samples) -> tuple[Samples, Samples]:
    return np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE), np.abs(np.fft.rfft(x)) ** 2


def _centroid_hz(x: Samples) -> float:
    freqs, power = _power(x)
    return float(np.sum(freqs * power) / np.sum(power))


def _share_above(x: Samples, freq_hz: float) -> float:
    freqs, power = _power(x)
    return float(np.sum(power[freqs > freq_hz]) / np.sum(power))


def _envelope(x: Samples) -> Samples:
    """RMS of frames of 20 ms."""
    frames = x[: len(x) // 320 * 320].reshape(-1, 320)
    return np.sqrt(np.mean(np.square(frames, dtype=float), axis=1))


def _activity(x: Samples) -> float:
    """The share of 20 ms frames within 20 dB of the loudest: how densely events follow one another."""
    envelope = _envelope(x)
    return float(np.mean(envelope > 0.1 * envelope.max()))


def _tonality(x: Samples) -> float:
    """How far the strongest narrow band between 300 and 2500 Hz stands over the median one."""
    freqs, power = _power(x)
    bands = power[(freqs > 300) & (freqs < 2500)]
    bands = bands[: len(bands) // 200 * 200].reshape(200, -1).mean(axis=1)
    return float(bands.max() / np.median(bands))


def _crest(x: Samples) -> float:
    return float(np.max(np.abs(x)) / _rms(x))


def _onsets(x: Samples) -> float:
    """Rises of more than 6 dB from one 20 ms frame to the next, a second."""
    level = np.log2(_envelope(x) + 1e-3)
    return float(np.sum(np.diff(level) > 1.0) / (len(x) / SAMPLE_RATE))


@pytest.mark.parametrize(("family", "attributes"), CASES)
def test_clip_is_sound_of_the_asked_length(family: Family, attributes: Attributes) -> None:
    for seed, duration_s in ((0, 1.0), (1, 2.53)):
        clip = family.render(np.random.default_rng(seed), duration_s, attributes)
        assert clip.shape == (round(duration_s * SAMPLE_RATE),)
        assert np.isfinite(clip).all()
        assert _rms(clip) > 0.005
        assert np.max(np.abs(clip)) <= 1.0


@pytest.mark.parametrize(("family", "attributes"), CASES)
def test_same_seed_same_samples_and_another_seed_another_clip(family: Family, attributes: Attributes) -> None:
    first, again, other = (family.render(np.random.default_rng(seed), 1.5, attributes) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize(("family", "attributes"), CASES)
def test_any_crop_of_two_and_a_half_seconds_holds_the_sound(family: Family, attributes: Attributes) -> None:
    clip = family.render(np.random.default_rng(3), 10.0, attributes)
    crops = clip[: len(clip) // 40000 * 40000].reshape(-1, 40000)
    assert all(_rms(crop) > 0.15 * _rms(clip) for crop in crops)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_minute_renders(name: str) -> None:
    assert len(_render(name, 0, 60.0)) == 60 * SAMPLE_RATE


@pytest.mark.parametrize(
    ("name", "axis", "values", "measure"),
    [
        ("rain", "intensity", ("light", "moderate", "heavy"), _rms),
        ("rain", "intensity", ("heavy", "moderate", "light"), _crest),
        ("wind", "intensity", ("gentle", "strong", "howling"), _rms),
        ("wind", "intensity", ("gentle", "howling"), _tonality),
        ("thunder", "intensity", ("rumbling", "cracking"), _centroid_hz),
        ("ocean_waves", "size", ("small", "large"), _rms),
        ("ocean_waves", "size", ("large", "small"), _centroid_hz),
        ("stream", "flow", ("trickling", "rushing"), _rms),
        ("stream", "flow", ("rushing", "trickling"), _crest),
        ("fire", "size", ("small", "roaring"), _rms),
        ("fire", "size", ("roaring", "small"), _centroid_hz),
        ("dripping", "pace", ("slow", "fast"), _onsets),
        ("birds", "pitch", ("low", "high"), _centroid_hz),
        ("birds", "density", ("single", "flock"), _activity),
        ("crickets", "density", ("few", "many"), _activity),
        ("frogs", "pitch", ("low", "high"), _centroid_hz),
        ("dog", "pitch", ("large", "small"), _centroid_hz),
        ("bees", "density", ("few", "swarm"), _rms),
    ],
)
def test_axis_is_audible(
    name: str, axis: str, values: tuple[str, ...], measure: Callable[[Samples], float]
) -> None:
    """Medians over seeds rise by a fifth or more from each value to the next."""
    medians = [
        np.median([measure(_render(name, seed, **{axis: value})) for seed in range(5)]) for value in values
    ]
    assert all(later > 1.2 * earlier for earlier, later in itertools.pairwise(medians)), medians


def test_insects_sing_in_their_band() -> None:
    assert _share_above(_render("crickets", 0), 3500) > 0.9
    assert _share_above(_render("bees", 0), 3500) < 0.05


def test_bubble_rises_and_dies() -> None:
    sound = bubble(1000.0, rise=0.2, ring=5.0)
    crossings = np.flatnonzero(np.diff(np.signbit(sound)))
    assert crossings[1] - crossings[0] > crossings[-1] - crossings[-2]
    assert np.max(np.abs(sound[-100:])) < 0.01


def test_swell_peaks_where_told() -> None:
    times_s = np.arange(-100, 1000) / 100
    hump = swell(times_s, 2.0)
    assert times_s[np.argmax(hump)] == pytest.approx(2.0)
    assert hump.max() == pytest.approx(1.0)
    assert not hump[:100].any()
