"""Sound files as people have them, and what of them is heard."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from studio.core.audio import SAMPLE_RATE
from studio.pipeline.recording import Recording


def sine(rate: int, seconds: float = 1.5, hz: float = 440.0, peak: float = 0.5) -> np.ndarray:
    return peak * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)


def encoded(samples: np.ndarray, rate: int, **kind: Any) -> bytes:
    """A file of libsndfile's: `kind` is its format and subtype."""
    file = io.BytesIO()
    sf.write(file, samples, rate, **kind)
    return file.getvalue()


def tone_file(seconds: float, hz: float, rate: int = 44100, channels: int = 1, **kind: Any) -> bytes:
    return encoded(np.repeat(sine(rate, seconds, hz)[:, None], channels, axis=1), rate, **kind)


def pitch_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * SAMPLE_RATE / len(samples))


def loudness_at(samples: np.ndarray, hz: Iterable[float]) -> list[float]:
    """The amplitudes of sines in it."""
    window = np.hanning(len(samples))
    phases = [np.exp(-2j * np.pi * f * np.arange(len(samples)) / SAMPLE_RATE) for f in hz]
    return [2 * abs(float((samples * window @ phase).real) + 1j * float((samples * window @ phase).imag))
            / float(window.sum()) for phase in phases]  # fmt: skip


def assert_heard(recording: Recording, tones: Sequence[tuple[float, float]], within_s: float = 0.1) -> None:
    """All of the tones (seconds, Hz) are there, one after the other, and nothing else."""
    samples = recording.samples
    assert abs(len(samples) / SAMPLE_RATE - sum(seconds for seconds, _ in tones)) < within_s
    assert recording.source.duration_s == len(samples) / SAMPLE_RATE
    start = 0.0
    for seconds, hz in tones:
        middle = samples[
            round((start + 0.3 * seconds) * SAMPLE_RATE) : round((start + 0.7 * seconds) * SAMPLE_RATE)
        ]
        assert abs(pitch_hz(middle) - hz) < 5
        assert np.abs(middle).max() > 0.3
        start += seconds


def wave_bytes(
    samples: np.ndarray, rate: int, mask: int | None = None, guid: str = "0000000010008000 00aa00389b71"
) -> bytes:
    """A float WAV of samples [n, channels], with a channel mask if one is given."""
    channels, raw = samples.shape[1], samples.astype("<f4").tobytes()
    head = struct.pack("<HIIHH", channels, rate, 4 * channels * rate, 4 * channels, 32)
    if mask is None:
        fmt = struct.pack("<H", 3) + head
    else:
        fmt = struct.pack("<H", 0xFFFE) + head + struct.pack("<HHIH", 22, 32, mask, 3) + bytes.fromhex(guid)
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(raw)) + raw
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def written(path: Path, *contents: bytes) -> Path:
    path.write_bytes(b"".join(contents))
    return path


def without_ffmpeg(monkeypatch: Any, folder: Path) -> None:
    """As on a machine that has none."""
    monkeypatch.setenv("PATH", str(folder))
