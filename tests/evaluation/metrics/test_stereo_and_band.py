"""What is left in mono, and how far up a sound reaches, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from studio.evaluation.metrics.bandwidth import BandwidthMeter
from studio.evaluation.metrics.stereo import MonoFit, MonoMeter

RATE = 44100


def fit_of(left: np.ndarray, right: np.ndarray) -> MonoFit | None:
    meter = MonoMeter(RATE)
    meter.push(np.stack([left, right], axis=1).astype(np.float32))
    return meter.fit()


@pytest.mark.parametrize(
    ("mixed", "correlation", "loss_db"),
    [(1.0, 1.0, 0.0), (-1.0, -1.0, -np.inf), (0.0, 0.0, -3.01), (0.5, 0.5, -1.25)],
)
def test_correlation_and_loss_are_those_of_the_formula(
    mixed: float, correlation: float, loss_db: float
) -> None:
    one, other = np.random.default_rng(0).standard_normal((2, 20 * RATE))
    fit = fit_of(one, mixed * one + np.sqrt(1 - mixed**2) * other)

    assert fit is not None
    assert fit.correlation == pytest.approx(correlation, abs=0.01)
    assert fit.loss_db == pytest.approx(loss_db, abs=0.03)


def test_the_lowest_window_is_where_a_channel_is_turned_over() -> None:
    sound = np.random.default_rng(1).standard_normal(15 * RATE)
    other = sound.copy()
    other[6 * RATE : 9 * RATE] *= -1
    fit = fit_of(sound, other)

    assert fit is not None
    assert fit.lowest == pytest.approx(-1)
    assert fit.lowest_at_s == pytest.approx(6)


def test_silence_fits_nothing_and_one_channel_has_nothing_in_common() -> None:
    assert fit_of(np.zeros(RATE), np.zeros(RATE)) is None
    fit = fit_of(np.ones(RATE), np.zeros(RATE))
    assert fit is not None
    assert fit.correlation == 0
    assert fit.loss_db == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize(("cutoff_hz", "rate"), [(3000, 8000), (7000, 44100), (15_000, 48_000)])
def test_the_band_ends_where_the_sound_was_cut(cutoff_hz: float, rate: int) -> None:
    spectrum = np.fft.rfft(np.random.default_rng(2).standard_normal(10 * rate))
    spectrum[np.fft.rfftfreq(10 * rate, 1 / rate) > cutoff_hz] = 0
    meter = BandwidthMeter(rate, 1)
    meter.push(np.fft.irfft(spectrum).astype(np.float32)[:, None])

    assert meter.bandwidth_hz() == pytest.approx(cutoff_hz, abs=200)


def test_silence_has_no_band() -> None:
    meter = BandwidthMeter(RATE, 2)
    meter.push(np.zeros((RATE, 2), np.float32))
    assert meter.bandwidth_hz() == 0
