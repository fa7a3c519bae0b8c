"""Clicks, dropouts and silence: what is planted is found, what belongs to a sound is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from studio.evaluation.metrics.blocks import Pieces
from studio.evaluation.metrics.clicks import ClickFinder, prediction_error
from studio.evaluation.metrics.dropouts import DropoutFinder
from studio.evaluation.metrics.silence import SilenceMeter

RATES = [8000, 16000, 44100]


def texture(rate: int, seconds: float = 20, seed: int = 0) -> np.ndarray:
    """Coloured noise over a hum [n, 1]."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(round(rate * seconds)).astype(np.float32)
    noise[1:] += 0.8 * noise[:-1]
    hum = np.sin(2 * np.pi * 110 * np.arange(len(noise)) / rate)
    return (0.04 * noise + 0.1 * hum).astype(np.float32)[:, None]


def hits(rate: int, seconds: float = 20) -> np.ndarray:
    """Struck things: an abrupt beginning, and a ring of noise [n, 1]."""
    rng = np.random.default_rng(1)
    sound = 0.001 * rng.standard_normal(round(rate * seconds))
    length = round(0.06 * rate)
    ring = np.exp(-np.arange(length) / (0.012 * rate))
    for at in rng.integers(0, len(sound) - length, 60):
        sound[at : at + length] += 0.5 * ring * rng.standard_normal(length)
    return sound.astype(np.float32)[:, None]


def pushed(finder: object, sound: np.ndarray, size: int = 5000) -> None:
    for start in range(0, len(sound), size):
        finder.push(sound[start : start + size])  # type: ignore[attr-defined]


def clicks_in(sound: np.ndarray, rate: int, size: int = 5000) -> list[float]:
    finder = ClickFinder(rate, sound.shape[1])
    pushed(finder, sound, size)
    return finder.times_s()


def dropouts_in(sound: np.ndarray, rate: int) -> list[tuple[float, float]]:
    finder = DropoutFinder(rate, sound.shape[1])
    pushed(finder, sound)
    return [(span.at_s, span.length_s) for span in finder.spans()]


@pytest.mark.parametrize("rate", RATES)
def test_planted_clicks_are_found_and_nothing_else(rate: int) -> None:
    sound, rng = texture(rate), np.random.default_rng(2)
    places = np.sort(rng.choice(np.arange(1, 19), 15, replace=False)) * rate + rng.integers(0, rate // 2, 15)
    sound[places, 0] += 0.5 * rng.choice([-1, 1], 15)

    np.testing.assert_allclose(clicks_in(sound, rate), places / rate, atol=1e-3)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sound", [texture, hits])
def test_what_belongs_to_a_sound_is_no_click(rate: int, sound: object) -> None:
    assert clicks_in(sound(rate), rate) == []  # type: ignore[operator]


def test_a_step_in_one_channel_is_a_click_wherever_a_block_ends() -> None:
    sound = np.repeat(texture(16000), 2, axis=1)
    sound[100_000:, 1] += 0.4

    for size in (777, 16_000, 1_000_000):
        assert clicks_in(sound, 16000, size) == [pytest.approx(100_000 / 16000, abs=1e-4)]


def test_prediction_leaves_of_an_autoregression_what_drove_it() -> None:
    drive = np.random.default_rng(3).standard_normal(20_000)
    sound = np.zeros(20_000)
    for at in range(2, len(sound)):
        sound[at] = 1.2 * sound[at - 1] - 0.5 * sound[at - 2] + drive[at]

    np.testing.assert_allclose(prediction_error(sound, 2)[2:], drive[2:], atol=0.15)


@pytest.mark.parametrize("rate", RATES)
def test_holes_are_found_with_their_lengths(rate: int) -> None:
    sound = texture(rate)
    for at_s, length_s in ((2.5, 0.005), (7.2, 0.05), (12.0, 0.8)):
        sound[round(at_s * rate) : round((at_s + length_s) * rate)] = 0

    found = dropouts_in(sound, rate)
    np.testing.assert_allclose(found, [(2.5, 0.005), (7.2, 0.05), (12.0, 0.8)], atol=2e-3)


def test_a_faded_pause_and_one_channel_alone_are_no_dropouts() -> None:
    sound = texture(16000)
    fade = np.linspace(1, 0, 400)[:, None] ** 2
    sound[32_000:32_400] *= fade
    sound[32_400:40_000] = 0
    sound[40_000:40_400] *= fade[::-1]
    stereo = np.repeat(texture(16000, seed=1), 2, axis=1)
    stereo[30_000:30_800, 0] = 0

    assert dropouts_in(sound, 16000) == []
    assert dropouts_in(stereo, 16000) == []


@pytest.mark.parametrize("rate", RATES)
def test_silence_is_told_by_its_spans(rate: int) -> None:
    sound = texture(rate, 10)
    sound[3 * rate : 5 * rate] = 0
    sound[round(9.2 * rate) :] *= 1e-4
    sound[7 * rate : round(7.3 * rate)] = 0  # too short to be told
    meter = SilenceMeter(rate, 1)
    pushed(meter, sound)

    spans = [(span.at_s, span.length_s) for span in meter.spans()]
    np.testing.assert_allclose(spans, [(3.0, 2.0), (9.2, 0.8)], atol=0.051)


def test_pieces_are_the_same_however_sound_comes_in() -> None:
    sound = np.random.default_rng(4).standard_normal((1000, 2)).astype(np.float32)
    whole = Pieces(64, 10, 2)
    expected = [*whole.push(sound), *whole.flush()]
    bitwise = Pieces(64, 10, 2)
    found = [one for row in sound for one in bitwise.push(row[None])] + list(bitwise.flush())

    assert [at for at, _ in found] == [at for at, _ in expected] == list(range(0, 1000, 64))
    for (_, one), (_, other) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    padded = np.pad(sound, ((10, 100), (0, 0)))
    np.testing.assert_array_equal(expected[3][1], padded[3 * 64 : 3 * 64 + 84])
