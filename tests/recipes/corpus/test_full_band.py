"""The corpus at 48 kHz: the same sounds, as loud below 8 kHz, and something of them above."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.recipes.corpus.clip import describe, render
from studio.recipes.corpus.families import FAMILIES
from studio.recipes.corpus.synthesis import coloured, rendering_at, sample_rate, up_to, white

# What is nearly all above 8 kHz in nature, and what has nothing there.
BRIGHT = ("rain", "fire", "typing", "drums", "applause")
DARK = ("bass", "pad", "thunder")


def power_db(samples: NDArray[np.floating], rate: int, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(samples.astype(float))) ** 2
    freqs = np.fft.rfftfreq(len(samples), 1 / rate)
    inside = power[(freqs >= low_hz) & (freqs < high_hz)].sum() / len(samples) ** 2
    return 10 * np.log10(inside + 1e-14)


def both(family: str, seed: int, duration_s: float = 1.5) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    described = describe(seed, scene=False, family=family, duration_s=duration_s)
    with rendering_at(48_000):
        wide = render(described, seed)
    return render(described, seed), wide


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_in_range_at_48_khz_and_as_long(family: str) -> None:
    narrow, wide = both(family, 7)
    assert len(wide) == 3 * len(narrow)
    assert np.isfinite(wide).all()
    assert 0.01 < np.abs(wide).max() < 0.95


@pytest.mark.parametrize("family", BRIGHT)
def test_what_is_bright_goes_on_above_8_khz(family: str) -> None:
    _, wide = both(family, 11)
    assert power_db(wide, 48_000, 8000, 16_000) > power_db(wide, 48_000, 4000, 8000) - 15


@pytest.mark.parametrize("family", DARK)
def test_what_is_dark_stays_dark(family: str) -> None:
    _, wide = both(family, 11)
    assert power_db(wide, 48_000, 8000, 24_000) < power_db(wide, 48_000, 50, 4000) - 35


@pytest.mark.parametrize("family", ["rain", "wind", "stream", "fan"])
def test_the_known_band_keeps_its_balance(family: str) -> None:
    # Other draws of the same kind: what is typical of it is told by several.
    pairs = [both(family, seed) for seed in range(5, 11)]
    for low, high in ((50, 2000), (2000, 5000)):
        there = [power_db(n, 16_000, low, high) - power_db(n, 16_000, 50, 5000) for n, _ in pairs]
        here = [power_db(w, 48_000, low, high) - power_db(w, 48_000, 50, 5000) for _, w in pairs]
        assert np.mean(here) == pytest.approx(np.mean(there), abs=3.0)


def test_noise_has_one_density_at_every_rate() -> None:
    for make in (white, lambda rng, n: coloured(rng, n, 0.3)):
        narrow = make(np.random.default_rng(1), 160_000)
        with rendering_at(48_000):
            wide = make(np.random.default_rng(1), 480_000)
        there, here = power_db(narrow, 16_000, 100, 7900), power_db(wide, 48_000, 100, 7900)
        assert here == pytest.approx(there, abs=0.2)


def test_the_rate_is_of_the_block_alone() -> None:
    with rendering_at(48_000):
        assert (sample_rate(), up_to(7500)) == (48_000, 16_500)
        assert up_to(12_000) == 18_000
    assert (sample_rate(), up_to(7500)) == (16_000, 7500)
