"""Machines: engine, helicopter, train, siren, alarm, clock and fan.

Each renderer follows the signal chain of the real thing, as Farnell's *Designing Sound* (part IV) does:
a rotating phase gives the pulses, pulses excite resonances, air adds modulated noise.
"""

from __future__ import annotations

import numpy as np
from scipy import signal

from studio.recipes.corpus.family import Attributes, Family
from studio.recipes.corpus.synthesis import (
    Rng,
    Samples,
    bandpass,
    coloured,
    decay,
    drift,
    harmonics,
    highpass,
    lowpass,
    modal,
    normalise,
    oscillator,
    place,
    poisson_times,
    resonate,
    sample_rate,
    seconds,
    up_to,
    white,
)


def _cycles(freq_hz: Samples | float, n: int) -> Samples:
    """Revolutions completed up to each of `n` samples."""
    return np.cumsum(np.broadcast_to(np.asarray(freq_hz, dtype=float), (n,))) / sample_rate()


def _per_cycle(rng: Rng, cycles: Samples, spread: float) -> Samples:
    """A log-normal gain held through each revolution: no two firings or blade strokes are equal."""
    return rng.lognormal(0, spread, int(cycles[-1]) + 2)[cycles.astype(int)]


def _throttle(rng: Rng, n: int) -> Samples:
    """The pedal between 0 and 1: short stabs, through the lag of a flywheel."""
    pedal = np.zeros(n)
    at = seconds(rng.uniform(0.05, 0.5))
    while at < n:
        press = seconds(rng.uniform(0.35, 0.9))
        pedal[at : at + press] = rng.uniform(0.6, 1.0)
        at += press + seconds(rng.uniform(0.45, 1.0))
    step = 1 / (rng.uniform(0.16, 0.3) * sample_rate())
    return signal.lfilter([step], [1, step - 1], pedal)


