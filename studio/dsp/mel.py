"""The log-mel that AudioLDM's VAE and vocoder speak: 64 Slaney bands, 100 frames a second of 16 kHz."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

SAMPLE_RATE = 16000
N_FFT = 1024
HOP_SAMPLES = 160
# How a clip's ends are reflected; n samples give n // hop frames either way.
SEAMLESS = (N_FFT - HOP_SAMPLES) // 2  # 432, AudioLDM 2 and our own: frame i is centred on hop i's middle
CENTRED = N_FFT // 2  # 512, AudioLDM and TANGO: frame i is centred on hop i's beginning, 5 ms earlier
N_MELS = 64
F_MIN_HZ = 0.0
F_MAX_HZ = 8000.0
MAGNITUDE_FLOOR = 1e-5
LOG_FLOOR = float(np.log(MAGNITUDE_FLOOR))  # the log-mel of silence, −11.51

# Slaney's Auditory Toolbox: the mel scale is linear below 1 kHz and logarithmic above.
_BREAK_HZ = 1000.0
_LINEAR_HZ = 200.0 / 3.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hz → Slaney mel, any shape."""
    logarithmic = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ, logarithmic)


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney mel → Hz, any shape."""
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, logarithmic)


def band_edges_hz(bands: int) -> NDArray[np.float64]:
    """Edges of so many bands that are equally wide in mel, in Hz [bands + 1]."""
    ends = hz_to_mel(np.array([F_MIN_HZ, F_MAX_HZ]))
    return mel_to_hz(np.linspace(ends[0], ends[1], bands + 1))


@lru_cache(maxsize=1)
def mel_filterbank() -> NDArray[np.float64]:
    """Triangular filters [N_MELS, N_FFT // 2 + 1] with Slaney's norm: each has the area 1 over Hz."""
    bins_hz = np.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    edges_hz = band_edges_hz(N_MELS + 1)
    lower, centre, upper = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - lower) / (centre - lower)
    falling = (upper - bins_hz) / (upper - centre)
    return np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (upper - lower))


@lru_cache(maxsize=8)
def _operators(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Hann window [N_FFT] and transposed filterbank [bins, N_MELS] on the device."""
    # Outside inference mode, or a cached tensor made inside it would later break a training step.
    with torch.inference_mode(False):
        window = torch.hann_window(N_FFT, periodic=True, device=device, dtype=dtype)
        bank = torch.as_tensor(mel_filterbank().T.copy(), device=device, dtype=dtype)
    return window, bank


def log_mel(samples: Tensor, pad_samples: int = SEAMLESS) -> Tensor:
    """Samples [..., n] in [−1, 1] → log-mel [..., n // 160, 64], natural log of magnitudes.

    Differentiable; runs where `samples` are. Half precisions are computed, and given back, in float32.
    n must exceed `pad_samples`, the reflected margin: `SEAMLESS` or `CENTRED`.

    Raises:
        ValueError: fewer samples than the margin needs.
    """
    if samples.shape[-1] <= pad_samples:
        raise ValueError(f"log_mel needs more than {pad_samples} samples, got {samples.shape[-1]}")
    if samples.dtype not in {torch.float32, torch.float64}:
        samples = samples.float()
    window, bank = _operators(samples.device, samples.dtype)
    flat = samples.reshape(-1, samples.shape[-1])
    padded = functional.pad(flat, (pad_samples, pad_samples), mode="reflect")
    spectrum = torch.stft(
        padded, N_FFT, HOP_SAMPLES, window=window, center=False, onesided=True, return_complex=True
    )
    frames = samples.shape[-1] // HOP_SAMPLES  # a centred clip has one more, beyond its end
    mel = spectrum[..., :frames].abs().transpose(-1, -2) @ bank
    return mel.clamp(min=MAGNITUDE_FLOOR).log().reshape(*samples.shape[:-1], -1, N_MELS)
