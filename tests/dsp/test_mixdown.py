"""Weights against ITU-R BS.775's table, and channels that cancel each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from studio.dsp.mixdown import Polarity, layout_of_mask, mix_weights

HALF = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("mask", "ratios"),
    [
        (0x4, [1]),
        (0x3, [1, 1]),
        (0x7, [HALF, HALF, 1]),  # 3.0
        (0x33, [HALF, HALF, 0.5, 0.5]),  # quadrophony
        (0x107, [HALF, HALF, 1, HALF]),  # 4.0: one surround, which goes to both sides
        (0x37, [HALF, HALF, 1, 0.5, 0.5]),
        (0x3F, [HALF, HALF, 1, 0, 0.5, 0.5]),
        (0x60F, [HALF, HALF, 1, 0, 0.5, 0.5]),
        (0x70F, [HALF, HALF, 1, 0, HALF, 0.5, 0.5]),
        (0x63F, [HALF, HALF, 1, 0, 0.5, 0.5, 0.5, 0.5]),
        (0xFF, [HALF, HALF, 1, 0, 0.5, 0.5, HALF, HALF]),
    ],
)
def test_weights_are_the_standards(mask: int, ratios: list[float]) -> None:
    weights = mix_weights(layout_of_mask(mask, len(ratios)), len(ratios))
    np.testing.assert_allclose(weights, np.array(ratios) / sum(ratios), rtol=1e-6)
    assert weights.sum() == pytest.approx(1.0, abs=1e-6), "nothing within ±1 leaves it"


@pytest.mark.parametrize(("mask", "channels"), [(0, 4), (0x3F, 5), (0x3, 6), (0x8, 1), (1 << 20 | 3, 3)])
def test_what_no_mask_explains_is_averaged(mask: int, channels: int) -> None:
    weights = mix_weights(layout_of_mask(mask, channels), channels)
    np.testing.assert_allclose(weights, np.full(channels, 1 / channels))


def signs_of(*channels: np.ndarray) -> list[float]:
    polarity = Polarity(mix_weights(None, len(channels)))
    samples = np.stack(channels, axis=1).astype(np.float32)
    for start in range(0, len(samples), 1000):
        polarity.hear(samples[start : start + 1000])
    return polarity.signs().tolist()


NOISE, OTHER = np.random.default_rng(5).normal(0, 0.1, (2, 20_000))


@pytest.mark.parametrize(
    ("channels", "signs"),
    [
        ((NOISE, -NOISE), [1, -1]),
        ((NOISE, -0.9 * NOISE), [1, -1]),
        ((NOISE, -NOISE + 0.3 * OTHER), [1, -1]),
        ((NOISE + 0.4, -NOISE + 0.4), [1, -1]),
        ((NOISE, -NOISE, OTHER, -OTHER), [1, -1, 1, -1]),
        ((NOISE, -NOISE, NOISE), [1, -1, 1]),
        ((NOISE, NOISE), [1, 1]),
        ((NOISE, OTHER), [1, 1]),
        ((NOISE, -0.5 * NOISE + OTHER), [1, 1]),
        ((NOISE, -0.05 * NOISE), [1, 1]),
        ((NOISE, 0 * NOISE), [1, 1]),
        ((0 * NOISE, 0 * NOISE), [1, 1]),
        ((NOISE,), [1]),
    ],
    ids=[
        "opposed", "nearly", "with noise", "over an offset", "two pairs", "of three", "alike", "unlike",
        "wide", "a whisper", "one silent", "silence", "mono",
    ],
)  # fmt: skip
def test_only_what_cancels_is_turned_over(channels: tuple[np.ndarray, ...], signs: list[float]) -> None:
    assert signs_of(*channels) == signs
