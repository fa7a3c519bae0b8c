"""Two sounds subtracted: nothing where they are one, what was planted where it was, no shift between them."""

from __future__ import annotations

import io

import matplotlib.image
import numpy as np
import pytest

from studio.dsp.difference import SPAN_DB, difference, difference_png, scale_png
from studio.dsp.spectrogram import N_BANDS

RATE = 16000


def noise(seconds: float, seed: int = 0, gain: float = 0.1) -> np.ndarray:
    return (gain * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def with_tone(sound: np.ndarray, at_s: float, hz: float, length_s: float = 0.5) -> np.ndarray:
    time = np.arange(round(length_s * RATE)) / RATE
    made, first = sound.copy(), round(at_s * RATE)
    made[first : first + len(time)] += (0.5 * np.sin(2 * np.pi * hz * time)).astype(np.float32)
    return made


def test_a_sound_does_not_differ_from_itself() -> None:
    sound = noise(3)
    seen = difference(sound, sound, RATE)
    assert not seen.decibels.any()
    assert (seen.decibels.shape, seen.lag_s, seen.from_s) == ((300, N_BANDS), 0.0, 0.0)
    assert (seen.alike(), seen.places()) == (1.0, [])


def test_what_was_planted_is_found_and_nothing_else() -> None:
    sound = noise(6)
    seen = difference(with_tone(sound, 1.0, 3000), with_tone(sound, 4.0, 800), RATE)
    assert seen.lag_s == 0
    two = sorted(seen.places(), key=lambda place: place.at_s)
    assert [place.db > 0 for place in two] == [False, True]
    assert [place.at_s for place in two] == pytest.approx([1.25, 4.25], abs=0.3)
    assert [place.hz for place in two] == pytest.approx([3000, 800], rel=0.12)
    assert not seen.decibels[180:380].any(), "between them both are one"


def test_what_lasts_is_told_of_beside_what_does_not() -> None:
    sound = noise(6)
    seen = difference(sound, with_tone(with_tone(sound, 0, 700, 6), 3.0, 5000), RATE).places()
    assert {round(place.hz, -3) for place in seen[:2]} == {1000, 5000}


def test_one_that_begins_later_is_laid_over_the_other() -> None:
    sound = noise(8)
    later = np.concatenate([noise(1.5, seed=1), sound])
    for one, other, lag_s, from_s in ((sound, later, 1.5, 0.0), (later, sound, -1.5, 1.5)):
        seen = difference(one, other, RATE)
        assert (seen.lag_s, seen.from_s) == (lag_s, from_s)
        assert not seen.decibels[4:-4].any(), "but for what the windows at the ends see"
        assert seen.length_s == pytest.approx(8.0, abs=0.02)


def test_unlike_sounds_and_tones_stay_where_they_are() -> None:
    assert difference(noise(4), noise(4, seed=1), RATE).lag_s == 0
    tone = np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE).astype(np.float32)
    assert difference(tone, tone[: 3 * RATE], RATE).lag_s == 0, "it fits at every period"


@pytest.mark.parametrize("lengths", [(0, 0), (0, 100), (1, RATE), (300, 300)])
def test_next_to_nothing_is_no_mistake(lengths: tuple[int, int]) -> None:
    seen = difference(*(noise(2)[:length] for length in lengths), RATE)
    assert seen.places() == []
    assert seen.alike() == pytest.approx(1.0, abs=0.2)


def test_what_both_have_below_hearing_is_no_difference() -> None:
    assert not difference(noise(2, gain=1e-6), noise(2, seed=1, gain=1e-5), RATE).decibels.any()


def test_long_ones_are_drawn_as_the_means_of_their_columns() -> None:
    seen = difference(noise(5), noise(5, gain=0.05), RATE)
    assert seen.pooled(2000) is seen.decibels
    pooled = seen.pooled(50)
    assert pooled.shape == (50, N_BANDS)
    np.testing.assert_allclose(pooled[3], seen.decibels[30:40].mean(axis=0), rtol=1e-5)


def test_the_colours_tell_which_is_louder_from_black() -> None:
    scale = matplotlib.image.imread(io.BytesIO(scale_png()))[0, :, :3]
    (red, _, blue), (other_red, _, other_blue) = scale[40], scale[-40]
    assert red > blue, "the first is louder: orange"
    assert other_blue > other_red, "the second: blue"
    assert scale[127:129].max() < 0.05
    picture = matplotlib.image.imread(io.BytesIO(difference_png(np.full((7, N_BANDS), 99.0, np.float32))))
    assert picture.shape[:2] == (N_BANDS, 7)
    np.testing.assert_allclose(picture[0, 0, :3], scale[-1])
    assert SPAN_DB > 0
