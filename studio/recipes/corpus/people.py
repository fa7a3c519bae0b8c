"""What people do: footsteps, applause, typing, murmur.

Impacts are pre-rendered in a few variants and placed with human timing (Farnell, *Designing Sound*,
ch. 35 on footsteps; Peltola et al. 2007 on clapping); voices are source and formants (Klatt 1980).
"""

from __future__ import annotations

import numpy as np

from studio.recipes.corpus.family import Attributes, Family
from studio.recipes.corpus.synthesis import (
    Rng,
    Samples,
    attack_decay,
    bandpass,
    coloured,
    decay,
    drift,
    highpass,
    impulses,
    lowpass,
    modal,
    normalise,
    place,
    resonate,
    sample_rate,
    seconds,
    up_to,
    white,
)

# Formant frequencies of an adult man's vowels, Hz (Peterson and Barney 1952): a, e, i, o, u, schwa.
VOWELS_HZ = np.array(
    [
        [730, 1090, 2440],
        [530, 1840, 2480],
        [290, 2250, 3000],
        [570, 850, 2410],
        [310, 880, 2240],
        [500, 1400, 2400],
    ],
    dtype=float,
)


def _wood_step(rng: Rng, body_hz: float, running: bool) -> Samples:
    """A heel on boards: the floor's low modes, the sole's knock, then the softer toe."""
    n = seconds(0.32)
    modes_hz = body_hz * np.array([1, 1.7, 2.9, 4.6, 7.1]) * rng.uniform(0.94, 1.06, 5)
    knock = modal(modes_hz, (1.0, 0.8, 0.6, 0.4, 0.25), (0.2, 0.13, 0.09, 0.06, 0.04), n)
    heel = knock + 0.5 * bandpass(white(rng, n), 300, 2600) * decay(n, 0.035)
    out = heel.copy()
    toe_s = rng.uniform(0.03, 0.05) if running else rng.uniform(0.08, 0.13)
    place(out, lowpass(heel, 1400, 1), toe_s, rng.uniform(0.3, 0.5))
    return out


def _gravel_step(rng: Rng, body_hz: float, running: bool) -> Samples:
    """Stones grinding under a rolling foot: grains, dense at heel and toe, over a dull thud."""
    n = seconds(0.2 if running else 0.34)
    t = np.arange(n) / sample_rate()
    toe_s = 0.05 if running else rng.uniform(0.13, 0.18)
    roll = np.exp(-(((t - 0.025) / 0.02) ** 2)) + 0.8 * np.exp(-(((t - toe_s) / 0.045) ** 2)) + 0.05
    grains = impulses(rng, n, 1500, 0.5) * roll
    crunch = np.tanh(2 * bandpass(grains, rng.uniform(1100, 1600), up_to(rng.uniform(4500, 6500)), 1))
    hiss = highpass(white(rng, n), 1500) * roll * 0.08
    thud = modal((body_hz * 0.7, body_hz), (1.0, 0.6), (0.09, 0.07), n)
    fade = np.minimum(1, np.arange(n)[::-1] / (0.03 * sample_rate()))
    return (0.8 * crunch + hiss + 0.3 * thud) * fade


