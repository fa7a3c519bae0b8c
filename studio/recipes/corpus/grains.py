"""Short sounds from which textures are sown: bubbles, ticks and pops, and the sowing itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.recipes.corpus.synthesis import (
    Rng,
    Samples,
    bandpass,
    decay,
    known_part,
    place,
    sample_rate,
    seconds,
    white,
)


def bubble(freq_hz: float, rise: float = 0.1, ring: float = 1.0) -> Samples:
    """An air bubble under water: a decaying sine of rising pitch, peak near 1.

    Damping follows Minnaert's resonance as simplified by van den Doel, *Physically based models for liquid
    sounds* (2005), eq. 1-3: d = 0.13 f + 0.0072 f^1.5, pitch rising by `rise` of itself in each 1/d.
    `ring` > 1 prolongs the sound, which a cavity or a deep pool does.
    """
    damping = (0.13 * freq_hz + 0.0072 * freq_hz**1.5) / ring
    n = seconds(min(6.0 / damping, 0.5))
    t = np.arange(n) / sample_rate()
    phase = 2 * np.pi * freq_hz * t * (1 + 0.5 * rise * damping * t)
    return np.sin(phase) * np.exp(-damping * t)


def tick(rng: Rng, low_hz: float, high_hz: float, time_s: float) -> Samples:
    """A burst of noise in a band with an abrupt start, −60 dB after `time_s`, peak 1."""
    n = seconds(time_s)
    burst = bandpass(white(rng, n) * decay(n, time_s), low_hz, high_hz, 1)
    return burst / max(float(np.max(np.abs(known_part(burst)))), 1e-9)


def scatter(
    rng: Rng,
    out: Samples,
    grains: Sequence[Samples],
    times_s: NDArray[np.floating],
    spread: float = 0.6,
    gain: float = 1.0,
) -> None:
    """Add one randomly chosen grain at each time, with log-normal heights of `spread` nepers.

    Heights end at two standard deviations, or one freak grain would set the level of the whole clip.
    """
    picks = rng.integers(0, len(grains), len(times_s))
    nepers = spread * np.minimum(rng.standard_normal(len(times_s)), 2.0)
    heights = gain * np.exp(nepers) * rng.choice([-1.0, 1.0], len(times_s))
    for at_s, pick, height in zip(times_s, picks, heights, strict=True):
        place(out, grains[pick], at_s, height)


def swell(times_s: NDArray[np.floating], peak_s: float, sharpness: float = 2.0) -> NDArray[np.floating]:
    """A hump from time 0, 1 at `peak_s`, falling slower than it rose: (t/p · exp(1 − t/p)) ** sharpness."""
    t = np.maximum(times_s, 0.0) / peak_s
    return (t * np.exp(1 - t)) ** sharpness
