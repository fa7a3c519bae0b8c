"""Animals: birds, crickets, frogs, a dog, bees.

After Farnell, *Designing Sound* (2010), practicals 30 (insects), 31 (birds) and 32 (mammals): syllables of
frequency-modulated tone, pulsed carriers, and glottal pulses through formants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from studio.recipes.corpus.family import Attributes, Family
from studio.recipes.corpus.synthesis import (
    Partials,
    Rng,
    Samples,
    bandpass,
    coloured,
    drift,
    harmonics,
    lowpass,
    normalise,
    oscillator,
    place,
    resonate,
    sample_rate,
    seconds,
    up_to,
    white,
)


def _outdoors(rng: Rng, n: int, level: float) -> Samples:
    """The faint air of an open place, so that pauses are quiet and not digitally silent."""
    return level * coloured(rng, n, 1.2)


def _hann(n: int, skew: float = 0.5) -> Samples:
    """A raised-cosine bump whose maximum lies at `skew` of its length."""
    t = np.linspace(0, 1, n)
    return np.sin(np.pi * t ** (np.log(0.5) / np.log(skew))) ** 2


# --- birds


def _syllable(freqs_hz: Partials, length_s: float, flutter_hz: float = 0, depth: float = 0) -> Samples:
    """A tone that glides through the given pitches, with an optional flutter (relative depth)."""
    n = seconds(length_s)
    t = np.arange(n) / sample_rate()
    contour = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(freqs_hz)), freqs_hz)
    contour = np.clip(contour * (1 + depth * np.sin(2 * np.pi * flutter_hz * t)), 200, 7600)
    tone = oscillator(contour, n)
    # A syrinx is nearly a pure whistle; a little of the second harmonic keeps it from being a test tone.
    if 2 * contour.max() < 0.475 * sample_rate():
        tone = tone + 0.06 * oscillator(2 * contour, n)
    return tone * _hann(n, 0.35) ** 0.6


def _sequence(parts: Sequence[tuple[float, Samples]]) -> Samples:
    out = np.zeros(max(seconds(at_s) + len(part) for at_s, part in parts))
    for at_s, part in parts:
        place(out, part, at_s)
    return out


def _chirps(rng: Rng, base: float) -> Samples:
    """Sparrow: a few short hooked chirps, up and sharply down."""
    gap, length = rng.uniform(0.13, 0.2), rng.uniform(0.06, 0.1)
    top = rng.uniform(1.25, 1.5)
    count = int(rng.integers(3, 7))
    return _sequence(
        [
            (k * gap, _syllable([base, base * top, base * 0.8], length * rng.uniform(0.9, 1.1)))
            for k in range(count)
        ]
    )


def _trill(rng: Rng, base: float) -> Samples:
    """Canary or wren: one syllable repeated fast."""
    gap = rng.uniform(0.055, 0.085)
    one = _syllable([base * 1.3, base * 0.85], gap * 0.8)
    return _sequence([(k * gap, (0.5 + 0.5 * min(1, k / 4)) * one) for k in range(int(rng.integers(8, 16)))])


def _whistles(rng: Rng, base: float) -> Samples:
    """Chickadee or oriole: two to four long clear notes, each on its own step."""
    parts, at_s = [], 0.0
    for _ in range(int(rng.integers(2, 5))):
        note, length = base * rng.choice([0.8, 0.9, 1.0, 1.12, 1.25]), rng.uniform(0.14, 0.28)
        parts.append(
            (at_s, _syllable([note * rng.uniform(0.85, 0.97), note, note * rng.uniform(0.9, 1.02)], length))
        )
        at_s += length + rng.uniform(0.03, 0.08)
    return _sequence(parts)


def _warble(rng: Rng, base: float) -> Samples:
    """Blackbird or robin: connected glides with flutter between."""
    parts, at_s = [], 0.0
    for _ in range(int(rng.integers(4, 8))):
        length = rng.uniform(0.07, 0.2)
        glide = base * rng.uniform(0.75, 1.35, 3)
        parts.append((at_s, _syllable(glide, length, rng.uniform(25, 45), rng.choice([0.0, 0.06, 0.1]))))
        at_s += length + rng.uniform(0.01, 0.05)
    return _sequence(parts)


def _peeps(rng: Rng, base: float) -> Samples:
    """Finch: rising peeps in pairs."""
    gap = rng.uniform(0.16, 0.24)
    parts = []
    for k in range(2 * int(rng.integers(1, 3))):
        peep = _syllable([base * 0.85, base * rng.uniform(1.2, 1.35)], gap * 0.6)
        parts.append((gap * (k + 0.5 * (k // 2)), peep))
    return _sequence(parts)


_SPECIES: tuple[Callable[[Rng, float], Samples], ...] = (_chirps, _trill, _whistles, _warble, _peeps)


def render_birds(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """Each bird keeps to its species, its pitch and two or three phrases, and pauses between them."""
    n = seconds(duration_s)
    low, high = (1300, 2300) if attributes["pitch"] == "low" else (3000, 4400)
    flock = attributes["density"] == "flock"
    out = _outdoors(rng, n, 0.004)
    for bird in range(int(rng.integers(6, 10)) if flock else 1):
        species = _SPECIES[rng.integers(len(_SPECIES))]
        base = rng.uniform(low, high)  # one register for all: "low" must stay below "high" in a flock too
        phrases = [species(rng, base * rng.uniform(0.95, 1.05)) for _ in range(3)]
        near = 0.4 if bird == 0 else rng.uniform(0.1, 0.4)
        at_s = rng.uniform(0, 0.5) if bird == 0 else rng.uniform(-0.5, 1.0)
        while at_s < duration_s:
            phrase = phrases[rng.integers(len(phrases))]
            place(out, phrase, at_s, near * rng.uniform(0.7, 1.0))
            at_s += len(phrase) / sample_rate() + rng.uniform(0.2, 0.9)
    return normalise(out, (0.09 if flock else 0.06) * rng.uniform(0.85, 1.15))


# --- crickets


def _cricket_chirp(rng: Rng, carrier_hz: float, pulses: int, pulse_s: float) -> Samples:
    """One stridulation: a few pulses of nearly pure tone that grow louder."""
    n = seconds(pulses * pulse_s)
    t = np.arange(n) / sample_rate()
    within = (t / pulse_s) % 1
    pulse = np.sin(np.pi * np.minimum(within / 0.7, 1.0)) ** 1.2
    grow = np.linspace(0.55, 1.0, n)
    # The wing slows within each pulse: the pitch sags by a per cent.
    sagging_hz, phase = carrier_hz * (1.01 - 0.02 * within), rng.uniform(0, 6.28)
    tone = oscillator(sagging_hz, n, phase)
    if 2 * sagging_hz.max() < 0.49 * sample_rate():
        tone = tone + 0.08 * oscillator(2 * sagging_hz, n, 2 * phase)
    return grow * pulse * tone


def render_crickets(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """Each insect chirps at its own carrier and pace; many of them fuse over a field of distant trills."""
    n = seconds(duration_s)
    many = attributes["density"] == "many"
    out = _outdoors(rng, n, 0.003)
    warmth = rng.uniform(0.85, 1.2)  # crickets of one evening share their tempo (Dolbear's law)
    for insect in range(int(rng.integers(9, 14)) if many else int(rng.integers(2, 4))):
        carrier = rng.uniform(4000, 5200)
        pulses, pulse_s = int(rng.integers(3, 6)), rng.uniform(0.028, 0.042) / warmth
        chirps = [_cricket_chirp(rng, carrier * rng.uniform(0.995, 1.005), pulses, pulse_s) for _ in range(3)]
        period = pulses * pulse_s + rng.uniform(0.16, 0.36) / warmth
        near = 0.3 if insect == 0 else 0.3 * rng.uniform(0.15, 0.8)
        at_s = rng.uniform(-period, 0)
        while at_s < duration_s:
            place(out, chirps[rng.integers(3)], at_s, near * rng.uniform(0.8, 1.0))
            at_s += period * rng.normal(1, 0.04) + (rng.uniform(0.2, 0.8) if rng.uniform() < 0.06 else 0)
    if many:
        field = bandpass(white(rng, n), 4100, 5100)
        out += 0.035 * field / np.std(field) * drift(rng, n, 14.0, 0.3, 1.0)
    return normalise(out, (0.08 if many else 0.045) * rng.uniform(0.85, 1.15))


# --- frogs and dogs: pulses through formants


def _formants(source: Samples, freqs_hz: Partials, gains: Partials, q: float) -> Samples:
    out = np.zeros(len(source))
    for freq, gain in zip(freqs_hz, gains, strict=True):
        out += gain * resonate(source, freq, q)
    return out


def _croak(rng: Rng, low: bool, body: float) -> Samples:
    """Throat pulses that ring in the vocal sac; a small frog's call has two parts ("rib-bit")."""
    length = rng.uniform(0.35, 0.65) if low else rng.uniform(0.16, 0.26)
    n = seconds(length)
    glide = np.linspace(0.9, 1.1, n) if low else np.linspace(0.8, 1.3, n)
    rate = glide * (rng.uniform(17, 27) if low else rng.uniform(24, 36))
    phase = np.cumsum(rate) / sample_rate() % 1
    source = np.exp(-phase * 5) * (white(rng, n) * 0.5 + np.sin(2 * np.pi * 7 * phase))
    freqs = np.array([260, 520, 980, 1700]) if low else np.array([1500, 2300, 3300, 4600])
    gains = (1.0, 0.7, 0.35, 0.12) if low else (0.8, 1.0, 0.45, 0.15)
    call = _formants(source, freqs * body, gains, 7) * _hann(n, 0.45) ** 0.5
    if not low:
        first = _formants(source[: n // 2], freqs * body * 0.8, gains, 7) * _hann(n // 2)
        call = np.concatenate([0.8 * first, np.zeros(seconds(0.03)), call])
    return call / max(float(np.max(np.abs(call))), 1e-9)


def render_frogs(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """One to three frogs that answer one another."""
    n = seconds(duration_s)
    low = attributes["pitch"] == "low"
    out = _outdoors(rng, n, 0.005)
    for frog in range(int(rng.integers(1, 4))):
        body = rng.uniform(0.85, 1.2)
        calls = [_croak(rng, low, body * rng.uniform(0.98, 1.02)) for _ in range(3)]
        near = 0.5 if frog == 0 else rng.uniform(0.15, 0.4)
        at_s = rng.uniform(-0.3, 0.6)
        while at_s < duration_s:
            call = calls[rng.integers(3)]
            place(out, call, at_s, near * rng.uniform(0.75, 1.0))
            at_s += len(call) / sample_rate() + rng.uniform(0.25, 0.9)
    return normalise(out, 0.07 * rng.uniform(0.85, 1.15))


def _bark(rng: Rng, small: bool, pitch_hz: float) -> Samples:
    """A glottal burst: pitch leaps up and falls, mouth opens and shuts, breath noise at the onset."""
    length = rng.uniform(0.11, 0.17) if small else rng.uniform(0.17, 0.27)
    n = seconds(length)
    arc = np.interp(np.linspace(0, 1, n), [0, 0.2, 0.5, 1], [0.75, 1.15, 1.05, 0.6])
    knots = np.arange(0, n, seconds(0.00375))
    rough = 1 + 0.04 * np.interp(np.arange(n), knots, rng.standard_normal(len(knots)))
    voiced = harmonics(pitch_hz * arc * rough, n, [k**-0.6 for k in range(1, 19 if not small else 8)])
    source = voiced + rng.uniform(0.3, 0.6) * white(rng, n) * _hann(n, 0.2)
    freqs = (900, 1700, 2900, 4600) if small else (380, 800, 1500, 2700)
    call = _formants(source, [f * rng.uniform(0.97, 1.03) for f in freqs], (1, 0.8, 0.4, 0.12), 3)
    call = lowpass(call, up_to(6500) if small else 2800, 1) * _hann(n, 0.25) ** 0.7
    return call / max(float(np.max(np.abs(call))), 1e-9)


def render_dog(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """Barks in bouts of one to four, by one dog."""
    n = seconds(duration_s)
    small = attributes["pitch"] == "small"
    pitch = rng.uniform(560, 820) if small else rng.uniform(150, 240)
    pace = rng.uniform(0.24, 0.34) if small else rng.uniform(0.34, 0.48)
    barks = [_bark(rng, small, pitch * rng.uniform(0.93, 1.07)) for _ in range(5)]
    out = _outdoors(rng, n, 0.004)
    at_s = rng.uniform(0, 0.4)
    while at_s < duration_s:
        for _ in range(int(rng.integers(1, 5))):
            place(out, barks[rng.integers(5)], at_s, 0.7 * rng.uniform(0.7, 1.0))
            at_s += pace * rng.uniform(0.85, 1.2)
        at_s += rng.uniform(0.25, 0.85)
    return normalise(out, 0.08 * rng.uniform(0.85, 1.15))


# --- bees


def _wing_table(rng: Rng) -> Samples:
    """One beat of a bee's wings as a table: harmonics that fall off, with a bump near the fourth."""
    t = np.arange(1024) / 1024
    gains = [1.0, 0.7, 0.45, 0.4, 0.3, 0.2, 0.16, 0.1, 0.08, 0.06, 0.04, 0.03]
    table = np.zeros(1024)
    for k, gain in enumerate(gains, start=1):
        table += gain * rng.uniform(0.6, 1.3) * np.sin(2 * np.pi * (k * t + rng.uniform()))
    return table


def render_bees(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """Insects that wander near and far, each with a wingbeat of its own that bends as it turns."""
    n = seconds(duration_s)
    swarm = attributes["density"] == "swarm"
    out = np.zeros(n)
    hive_hz = rng.uniform(205, 250)
    turn = 0.08 if swarm else 0.14
    for _ in range(5 if swarm else int(rng.integers(2, 4))):
        wing = _wing_table(rng)
        bend = rng.uniform(0.93, 1.07) * drift(rng, n, rng.uniform(1.0, 2.5), 1 - turn, 1 + turn)
        phase = np.cumsum(hive_hz * bend) * (1024 / sample_rate())
        near = drift(rng, n, 0.35, 0.5, 0.8) if swarm else drift(rng, n, 0.6, 0.08, 1.0)
        out += near * wing[phase.astype(int) & 1023]
    if swarm:
        # The layer played backwards is as good as five more bees, at none of the cost.
        out = out + out[::-1]
        out *= drift(rng, n, 11.0, 0.75, 1.0)
        out += 0.15 * bandpass(coloured(rng, n, 1.0), 150, 2500, 1)
    else:
        out += _outdoors(rng, n, 0.025)
    return normalise(out, (0.1 if swarm else 0.05) * rng.uniform(0.85, 1.15))


FAMILIES: tuple[Family, ...] = (
    Family("birds", render_birds, {"pitch": ("low", "high"), "density": ("single", "flock")}, texture=False),
    Family("crickets", render_crickets, {"density": ("few", "many")}),
    Family("frogs", render_frogs, {"pitch": ("low", "high")}, texture=False),
    Family("dog", render_dog, {"pitch": ("small", "large")}, texture=False),
    Family("bees", render_bees, {"density": ("few", "swarm")}),
)
