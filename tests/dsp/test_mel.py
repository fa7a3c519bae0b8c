"""The log-mel against transformers' filterbank and SciPy's Fourier transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import rfft
from transformers.audio_utils import mel_filter_bank

from studio.dsp.mel import LOG_FLOOR, log_mel, mel_filterbank


def reference(samples: np.ndarray) -> np.ndarray:
    """Frame by frame in float64, as docs/papers.md words it under "Latent geometry"."""
    bank = mel_filter_bank(513, 64, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney")
    padded = np.pad(samples, 432, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    frames = [padded[start : start + 1024] * window for start in range(0, len(padded) - 1023, 160)]
    return np.log(np.maximum(np.abs(rfft(np.array(frames), axis=-1)) @ bank, 1e-5))


def test_filterbank_is_slaneys() -> None:
    expected = mel_filter_bank(513, 64, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(mel_filterbank(), expected.T, atol=1e-14)


def test_agrees_with_the_reference() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (2, 3200))
    ours = log_mel(torch.from_numpy(samples))
    assert ours.shape == (2, 20, 64)
    np.testing.assert_allclose(ours.numpy(), [reference(item) for item in samples], atol=1e-9)
    single = log_mel(torch.from_numpy(samples[0]).float())
    np.testing.assert_allclose(single.numpy(), reference(samples[0]), atol=1e-3)


def test_silence_is_the_floor_and_gradients_are_finite() -> None:
    samples = torch.zeros(1, 1, 1600, requires_grad=True)
    mel = log_mel(samples)
    assert mel.shape == (1, 1, 10, 64)
    torch.testing.assert_close(mel, torch.full_like(mel, LOG_FLOOR))
    noisy = (torch.randn(1600, generator=torch.Generator().manual_seed(0)) * 0.1).requires_grad_()
    log_mel(noisy).sum().backward()
    assert noisy.grad is not None
    assert noisy.grad.isfinite().all()
    assert noisy.grad.abs().max() > 0


def test_half_precision_is_computed_in_float32() -> None:
    assert log_mel(torch.zeros(640, dtype=torch.float16)).dtype == torch.float32


def test_works_for_training_after_inference_mode() -> None:
    with torch.inference_mode():
        log_mel(torch.zeros(640))
    samples = torch.full((640,), 0.1, requires_grad=True)
    log_mel(samples).sum().backward()


def test_too_short() -> None:
    with pytest.raises(ValueError, match="432"):
        log_mel(torch.zeros(432))