def _footsteps(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    out = np.zeros(seconds(duration_s))
    running = attributes["speed"] == "running"
    period_s = rng.uniform(0.31, 0.38) if running else rng.uniform(0.5, 0.62)
    body_hz = rng.uniform(75, 130)
    step = _gravel_step if attributes["surface"] == "gravel" else _wood_step
    feet = [[step(rng, body_hz * side, running) for _ in range(4)] for side in (1.0, rng.uniform(0.88, 0.96))]
    at, count = rng.uniform(-period_s, 0), 0
    while at < duration_s:
        sound = feet[count % 2][rng.integers(4)]
        place(out, sound, at, rng.uniform(0.75, 1.15) * (0.85 if count % 2 else 1.0))
        at, count = at + period_s * rng.normal(1, 0.035), count + 1
    return normalise(out + 0.001 * coloured(rng, len(out), 1.0))


def _clap(rng: Rng) -> Samples:
    """Two palms: a band-passed burst, its pitch set by how the hands are cupped."""
    n = seconds(0.06)
    centre_hz = rng.uniform(750, 2100)
    burst = resonate(white(rng, n), centre_hz, rng.uniform(1.2, 2.8))
    crack = 0.18 * highpass(white(rng, n), 1800) * decay(n, 0.015)
    return (burst + crack) * attack_decay(n, 0.0008, rng.uniform(0.03, 0.055))


def _applause(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    n = seconds(duration_s)
    out = np.zeros(n)
    large = attributes["size"] == "large"
    people = int(rng.integers(60, 95)) if large else int(rng.integers(3, 7))
    variants = [_clap(rng) for _ in range(24)]
    for _ in range(people):
        period_s = rng.uniform(0.2, 0.36)
        count = int(duration_s / period_s) + 3
        times = np.cumsum(rng.normal(period_s, 0.05 * period_s, count)) - rng.uniform(0, 2) * period_s
        near = rng.lognormal(0, 0.9 if large else 0.3)
        hands = variants[rng.integers(24)]
        for at, gain in zip(times, rng.uniform(0.6, 1.2, count) * near, strict=True):
            place(out, hands, float(at), float(gain))
    if large:
        # The far rows, too many to tell apart.
        out += 0.6 * out.std() * bandpass(white(rng, n), 800, 2600, 1)
    swell = drift(rng, n, 0.4, 0.65, 1.0)
    return normalise(out * swell + 0.001 * white(rng, n))


def _key(rng: Rng, weight: float, body_hz: float) -> Samples:
    """One key: the switch's click going down, the cap hitting the plate, and the quieter way up."""
    n = seconds(0.2)
    plate = modal(body_hz * weight * np.array([1, 2.2, 3.7]), (0.6, 0.4, 0.3), (0.05, 0.035, 0.025), n)
    snap = bandpass(white(rng, n), rng.uniform(1800, 2600), up_to(7000), 1) * attack_decay(n, 0.0005, 0.014)
    press = plate + 1.1 * snap
    out = 0.4 * snap
    place(out, press, rng.uniform(0.006, 0.014))
    place(out, highpass(press, 1200), rng.uniform(0.07, 0.12), rng.uniform(0.18, 0.35))
    return out


def _typing(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    out = np.zeros(seconds(duration_s))
    fast = attributes["speed"] == "fast"
    gap_s = rng.uniform(0.085, 0.115) if fast else rng.uniform(0.24, 0.34)
    body_hz = rng.uniform(320, 560)
    letters = [_key(rng, rng.uniform(0.9, 1.2), body_hz) for _ in range(8)]
    space = _key(rng, 0.5, body_hz)
    at, left = rng.uniform(0, 0.2), int(rng.integers(1, 8))
    while at < duration_s:
        if left:
            place(out, letters[rng.integers(8)], at, rng.lognormal(0, 0.22))
        else:
            place(out, space, at, rng.uniform(1.2, 1.7))
            left = int(rng.integers(3, 9))
            at += rng.uniform(0, 0.35) if rng.random() < 0.4 else 0.0
        left -= 1
        at += gap_s * rng.lognormal(0, 0.35)
    return normalise(out + 0.0015 * coloured(rng, len(out), 1.0))


def _syllable(rng: Rng, pitch_hz: float, tract: float) -> Samples:
    """A consonant's breath and a gliding vowel: glottal pulses through three moving formants."""
    n = seconds(rng.uniform(0.14, 0.27))
    glide = np.linspace(0, 1, n)
    freq_hz = pitch_hz * rng.uniform(0.9, 1.18) * (1 + rng.uniform(-0.14, 0.06) * glide)
    since_s = (np.cumsum(freq_hz) / sample_rate() % 1) / freq_hz
    glottis = np.exp(-since_s / 0.0009) + 0.02 * white(rng, n)
    first, last = VOWELS_HZ[rng.integers(6, size=2)] * tract
    voice = np.zeros(n)
    for target, blend in ((first, 1 - glide), (last, glide)):
        for formant_hz, gain, q in zip(target, (1.0, 0.55, 0.28), (6, 10, 13), strict=True):
            voice += gain * blend * resonate(glottis, formant_hz, q)
    voice *= np.sin(np.pi * np.minimum(1, glide * 0.98 + 0.02)) ** 0.7
    if rng.random() < 0.35:
        hiss = seconds(0.07)
        breath = bandpass(white(rng, hiss), 2500, up_to(rng.uniform(4500, 6500)), 1) * np.hanning(hiss)
        voice[: len(breath)] += 0.05 * breath[: len(voice)]
    return voice


def _murmur(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    n = seconds(duration_s)
    large = attributes["size"] == "large"
    speakers = []
    for _ in range(7 if large else 3):
        woman = rng.random() < 0.5
        pitch_hz = rng.uniform(165, 235) if woman else rng.uniform(90, 140)
        tract = rng.uniform(1.1, 1.2) if woman else rng.uniform(0.95, 1.04)
        speakers.append([_syllable(rng, pitch_hz, tract) for _ in range(4 if large else 7)])
    out = np.zeros(n)
    voices = int(rng.integers(14, 20)) if large else int(rng.integers(2, 4))
    for voice in range(voices):
        syllables, near = speakers[voice % len(speakers)], rng.lognormal(0, 0.35)
        at = rng.uniform(-1.5, 0.2)
        while at < duration_s:
            for fall in np.linspace(1.0, 0.6, int(rng.integers(4, 12))):
                sound = syllables[rng.integers(len(syllables))]
                place(out, sound, at, near * fall * rng.uniform(0.6, 1.2))
                at += len(sound) / sample_rate() * rng.uniform(0.8, 1.15)
            at += rng.uniform(0.2, 0.7)
    room = 0.02 * float(out.std()) * coloured(rng, n, 1.0)
    return normalise(lowpass(out, 3200 if large else 4200, 1) + room)


FAMILIES: tuple[Family, ...] = (
    Family("footsteps", _footsteps, {"speed": ("walking", "running"), "surface": ("gravel", "wood")}, False),
    Family("applause", _applause, {"size": ("small", "large")}),
    Family("typing", _typing, {"speed": ("slow", "fast")}, texture=False),
    Family("murmur", _murmur, {"size": ("small", "large")}),
)