def _engine(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    n = seconds(duration_s)
    gain: Samples
    firing_hz: Samples
    if attributes["speed"] == "revving":
        load = _throttle(rng, n)
        idle_hz = rng.uniform(45, 60)
        firing_hz = idle_hz + (rng.uniform(140, 230) - idle_hz) * load + drift(rng, n, 6, -1.5, 1.5)
        gain, pulse_s = 0.35 + load, 0.0022
    else:
        firing_hz = rng.uniform(20, 31) * drift(rng, n, 1.2, 0.93, 1.07)
        gain, pulse_s = drift(rng, n, 0.5, 0.8, 1.0), 0.0045
    cycles = _cycles(firing_hz, n)
    since_s = (cycles % 1) / firing_hz
    # Four unequal cylinders: the lope of one whole engine cycle, below the firing rate.
    cylinder = rng.lognormal(0, 0.28 if attributes["speed"] == "idling" else 0.12, 4)
    pulse = (1 - np.exp(-since_s / 0.0007)) * np.exp(-since_s / pulse_s)
    pulse *= cylinder[cycles.astype(int) % 4] * _per_cycle(rng, cycles, 0.1) * gain
    blast = pulse + 0.35 * pulse * white(rng, n)
    exhaust = lowpass(blast, 300)
    for low, high, level in ((75, 130, 1.3), (190, 330, 0.9), (480, 800, 0.6), (1300, 2200, 0.35)):
        exhaust += level * resonate(blast, rng.uniform(low, high), rng.uniform(2.5, 5))
    valves = bandpass(white(rng, n), rng.uniform(2200, 2800), up_to(5500)) * pulse
    return normalise(exhaust + rng.uniform(0.06, 0.16) * valves)


def _helicopter(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    n = seconds(duration_s)
    base_hz = rng.uniform(14.0, 18.0) if attributes["speed"] == "fast" else rng.uniform(7.0, 10.0)
    blade_hz = base_hz * drift(rng, n, 0.3, 0.97, 1.03)
    cycles = _cycles(blade_hz, n)
    since_s = (cycles % 1) / blade_hz
    stroke = _per_cycle(rng, cycles, 0.12)
    slap = np.exp(-since_s / rng.uniform(0.008, 0.013)) * stroke
    air = white(rng, n)
    thump = np.sin(2 * np.pi * rng.uniform(55, 85) * since_s) * np.exp(-since_s / 0.02) * stroke
    chop = lowpass(air, rng.uniform(900, 1500)) * slap
    swish = bandpass(air, 1200, rng.uniform(3000, 4500)) * (0.06 + slap)
    turbine_hz = rng.uniform(1900, 3400) * drift(rng, n, 0.25, 0.985, 1.015)
    whine = oscillator(turbine_hz, n) + 0.4 * oscillator(turbine_hz * 1.503, n)
    rumble = lowpass(coloured(rng, n, 1.0), 250)
    passing = drift(rng, n, 0.15, 0.6, 1.0)
    mix = 0.9 * thump + 1.6 * chop + 0.45 * swish + rng.uniform(0.03, 0.08) * whine + 0.12 * rumble
    return normalise(mix * passing)


def _clack(rng: Rng) -> Samples:
    """A wheel crossing a rail joint: the sleeper's thud, the rail's ring, a burst of grit."""
    n = seconds(0.22)
    body = modal(rng.uniform(80, 240, 3), (1.3, 1.0, 0.7), rng.uniform(0.12, 0.22, 3), n)
    ring = modal(rng.uniform(500, 2200, 5), rng.uniform(0.1, 0.35, 5), rng.uniform(0.04, 0.14, 5), n)
    grit = bandpass(white(rng, n), 400, 3200) * decay(n, 0.06)
    return body + ring + 0.8 * grit


def _horn(rng: Rng, length_s: float) -> Samples:
    """An air horn's chord: several reeds, each rich in harmonics, swelling and sagging in pitch."""
    n = seconds(length_s)
    root_hz = rng.uniform(255, 330)
    bend = 1 - 0.03 * np.exp(-np.arange(n) / (0.06 * sample_rate()))
    chord = np.zeros(n)
    for ratio in (1.0, 1.19, 1.5):
        gains = [1.0, 0.9, 0.8, 0.5, 0.4, 0.25, 0.15]
        chord += harmonics(root_hz * ratio * rng.uniform(0.995, 1.005) * bend, n, gains, rng.uniform(0, 6))
    edge = np.minimum(np.arange(n) / (0.08 * sample_rate()), np.arange(n)[::-1] / (0.25 * sample_rate()))
    return chord * np.clip(edge, 0, 1)


def _train(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    n = seconds(duration_s)
    fast = attributes["speed"] == "fast"
    period_s = rng.uniform(0.4, 0.55) if fast else rng.uniform(0.95, 1.15)
    axle_gap_s = period_s * rng.uniform(0.2, 0.26)
    rolling = drift(rng, n, 0.8, 0.7, 1.0)
    out = 1.1 * lowpass(coloured(rng, n, 1.2), 420 if fast else 300) * rolling
    out += (0.3 if fast else 0.14) * bandpass(white(rng, n), 700, 2600) * rolling
    variants = [_clack(rng) for _ in range(5)]
    at = rng.uniform(-period_s, 0)
    while at < duration_s:
        for axle, gain in ((0.0, 1.0), (axle_gap_s, 0.8)):
            clack = variants[rng.integers(len(variants))]
            place(out, clack, at + axle + rng.normal(0, 0.006), 3.0 * gain * rng.uniform(0.75, 1.2))
        at += period_s * rng.normal(1, 0.015)
    for blow_s in poisson_times(rng, duration_s, 0.06)[:6]:
        place(out, _horn(rng, rng.uniform(0.8, 2.0)), blow_s, rng.uniform(0.35, 0.7))
    return normalise(out)


def _siren(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    n = seconds(duration_s)
    if attributes["style"] == "two-tone":
        low_hz, ratio = rng.uniform(430, 620), rng.uniform(1.25, 1.42)
        cycles = _cycles(1 / rng.uniform(0.9, 1.3), n) + rng.uniform(0, 1)
        sweep = lowpass((cycles % 1 < 0.5).astype(float), 25, 1)
    else:
        low_hz, ratio = rng.uniform(480, 680), rng.uniform(2.0, 2.5)
        wailing = attributes["style"] == "wailing"
        period_s = rng.uniform(2.4, 4.0) if wailing else rng.uniform(0.24, 0.38)
        turn = (_cycles(drift(rng, n, 0.5, 0.95, 1.05) / period_s, n) + rng.uniform(0, 1)) % 1
        rise = rng.uniform(0.35, 0.5)
        sweep = np.where(turn < rise, turn / rise, (1 - turn) / (1 - rise))
        sweep = 0.5 - 0.5 * np.cos(np.pi * sweep)
    tone = harmonics(low_hz * ratio**sweep, n, (1.0, 0.55, 0.6, 0.25, 0.3), rng.uniform(0, 6))
    # The loudspeaker's horn favours the middle of the band.
    throat = 0.5 * tone + resonate(tone, rng.uniform(900, 1700), 1.2)
    street = 0.02 * coloured(rng, n, 1.0)
    return normalise(throat * drift(rng, n, 0.2, 0.55, 1.0) + street)


def _beep_offsets(rng: Rng, fast: bool) -> tuple[list[float], float, float]:
    """One bar of an alarm: (starts of its beeps, length of a beep, length of the bar), in seconds."""
    if not fast:
        period_s = rng.uniform(0.9, 1.2)
        if rng.random() < 0.6:
            return [0.0], period_s * rng.uniform(0.35, 0.5), period_s
        return [0.0, 0.26 * period_s], 0.15 * period_s, period_s
    period_s = rng.uniform(0.12, 0.2)
    if rng.random() < 0.5:
        return [0.0], 0.5 * period_s, period_s
    return [k * period_s for k in range(4)], 0.55 * period_s, period_s * 4 + rng.uniform(0.15, 0.35)


def _alarm(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    n = seconds(duration_s)
    pitch_hz = rng.uniform(1900, 2700) if attributes["pitch"] == "high" else rng.uniform(600, 950)
    starts, beep_s, bar_s = _beep_offsets(rng, attributes["speed"] == "fast")
    length = seconds(beep_s)
    square = rng.uniform(0.15, 0.45)
    tone = harmonics(pitch_hz, length, (1.0, 0.08, square, 0.04, square * 0.6, 0.0, square * 0.4))
    fade = np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.003 * sample_rate())
    tone *= np.clip(fade, 0, 1)
    if len(starts) == 1 and rng.random() < 0.3:
        # The two-pitch beeper: every other beep is a step lower.
        lower = signal.resample(tone, round(length * 1.2))[:length] * np.clip(fade, 0, 1)
        tones = [tone, lower]
    else:
        tones = [tone]
    out = np.zeros(n)
    at, bar = rng.uniform(-bar_s, 0), 0
    while at < duration_s:
        for start in starts:
            place(out, tones[bar % len(tones)], at + start)
        at, bar = at + bar_s, bar + 1
    return normalise(out + 0.001 * white(rng, n))


def _tick(rng: Rng, low_hz: float, bright: float) -> Samples:
    """The escapement: pallet drop and, a few milliseconds later, the lock, on a small wooden case."""
    n = seconds(0.16)
    case = modal(low_hz * np.array([1, 1.62, 2.4]), (0.8, 0.5, 0.4), (0.09, 0.06, 0.05), n)
    metal_hz = low_hz * rng.uniform(4, 11, 6)
    metal = modal(metal_hz, rng.uniform(0.2, 0.6, 6), rng.uniform(0.012, 0.045, 6), n)
    snap = highpass(white(rng, n), 2000) * decay(n, 0.008)
    strike = 0.6 * case + bright * (metal + 0.7 * snap)
    out = strike.copy()
    place(out, strike, rng.uniform(0.009, 0.02), rng.uniform(0.25, 0.5))
    return out


def _clock(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    n = seconds(duration_s)
    period_s = rng.uniform(0.2, 0.3) if attributes["speed"] == "fast" else rng.uniform(0.75, 1.05)
    low_hz, bright = rng.uniform(380, 800), rng.uniform(0.6, 1.2)
    strokes = (_tick(rng, low_hz, bright), _tick(rng, low_hz * rng.uniform(0.68, 0.82), 0.75 * bright))
    limp = rng.uniform(-0.04, 0.04) * period_s
    out = 0.002 * coloured(rng, n, 1.0)
    first = rng.uniform(-1, 0) * period_s
    for k in range(int(duration_s / period_s) + 3):
        at = first + k * period_s + (k % 2) * limp + rng.normal(0, 0.002)
        place(out, strokes[k % 2], at, rng.uniform(0.85, 1.1))
    return normalise(out)


def _hum(rng: Rng, n: int, mains_hz: int) -> Samples:
    """A mains transformer: even harmonics, lines that do not move. One second is a whole period."""
    gains = np.zeros(14)
    gains[[1, 3, 5, 7, 9, 13]] = rng.uniform(0.5, 1.0, 6) * (1.0, 0.9, 0.7, 0.5, 0.35, 0.25)
    second = harmonics(float(mains_hz), sample_rate(), gains.tolist(), rng.uniform(0, 6))
    return np.resize(second, n)


def _fan(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    n = seconds(duration_s)
    high = attributes["speed"] == "high"
    turn_hz = (rng.uniform(15, 22) if high else rng.uniform(4, 7)) * drift(rng, n, 0.4, 0.985, 1.015)
    cycles = _cycles(turn_hz, n)
    blades = int(rng.integers(3, 6))
    # Blades pass at a multiple of the shaft's rate; one bent blade marks every turn.
    beat = 0.5 + 0.5 * np.cos(2 * np.pi * blades * cycles)
    wobble = 0.5 + 0.5 * np.cos(2 * np.pi * cycles)
    modulation = 1 + (0.4 if high else 0.7) * beat + (0.3 if high else 1.3) * wobble**2
    edge_hz = rng.uniform(1500, 2600) if high else rng.uniform(450, 750)
    air = lowpass(white(rng, n), edge_hz, 1)
    housing = resonate(air, rng.uniform(280, 420), 2.5) + 0.8 * resonate(air, rng.uniform(700, 1100), 3)
    air = (0.7 * air + housing) * modulation * drift(rng, n, 0.6, 0.8, 1.0)
    whirr_hz = turn_hz * blades * (16 if high else 24)
    whirr = harmonics(whirr_hz, n, (1.0, 0.6, 0.35), rng.uniform(0, 6))
    level = float(air.std())
    hum = _hum(rng, n, int(rng.choice([50, 60])))
    return normalise(air + level * (rng.uniform(0.7, 1.1) * hum + rng.uniform(0.2, 0.35) * whirr))


FAMILIES: tuple[Family, ...] = (
    Family("engine", _engine, {"speed": ("idling", "revving")}),
    Family("helicopter", _helicopter, {"speed": ("slow", "fast")}),
    Family("train", _train, {"speed": ("slow", "fast")}),
    Family("siren", _siren, {"style": ("wailing", "yelping", "two-tone")}),
    Family("alarm", _alarm, {"speed": ("slow", "fast"), "pitch": ("low", "high")}, texture=False),
    Family("clock", _clock, {"speed": ("slow", "fast")}, texture=False),
    Family("fan", _fan, {"speed": ("low", "high")}),
)
