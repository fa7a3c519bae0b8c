"""Music: drums, bass, pad, arpeggio, bell.

A step sequencer over pre-rendered notes. Oscillators are band-limited wavetables; drums are the classic
analogue circuits (swept sine, tuned noise); bells use the partials of a church bell (Rossing 2000).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.recipes.corpus.family import Attributes, Family
from studio.recipes.corpus.synthesis import (
    Rng,
    Samples,
    attack_decay,
    bandpass,
    decay,
    drift,
    highpass,
    lowpass,
    modal,
    normalise,
    oscillator,
    place,
    sample_rate,
    seconds,
    up_to,
    white,
)

TABLE = 8192

# Sixteen steps a bar: kick, snare and hat; x is a stroke, o an open hat.
GROOVES = (
    ("x.......x.......", "....x.......x...", "x.x.x.x.x.x.x.x."),
    ("x.....x.x.......", "....x.......x...", "x.x.x.x.x.x.x.o."),
    ("x...x...x...x...", "....x.......x...", "..o...o...o...o."),
    ("x..x..x...x.....", "....x.......x..x", "x.x.x.x.x.x.x.x."),
    ("x.x.......x.....", "....x..x.x..x...", "x.xxx.x.x.xxx.o."),
)
# Scale degrees of four-chord loops, in semitones from the tonic with minor (3) or major (4) thirds.
PROGRESSIONS = (
    ((0, 3), (8, 4), (3, 4), (10, 4)),
    ((0, 4), (9, 3), (5, 4), (7, 4)),
    ((0, 3), (5, 3), (8, 4), (7, 3)),
    ((0, 4), (7, 4), (9, 3), (5, 4)),
)
# Eight steps of a bass line, in semitones from the tonic.
RIFFS = (
    (0, 0, 7, 0, 12, 0, 10, 7),
    (0, 12, 0, 0, 3, 5, 7, 5),
    (0, 0, 0, 3, 0, 0, 5, 7),
    (0, 7, 12, 7, 10, 7, 5, 3),
)


def _hz(note: float) -> float:
    """Frequency of a MIDI note number."""
    return 440.0 * 2.0 ** ((note - 69) / 12)


def _wavetable(freq_hz: float, n: int, slope: float, phase: float = 0.0) -> Samples:
    """A tone of `n` samples with harmonics 1/k**slope up to Nyquist, read from one stored cycle."""
    count = max(1, int(sample_rate() * 0.48 / freq_hz))
    spectrum = np.zeros(TABLE // 2 + 1, dtype=complex)
    k = np.arange(1, min(count, TABLE // 2) + 1)
    spectrum[k] = -0.5j * TABLE * k ** (-slope)
    cycle = np.fft.irfft(spectrum, TABLE)
    position = (np.arange(n) * (freq_hz / sample_rate()) + phase) * TABLE
    return cycle[position.astype(np.int64) % TABLE]


def _kick(rng: Rng) -> Samples:
    n = seconds(0.4)
    t = np.arange(n) / sample_rate()
    sweep_hz = rng.uniform(42, 58) + rng.uniform(90, 180) * np.exp(-t / 0.028)
    click = 0.3 * bandpass(white(rng, n), 1000, 4500) * decay(n, 0.012)
    return oscillator(sweep_hz, n) * attack_decay(n, 0.001, rng.uniform(0.28, 0.4)) + click


def _snare(rng: Rng) -> Samples:
    n = seconds(0.3)
    shell = modal(rng.uniform(170, 220) * np.array([1, 1.62, 2.3]), (0.6, 0.4, 0.2), (0.14, 0.1, 0.07), n)
    wires = bandpass(white(rng, n), 1200, up_to(7500), 1) * decay(n, rng.uniform(0.16, 0.26))
    return shell + 0.75 * wires


def _hat(rng: Rng, time_s: float) -> Samples:
    n = seconds(time_s)
    return highpass(white(rng, n), 5800, 4) * attack_decay(n, 0.0005, time_s)


def _drums(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    out = np.zeros(seconds(duration_s))
    tempo = rng.uniform(132, 165) if attributes["speed"] == "fast" else rng.uniform(68, 88)
    step_s = 15.0 / tempo
    kit = {"kick": _kick(rng), "snare": _snare(rng), "x": _hat(rng, 0.07), "o": _hat(rng, 0.28)}
    kick, snare, hat = GROOVES[rng.integers(len(GROOVES))]
    swing = rng.uniform(0, 0.2) * step_s
    offset = int(rng.integers(16))
    for index in range(int(duration_s / step_s) + 1):
        step = (index + offset) % 16
        at = index * step_s + (swing if step % 2 else 0.0) + abs(rng.normal(0, 0.003))
        if kick[step] == "x":
            place(out, kit["kick"], at, rng.uniform(0.9, 1.05))
        if snare[step] == "x":
            place(out, kit["snare"], at, rng.uniform(0.65, 0.8))
        elif rng.random() < 0.04:
            place(out, kit["snare"], at, 0.15)
        if hat[step] != ".":
            place(out, kit[hat[step]], at, rng.uniform(0.28, 0.4) * (1.0 if step % 4 == 0 else 0.7))
    return normalise(out)


def _bass_note(rng: Rng, freq_hz: float, length_s: float, bright_hz: float) -> Samples:
    """A plucked filtered saw; a bright copy dying before a dark one stands for the closing filter."""
    n = seconds(length_s)
    saw = _wavetable(freq_hz, n, 1.0, rng.uniform(0, 1)) + 0.6 * _wavetable(freq_hz * 1.004, n, 1.0)
    bright = lowpass(saw, bright_hz, 3) * attack_decay(n, 0.003, min(0.5, length_s))
    dark = lowpass(saw, 260, 2) * attack_decay(n, 0.004, 2.5 * length_s)
    release = np.clip(np.arange(n)[::-1] / (0.02 * sample_rate()), 0, 1)
    return (0.8 * bright + dark) * release


def _bass(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    out = np.zeros(seconds(duration_s))
    fast = attributes["speed"] == "fast"
    step_s = rng.uniform(0.17, 0.23) if fast else rng.uniform(0.6, 0.8)
    tonic = int(rng.integers(29, 40))
    bright_hz = rng.uniform(900, 2000)
    riff = RIFFS[rng.integers(len(RIFFS))]
    notes = {
        degree: _bass_note(rng, _hz(tonic + degree), step_s * rng.uniform(0.8, 0.98), bright_hz)
        for degree in sorted(set(riff))
    }
    offset = int(rng.integers(8))
    for index in range(int(duration_s / step_s) + 1):
        step = (index + offset) % 8
        if step % 2 and rng.random() < 0.1:
            continue
        place(out, notes[riff[step]], index * step_s + abs(rng.normal(0, 0.004)), rng.uniform(0.8, 1.05))
    return normalise(out)


def _chord(progression: Sequence[tuple[int, int]], index: int, tonic: int) -> NDArray[np.intp]:
    """MIDI notes of a seventh chord: root, third, fifth, seventh."""
    root, third = progression[index % len(progression)]
    return tonic + root + np.array([0, third, 7, 10 if third == 3 else 11])


def _pad(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    n = seconds(duration_s)
    bright = attributes["tone"] == "bright"
    tonic = int(rng.integers(48, 60))
    progression = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    chord_s, fade_s = rng.uniform(2.6, 4.0), rng.uniform(0.5, 0.9)
    out = np.zeros(n)
    at, index = -rng.uniform(0, 0.6) * chord_s, int(rng.integers(4))
    while at < duration_s:
        length = seconds(chord_s + fade_s)
        voices = np.zeros(length)
        for note in _chord(progression, index, tonic):
            folded = note - 12 if note > tonic + 14 else note
            for cents in (-rng.uniform(4, 9), rng.uniform(4, 9)):
                freq_hz = _hz(folded + cents / 100)
                voices += _wavetable(freq_hz, length, 1.1 if bright else 1.5, rng.uniform(0, 1))
        ramp = np.minimum(np.arange(length), np.arange(length)[::-1]) / (fade_s * sample_rate())
        place(out, voices * np.sin(np.pi / 2 * np.clip(ramp, 0, 1)) ** 2, at)
        at, index = at + chord_s, index + 1
    closed_hz, open_hz = (900, rng.uniform(3500, 5500)) if bright else (240, rng.uniform(450, 650))
    opening = drift(rng, n, 0.4, 0.05, 1.0) ** 1.5
    mix = lowpass(out, closed_hz) * (1 - opening) + lowpass(out, open_hz) * opening
    return normalise(mix)


def _pluck(freq_hz: float, length_s: float, slope: float) -> Samples:
    n = seconds(length_s)
    bright = _wavetable(freq_hz, n, slope) * attack_decay(n, 0.002, length_s * 0.5)
    return bright + oscillator(freq_hz, n) * attack_decay(n, 0.002, length_s)


def _arpeggio(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    out = np.zeros(seconds(duration_s))
    fast = attributes["speed"] == "fast"
    step_s = rng.uniform(0.09, 0.12) if fast else rng.uniform(0.26, 0.34)
    tonic = int(rng.integers(69, 77)) if attributes["pitch"] == "high" else int(rng.integers(45, 53))
    progression = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    tones = np.array([0, 1, 2, 4, 5, 6])[: int(rng.integers(4, 7))]
    walk = {0: tones, 1: tones[::-1], 2: np.concatenate([tones, tones[-2:0:-1]])}[int(rng.integers(3))]
    note_s, slope = (0.3 if fast else 0.6), rng.uniform(1.0, 1.8)
    echo_s, echo = step_s * 3, rng.uniform(0.1, 0.25)
    notes: dict[int, Samples] = {}
    steps_a_chord = 16 if fast else 8
    for index in range(int(duration_s / step_s) + 1):
        chord = _chord(progression, index // steps_a_chord, tonic)
        tone = int(walk[index % len(walk)])
        note = int(chord[tone % 4] + 12 * (tone // 4))
        if note not in notes:
            notes[note] = _pluck(_hz(note), note_s, slope)
        accent = 1.0 if index % 4 == 0 else rng.uniform(0.65, 0.8)
        place(out, notes[note], index * step_s, accent)
        place(out, notes[note], index * step_s + echo_s, accent * echo)
    return normalise(out)


# Hum, prime, tierce, quint, nominal and above, as ratios to the prime.
BELL_RATIOS = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.52, 2.66, 3.01, 4.17, 5.43])
BELL_GAINS = np.array([0.5, 0.8, 0.7, 0.3, 1.0, 0.35, 0.3, 0.45, 0.35, 0.2])


def _strike(rng: Rng, prime_hz: float, ring_s: float) -> Samples:
    """One bell: its partials split into beating pairs, the upper ones dying first."""
    n = seconds(min(ring_s, 2.8))
    ratios = BELL_RATIOS * rng.normal(1, 0.006, len(BELL_RATIOS))
    decays_s = ring_s * np.minimum(1.5, ratios**-0.75)
    gains = BELL_GAINS * rng.uniform(0.6, 1.2, len(ratios))
    tone = modal(prime_hz * ratios, gains, decays_s, n)
    tone += modal(prime_hz * ratios[:5] + rng.uniform(0.7, 2.5, 5), 0.5 * gains[:5], decays_s[:5], n)
    upper_n = seconds(0.5)
    upper_hz = prime_hz * np.array([6.8, 8.2, 9.7, 11.3, 13.1, 15.0]) * rng.normal(1, 0.01, 6)
    shimmer = modal(upper_hz, rng.uniform(0.05, 0.2, 6), rng.uniform(0.12, 0.12 * ring_s, 6), upper_n)
    place(tone, shimmer * np.linspace(1, 0, upper_n), 0.0)
    clapper = bandpass(white(rng, n), 800, up_to(5000), 1) * decay(n, 0.02)
    release = np.clip(np.arange(n)[::-1] / (0.2 * sample_rate()), 0, 1)
    return (tone + 0.35 * clapper) * release


def _bell(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    out = np.zeros(seconds(duration_s))
    if attributes["pitch"] == "high":
        prime_hz, ring_s, period_s = rng.uniform(750, 1250), rng.uniform(1.2, 2.2), rng.uniform(0.45, 0.9)
    else:
        prime_hz, ring_s, period_s = rng.uniform(170, 300), rng.uniform(3.0, 5.0), rng.uniform(0.9, 1.5)
    intervals = ((0,), (0, -4), (0, -2, -4))[int(rng.integers(3))]
    bells = [_strike(rng, prime_hz * 2 ** (step / 12), ring_s) for step in intervals]
    at, count = rng.uniform(-period_s, 0), 0
    while at < duration_s:
        place(out, bells[count % len(bells)], at, rng.uniform(0.75, 1.1))
        at, count = at + period_s * rng.normal(1, 0.03), count + 1
    return normalise(out)


FAMILIES: tuple[Family, ...] = (
    Family("drums", _drums, {"speed": ("slow", "fast")}),
    Family("bass", _bass, {"speed": ("slow", "fast")}),
    Family("pad", _pad, {"tone": ("dark", "bright")}),
    Family("arpeggio", _arpeggio, {"speed": ("slow", "fast"), "pitch": ("low", "high")}),
    Family("bell", _bell, {"pitch": ("low", "high")}),
)
