"""Two channels of one: their mean is it, to the bit where nothing is spread, whatever pieces it comes in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from studio.core.audio import to_int16
from studio.dsp.stereo import BassInTheMiddle, Doubled, Spread, Widened

RATE = 16000


def noise(count: int = RATE, level: float = 0.1, channels: int = 0) -> np.ndarray:
    shape = (count, channels) if channels else (count,)
    return np.random.default_rng(0).normal(0, level, shape).astype(np.float32)


def power_db(samples: np.ndarray) -> float:
    return 10 * float(np.log10(np.square(samples, dtype=np.float64).mean()))


@pytest.mark.parametrize("level", [0.01, 0.1, 0.5])
def test_the_mean_is_the_mono_sound_to_a_bit_of_sixteen(level: float) -> None:
    """A loud one too, whose side has no room at its peaks."""
    mono = np.clip(noise(level=level), -1, 1)
    both = to_int16(Widened(RATE, 1.0).push(mono)).astype(int)
    assert np.abs(both.sum(axis=1) - 2 * to_int16(mono).astype(int)).max() <= 2
    assert np.abs(both[:, 0] - both[:, 1]).max() > 200 * level


def test_at_width_nought_both_are_the_mono_sound_to_the_bit() -> None:
    mono = noise()
    for spread in (Doubled(), Widened(RATE, 0.0)):
        both = spread.push(mono)
        np.testing.assert_array_equal(both, np.stack([mono, mono], axis=1))


def test_it_is_the_equation() -> None:
    """Side = w · highpass(h ∗ mid), with h read off a single sample, in float64."""
    impulse = np.zeros(RATE // 4, np.float32)
    impulse[0] = 0.25
    both = Widened(RATE, 1.0).push(impulse).astype(np.float64)
    answer: np.ndarray = (both[:, 0] - both[:, 1]) / 2 / 0.25
    assert np.square(answer).sum() == pytest.approx(0.36, rel=0.1), "0.6 of the middle's level"
    mono = noise(RATE // 2, 0.05)
    wanted = np.convolve(mono.astype(np.float64), answer)[: len(mono)]
    both = Widened(RATE, 0.5).push(mono).astype(np.float64)
    np.testing.assert_allclose((both[:, 0] - both[:, 1]) / 2, 0.5 * wanted, atol=1e-6)


def test_levels_stay_and_little_is_lost_in_the_mean() -> None:
    mono = noise(10 * RATE)
    both = Widened(RATE, 0.7).push(mono)
    left, right = power_db(both[:, 0]), power_db(both[:, 1])
    assert abs(left - right) < 0.1
    assert power_db(both) - power_db(mono) == pytest.approx(0.7, abs=0.1)
    assert 0.6 < np.asarray(np.corrcoef(both.T))[0, 1] < 0.8


@pytest.mark.parametrize("hz", [30.0, 60.0])
def test_the_bass_stands_in_the_middle(hz: float) -> None:
    tone = (0.5 * np.sin(2 * np.pi * hz / RATE * np.arange(2 * RATE))).astype(np.float32)
    parted = np.stack([tone, np.roll(tone, 60)], axis=1)
    for both in (Widened(RATE, 1.0).push(tone), BassInTheMiddle(RATE).push(parted)):
        side, middle = (both[RATE:, 0] - both[RATE:, 1]) / 2, both[RATE:].mean(axis=1)
        assert power_db(side) < power_db(middle) - 20


def test_of_two_channels_the_mean_and_all_above_the_bass_stay() -> None:
    parted = noise(RATE, channels=2)
    both = BassInTheMiddle(RATE).push(parted)
    np.testing.assert_allclose(both.mean(axis=1), parted.mean(axis=1), atol=1e-7)
    side = (parted[:, 0].astype(np.float64) - parted[:, 1]) / 2
    wanted = sosfilt(butter(4, 120.0, "highpass", fs=RATE, output="sos"), side)
    np.testing.assert_allclose((both[:, 0] - both[:, 1]) / 2, wanted, atol=1e-6)


def test_nothing_comes_before_a_hit_and_both_channels_begin_with_it() -> None:
    hit = np.zeros(RATE, np.float32)
    hit[5000:5400] = noise(400, 0.3) * np.exp(-np.arange(400) / 80)
    both = Widened(RATE, 1.0).push(hit)
    assert not both[:5000].any()
    np.testing.assert_array_equal(both[5000:5020], np.stack([hit[5000:5020]] * 2, axis=1))


def spreads() -> list[tuple[Spread, Spread, np.ndarray]]:
    return [
        (Widened(RATE, 0.7), Widened(RATE, 0.7), noise(3000)),
        (BassInTheMiddle(RATE), BassInTheMiddle(RATE), noise(3000, channels=2)),
    ]


@given(cuts=st.lists(st.integers(0, 3000), max_size=8), kind=st.integers(0, 1))
@settings(max_examples=30, deadline=None)
def test_how_it_is_cut_changes_nothing_and_another_goes_on(cuts: list[int], kind: int) -> None:
    whole, cut, sound = spreads()[kind]
    wanted = whole.push(sound)
    heard, places = [], [0, *sorted(cuts), len(sound)]
    for start, stop in pairwise(places):
        heard.append(cut.push(sound[start:stop]))
        state, cut = cut.state_dict(), spreads()[kind][1]
        cut.load_state_dict(state)
    np.testing.assert_array_equal(np.concatenate(heard), wanted)


@pytest.mark.parametrize("spread", [Widened(RATE, 0.7), BassInTheMiddle(RATE)])
def test_another_s_state_is_none(spread: Spread) -> None:
    with pytest.raises(ValueError, match="no bass"):
        spread.load_state_dict({**spread.state_dict(), "bass": torch.zeros(3)})
