"""The measure of what is put above 8 kHz: the truth is not apart from itself, and a baseline is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.evaluation.suites.bandwidth import (
    Samples,
    best_shelf,
    known_of,
    log_powers,
    measure_bandwidth,
    mirrored,
    spectral_distance,
)
from studio.modules.band_extension import BandExtension

RATE = 48_000


class Spectra:
    """Hears eight octave bands."""

    name, sample_rate, width = "spectra", RATE, 8
    source = licence = version = "none"

    def embed(self, samples: Samples) -> np.ndarray:
        power = np.abs(np.fft.rfft(samples)) ** 2
        edges = np.linspace(0, len(power), 9).astype(int)
        bands = [power[a:b].mean() for a, b in pairwise(edges)]
        return np.log(np.array(bands, np.float32) + 1e-9)[None]


def hiss(seed: int, seconds: float = 0.5) -> Samples:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def as_it_is(mel: Tensor) -> tuple[Tensor, Tensor]:
    return mel, 0.1 * torch.randn(1, 160 * mel.shape[1], generator=torch.Generator().manual_seed(3))


def test_a_sound_is_at_no_distance_from_itself_and_louder_ones_are_that_far() -> None:
    sound = hiss(0)
    assert spectral_distance(sound, sound) == 0
    assert spectral_distance(2 * sound, sound) == pytest.approx(6.02, abs=0.05)


def test_two_noises_are_apart_as_chance_has_it() -> None:
    assert spectral_distance(hiss(1), hiss(2)) == pytest.approx(7.9, abs=0.4)


def test_the_mirror_turns_the_band_over() -> None:
    t = np.arange(RATE // 2) / RATE
    sound = np.sin(2 * np.pi * 2000 * t).astype(np.float32)
    image = mirrored(known_of(sound).sound, 0.0)
    powers = log_powers(torch.from_numpy(image)[None])[:, 50]
    assert 8000 + 50 * powers.argmax() == 14_000
    assert np.abs(image).max() == pytest.approx(2.0, rel=0.1)


def test_the_shelf_is_what_the_real_band_lacks_or_has_too_much() -> None:
    real = [hiss(i) for i in range(3)]
    assert best_shelf(real, [known_of(sound) for sound in real]) == pytest.approx(0.0, abs=0.3)
    quieter = [0.5 * sound for sound in real]
    assert best_shelf(quieter, [known_of(sound) for sound in real]) == pytest.approx(-1.39, abs=0.3)


def test_all_figures_are_there_and_of_all_sounds() -> None:
    torch.manual_seed(0)
    extension = BandExtension(width=8, layers=1).eval()
    sounds = [hiss(i) for i in range(10)]
    groups = [str(i) for i in range(10)]
    found = measure_bandwidth(extension, as_it_is, sounds, groups, Spectra())
    assert found["mel_l1_16k"]["n"] == found["decoded"]["lsd"]["n"] == 10
    assert found["mel_l1_48k"]["value"] == pytest.approx(found["mel_l1_16k"]["value"], abs=0.05)
    assert found["known"]["lsd_share"]["value"] == pytest.approx(
        found["known"]["lsd"]["value"] / found["known"]["lsd_mirror"]["value"]
    )
    assert found["known"]["auc_mirror"]["value"] > 0.9, "it has nothing above 16 kHz"
    assert "auc" not in measure_bandwidth(extension, as_it_is, sounds, groups, None)["known"]
