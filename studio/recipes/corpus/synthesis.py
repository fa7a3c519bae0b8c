"""Building blocks of procedural sound. Every function is pure: same generator state, same samples.

All signals are mono float32/float64 arrays at `sample_rate()`: 16 kHz, which the models know, or more inside
`rendering_at`. What is below 8 kHz is as loud at any rate. The constructions follow Andy Farnell, *Designing
Sound* (MIT Press, 2010), and the physical-modelling literature named where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from studio.core.audio import SAMPLE_RATE

Samples = NDArray[np.floating]
Rng = np.random.Generator
Partials = Sequence[float] | NDArray[np.floating]


_RATE = ContextVar("sample_rate", default=SAMPLE_RATE)
_OPENING = 2.2  # of a band's upper edge, where there is room
_HIGHEST_HZ = 18_000.0


@contextmanager
def rendering_at(rate_hz: int) -> Iterator[None]:
    """Let all that is rendered inside be at another rate, a multiple of 16 kHz."""
    token = _RATE.set(rate_hz)
    try:
        yield
    finally:
        _RATE.reset(token)


def sample_rate() -> int:
    """Samples a second of what is being rendered."""
    return _RATE.get()


def up_to(edge_hz: float) -> float:
    """The upper edge of a band that ends at `edge_hz` for want of room only: higher at a higher rate."""
    return edge_hz if sample_rate() == SAMPLE_RATE else min(_OPENING * edge_hz, _HIGHEST_HZ)


def known_part(x: Samples) -> Samples:
    """What of `x` [n] lies below 8 kHz, by which levels are set: all of it at 16 kHz."""
    if sample_rate() == SAMPLE_RATE:
        return x
    spectrum = np.fft.rfft(x)
    spectrum[np.fft.rfftfreq(len(x), 1 / sample_rate()) > SAMPLE_RATE / 2] = 0
    return np.fft.irfft(spectrum, len(x))


def seconds(duration_s: float) -> int:
    """Whole samples in `duration_s`, at least one."""
    return max(1, round(duration_s * sample_rate()))


def white(rng: Rng, n: int) -> Samples:
    """Gaussian noise of unit variance below 8 kHz."""
    return rng.standard_normal(n) * np.sqrt(sample_rate() / SAMPLE_RATE)


def coloured(rng: Rng, n: int, exponent: float) -> Samples:
    """Noise whose power falls as 1/f**exponent (0 white, 1 pink, 2 brown), unit variance below 8 kHz."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    freqs = np.maximum(np.fft.rfftfreq(n, 1 / sample_rate()), 20.0)
    shaped = np.fft.irfft(spectrum * freqs ** (-exponent / 2), n)
    return shaped / max(float(known_part(shaped).std()), 1e-9)


def drift(rng: Rng, n: int, rate_hz: float, low: float = 0.0, high: float = 1.0) -> Samples:
    """A smooth random control curve between `low` and `high` that wanders at about `rate_hz`.

    Uniform knots joined by cubic interpolation, with a random phase so clips do not start alike.
    """
    duration = n / sample_rate()
    knots = max(4, int(np.ceil(duration * rate_hz)) + 4)
    values = rng.uniform(0, 1, knots)
    at = (np.arange(knots) - 1 - rng.uniform(0, 1)) / rate_hz
    coarse_n = max(8, int(duration * max(50.0, rate_hz * 20)))
    coarse_t = np.linspace(0, duration, coarse_n)
    from scipy.interpolate import PchipInterpolator

    coarse = PchipInterpolator(at, values, extrapolate=True)(coarse_t)
    fine = np.interp(np.arange(n) / sample_rate(), coarse_t, np.clip(coarse, 0, 1))
    return low + (high - low) * fine


def bandpass(x: Samples, low_hz: float, high_hz: float, order: int = 2) -> Samples:
    """Butterworth band-pass; edges are clipped to the audible range below Nyquist."""
    low, high = max(low_hz, 10.0), min(high_hz, sample_rate() / 2 * 0.98)
    sos = signal.butter(order, [low, max(high, low * 1.05)], "bandpass", fs=sample_rate(), output="sos")
    return signal.sosfilt(sos, x)


def lowpass(x: Samples, cutoff_hz: float, order: int = 2) -> Samples:
    sos = signal.butter(
        order, min(cutoff_hz, sample_rate() * 0.49), "lowpass", fs=sample_rate(), output="sos"
    )
    return signal.sosfilt(sos, x)


def highpass(x: Samples, cutoff_hz: float, order: int = 2) -> Samples:
    sos = signal.butter(order, max(cutoff_hz, 10.0), "highpass", fs=sample_rate(), output="sos")
    return signal.sosfilt(sos, x)


def resonate(x: Samples, freq_hz: float, q: float) -> Samples:
    """A two-pole resonance, unity gain at its centre."""
    b, a = signal.iirpeak(min(freq_hz, sample_rate() * 0.48), q, fs=sample_rate())
    return signal.lfilter(b, a, x)


