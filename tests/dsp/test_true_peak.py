"""True peaks against what a sine must have, and the limiter that keeps them at a ceiling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.dsp.limiter import LOOKAHEAD_S, Limiter
from studio.dsp.true_peak import PeakEnvelope, TruePeakMeter, oversampling

RATE = 16000


def true_peak_db(sound: np.ndarray, rate: int = RATE, pieces: int = 1) -> float:
    meter = TruePeakMeter(rate, sound.shape[1])
    for piece in np.array_split(sound, pieces):
        meter.push(piece)
    return 20 * float(np.log10(meter.peak()))


def limited(sound: np.ndarray, gain_db: float, ceiling: float = -1.0, pieces: int = 1) -> np.ndarray:
    limiter = Limiter(RATE, sound.shape[1], gain_db, ceiling)
    made = [limiter.push(piece) for piece in np.array_split(sound, pieces)]
    return np.concatenate([*made, limiter.flush()])


def sine(part_of_rate: float, degrees: float, rate: int = RATE) -> np.ndarray:
    """A second at full scale, risen and fallen without a click."""
    wave = np.sin(2 * np.pi * part_of_rate * np.arange(rate) + np.deg2rad(degrees))
    edge = np.minimum(1, np.arange(rate) / (rate / 10))
    return (wave * edge * edge[::-1])[:, None]


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
def test_a_sine_at_a_quarter_of_the_rate_peaks_three_decibels_above_its_samples(rate: int) -> None:
    wave = sine(1 / 4, 45, rate)
    assert 20 * np.log10(np.abs(wave).max()) == pytest.approx(-3.01, abs=0.01)
    assert true_peak_db(wave, rate) == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize(("part", "degrees"), [(1 / 6, 60), (1 / 8, 67.5), (0.02, 0)])
def test_other_sines_peak_at_full_scale(part: float, degrees: float) -> None:
    """EBU Tech 3341, cases 15 to 19, allow +0.2 and −0.4 dB."""
    assert -0.1 < true_peak_db(sine(part, degrees)) < 0.05


def test_the_highest_sine_that_fits_is_not_missed() -> None:
    assert -0.3 < true_peak_db(sine(0.45, 10)) < 0.1


def test_a_lone_sample_is_its_own_peak_and_silence_has_none() -> None:
    click = np.zeros((1000, 1))
    click[0] = 0.5
    assert true_peak_db(click) == pytest.approx(-6.02, abs=0.01)
    click[0], click[-1] = 0, -0.5
    assert true_peak_db(click) == pytest.approx(-6.02, abs=0.01)
    assert TruePeakMeter(RATE).peak() == 0.0


def test_lower_rates_are_looked_at_more_closely() -> None:
    assert [oversampling(rate) for rate in (192000, 48000, 44100, 16000, 8000, 1)] == [4, 4, 8, 12, 24, 24]


@given(cuts=st.lists(st.integers(0, RATE), max_size=8))
@settings(max_examples=20, deadline=None)
def test_how_it_is_cut_changes_neither_peak_nor_limiting(cuts: list[int]) -> None:
    sound = np.random.default_rng(0).normal(0, 0.3, (RATE, 2))
    meter, limiter = TruePeakMeter(RATE, 2), Limiter(RATE, 2, 6.0, -1.0)
    parts = []
    for part in np.split(sound, sorted(cuts)):
        meter.push(part)
        parts.append(limiter.push(part))
    assert 20 * np.log10(meter.peak()) == pytest.approx(true_peak_db(sound), abs=1e-5)
    np.testing.assert_allclose(np.concatenate([*parts, limiter.flush()]), limited(sound, 6.0), atol=1e-6)


@pytest.mark.parametrize("ceiling", [-1.0, -3.0, 0.0])
@pytest.mark.parametrize("kind", ["noise", "clicks", "sine", "ends"])
def test_no_true_peak_passes_the_ceiling(kind: str, ceiling: float) -> None:
    rng = np.random.default_rng(2)
    sound = {
        "noise": rng.normal(0, 0.3, (RATE, 1)),
        "clicks": np.where(rng.random((RATE, 2)) < 0.001, 0.9, 0.001),
        "sine": sine(1 / 4, 45),
        "ends": np.r_[np.ones((40, 1)), np.zeros((RATE, 1)), np.ones((40, 1))],
    }[kind]
    out = limited(sound, 9.0, ceiling)
    assert out.shape == sound.shape
    assert true_peak_db(out) == pytest.approx(ceiling, abs=0.05)


def test_what_is_below_the_ceiling_passes_as_it_is() -> None:
    quiet = np.random.default_rng(3).normal(0, 0.05, (RATE, 1))
    np.testing.assert_allclose(limited(quiet, 3.0), quiet * 10 ** (3 / 20), rtol=1e-12)


def test_the_gain_moves_before_a_peak_and_all_channels_alike() -> None:
    steady = np.full((RATE, 2), 0.1)
    steady[RATE // 2, 0] = 1.0
    gain = limited(steady, 6.0) / (steady * 10 ** (6 / 20))
    np.testing.assert_allclose(gain[:, 0], gain[:, 1], rtol=1e-9)
    before = gain[RATE // 2 - round(LOOKAHEAD_S * RATE) - 40 : RATE // 2, 0]
    assert np.all(np.diff(before) <= 1e-12)
    assert before[0] == pytest.approx(1.0)
    assert gain[-1, 0] == pytest.approx(1.0), "and it is let go again"
    assert np.abs(np.diff(20 * np.log10(gain[:, 0]))).max() < 0.5, "no click"


def test_a_bass_is_turned_down_evenly() -> None:
    wave = np.sin(2 * np.pi * 60 * np.arange(2 * RATE) / RATE)[:, None]
    out = limited(wave, 6.0)[RATE // 2 : -RATE // 2, 0]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    tone = spectrum.argmax()
    rest = np.delete(spectrum, range(tone - 3, tone + 4))
    assert 20 * np.log10(np.linalg.norm(rest) / spectrum[tone]) < -40


def test_the_envelope_is_highest_at_the_two_samples_a_peak_lies_between() -> None:
    sound = np.zeros((200, 1))
    sound[100:102] = 0.5
    meter = PeakEnvelope(RATE)
    envelope = np.concatenate([meter.push(sound), meter.flush()])
    assert len(envelope) == len(sound)
    assert envelope[100] == envelope[101] == pytest.approx(0.5 * 4 / np.pi, abs=0.01)
    assert np.delete(envelope, [100, 101]).max() < 0.55