def swept_filter(x: Samples, centre_hz: Samples, q: float, block: int = 400) -> Samples:
    """A resonance whose centre follows a curve, updated every `block` samples of 16 kHz, its state kept."""
    block = block * sample_rate() // SAMPLE_RATE
    out = np.empty(len(x))
    state = np.zeros(2)
    for start in range(0, len(x), block):
        part = slice(start, start + block)
        centre = float(np.clip(np.mean(centre_hz[part]), 30.0, sample_rate() * 0.47))
        b, a = signal.iirpeak(centre, q, fs=sample_rate())
        out[part], state = signal.lfilter(b, a, x[part], zi=state)
    return out


def oscillator(freq_hz: Samples | float, n: int, phase: float = 0.0) -> Samples:
    """A sine whose frequency may vary from sample to sample."""
    freq = np.broadcast_to(np.asarray(freq_hz, dtype=float), (n,))
    return np.sin(2 * np.pi * (np.cumsum(freq) / sample_rate()) + phase)


def harmonics(freq_hz: Samples | float, n: int, gains: Sequence[float], phase: float = 0.0) -> Samples:
    """A sum of harmonics with the given gains; partials above Nyquist are left out."""
    freq = np.broadcast_to(np.asarray(freq_hz, dtype=float), (n,))
    angle = 2 * np.pi * np.cumsum(freq) / sample_rate() + phase
    top = float(freq.max())
    out = np.zeros(n)
    for k, gain in enumerate(gains, start=1):
        if gain and top * k < sample_rate() * 0.49:
            out += gain * np.sin(k * angle)
    return out


def decay(n: int, time_s: float) -> Samples:
    """Exponential decay to 1/1000 (−60 dB) in `time_s`."""
    return np.exp(-6.9078 * np.arange(n) / (time_s * sample_rate()))


def attack_decay(n: int, attack_s: float, time_s: float) -> Samples:
    """Linear attack, then exponential decay (−60 dB in `time_s`)."""
    envelope = decay(n, time_s)
    rise = min(n, max(1, round(attack_s * sample_rate())))
    envelope[:rise] *= np.linspace(0, 1, rise, endpoint=False)
    return envelope


def modal(freqs_hz: Partials, gains: Partials, decays_s: Partials, n: int) -> Samples:
    """A struck body: a sum of decaying sines (modal synthesis, after van den Doel and Pai)."""
    t = np.arange(n) / sample_rate()
    out = np.zeros(n)
    for freq, gain, time_s in zip(freqs_hz, gains, decays_s, strict=True):
        if freq < sample_rate() * 0.49:
            out += gain * np.sin(2 * np.pi * freq * t) * np.exp(-6.9078 * t / time_s)
    return out


def poisson_times(rng: Rng, duration_s: float, rate_hz: float) -> NDArray[np.floating]:
    """Event times of a Poisson process of `rate_hz` over the clip, sorted."""
    return np.sort(rng.uniform(0, duration_s, rng.poisson(rate_hz * duration_s)))


def regular_times(rng: Rng, duration_s: float, period_s: float, jitter: float = 0.05) -> NDArray[np.floating]:
    """Event times about every `period_s`, each off by a Gaussian of `jitter` periods, with a random start."""
    count = int(duration_s / period_s) + 2
    times = (np.arange(count) + rng.uniform(-1, 0)) * period_s + rng.normal(0, jitter * period_s, count)
    return np.sort(times[(times >= 0) & (times < duration_s)])


def place(out: Samples, sound: Samples, at_s: float, gain: float = 1.0) -> None:
    """Add `sound` into `out` at `at_s`, cutting what falls off either end."""
    start = round(at_s * sample_rate())
    skip = max(0, -start)
    start = max(0, start)
    length = min(len(sound) - skip, len(out) - start)
    if length > 0:
        out[start : start + length] += gain * sound[skip : skip + length]


def impulses(rng: Rng, n: int, rate_hz: float, spread: float = 0.5) -> Samples:
    """Poisson impulses with log-normal heights: the seed of crackle, rain and gravel."""
    out = np.zeros(n)
    count = rng.poisson(rate_hz * n / sample_rate())
    np.add.at(out, rng.integers(0, n, count), rng.lognormal(0, spread, count) * rng.choice([-1, 1], count))
    return out


def reverb(rng: Rng, x: Samples, time_s: float, wet: float, damping_hz: float = 4000.0) -> Samples:
    """Convolution with decaying filtered noise (Moorer's model of a diffuse room)."""
    n = seconds(min(time_s, 4.0))
    tail = lowpass(rng.standard_normal(n), damping_hz, 1) * decay(n, time_s)
    tail[: seconds(0.008)] *= 0.2
    tail /= max(float(np.sqrt(np.sum(tail**2))), 1e-9)
    return (1 - wet) * x + wet * signal.fftconvolve(x, tail)[: len(x)]


def normalise(x: Samples, rms: float = 0.08, peak: float = 0.95) -> NDArray[np.float32]:
    """Scale to an RMS level, then hold the peak below `peak`; silence stays silence."""
    x = x - np.mean(x)
    level = float(np.sqrt(np.mean(x**2)))
    if level < 1e-9:
        return np.zeros(len(x), np.float32)
    x = x * (rms / level)
    top = float(np.max(np.abs(x)))
    if top > peak:
        x = np.tanh(x / peak * 0.98) * peak if top < 3 * peak else x * (peak / top)
    return x.astype(np.float32)
