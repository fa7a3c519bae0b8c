"""Weather, water and fire: rain, wind, thunder, ocean waves, a stream, a fire, dripping water.

After Farnell, *Designing Sound* (2010), practicals 13-20: noise bands under slow, irregular control curves
for what flows; bubbles and ticks sown at random for what falls and bursts.
"""

from __future__ import annotations

import numpy as np

from studio.recipes.corpus.family import Attributes, Family
from studio.recipes.corpus.grains import bubble, scatter, swell, tick
from studio.recipes.corpus.synthesis import (
    Rng,
    Samples,
    attack_decay,
    bandpass,
    coloured,
    drift,
    highpass,
    known_part,
    lowpass,
    normalise,
    place,
    poisson_times,
    reverb,
    sample_rate,
    seconds,
    swept_filter,
    up_to,
    white,
)


def _unit(x: Samples) -> Samples:
    return x / max(float(np.std(known_part(x))), 1e-9)


def _thinned_times(rng: Rng, duration_s: float, rate_hz: float, wander_hz: float, floor: float) -> Samples:
    """Poisson times whose rate wanders between `floor` and 1 times a maximum that keeps the mean near."""
    times = poisson_times(rng, duration_s, 2 * rate_hz / (1 + floor))
    curve = drift(rng, max(8, round(duration_s * 200)), wander_hz * 80, floor, 1.0)
    chance = curve[np.minimum((times * 200).astype(int), len(curve) - 1)]
    return times[rng.uniform(0, 1, len(times)) < chance]


def render_rain(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """Drops heard one by one over the hiss of the many that are not."""
    rate_hz, hiss, roar, level = {
        "light": (45.0, 0.03, 0.0, 0.035),
        "moderate": (110.0, 0.09, 0.015, 0.07),
        "heavy": (260.0, 0.22, 0.14, 0.13),
    }[attributes["intensity"]]
    n = seconds(duration_s)
    leaf = rng.uniform(1500, 2800)
    ticks = [
        tick(rng, leaf * rng.uniform(0.7, 1.3), up_to(7500), rng.uniform(0.005, 0.016)) for _ in range(8)
    ]
    puddle = [0.8 * bubble(f, 0.12, 1.6) for f in rng.uniform(1300, 4200, 10)]
    out = hiss * highpass(_unit(coloured(rng, n, rng.uniform(0.1, 0.5))), rng.uniform(900, 1500), 1)
    if roar:
        out += roar * _unit(bandpass(white(rng, n), 150, rng.uniform(700, 1000), 1))
    out *= drift(rng, n, 0.4, 0.75, 1.1)
    times = poisson_times(rng, duration_s, rate_hz * rng.uniform(0.8, 1.25))
    wet = rng.uniform(0.25, 0.6)
    split = rng.uniform(0, 1, len(times)) < wet
    scatter(rng, out, puddle, times[split], 0.5, 0.22)
    scatter(rng, out, ticks, times[~split], 0.5, 0.3)
    return normalise(out, level * rng.uniform(0.85, 1.15))


def render_wind(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """Gusts open a noise band; edges and wires add whistles that rise with the gust's speed."""
    top_hz, air, whistle, rate_hz, level = {
        "gentle": (330.0, 0.06, 0.0, 0.4, 0.035),
        "strong": (700.0, 0.2, 0.2, 0.55, 0.09),
        "howling": (520.0, 0.14, 1.1, 0.4, 0.13),
    }[attributes["intensity"]]
    n = seconds(duration_s)
    gust = drift(rng, n, rate_hz, 0.15, 1.0)
    gust = gust * drift(rng, n, 2.5, 0.75, 1.0)
    noise = coloured(rng, n, 0.8)
    out: Samples
    top_hz *= rng.uniform(0.8, 1.25)
    out = (0.1 + gust) * _unit(lowpass(noise, top_hz, 1))
    out = highpass(out, rng.uniform(40, 90), 1)
    out += air * gust**2 * _unit(bandpass(noise, top_hz * 1.5, top_hz * 6, 1))
    base = rng.uniform(420, 650)
    for _ in range(2 if whistle > 0.5 else 1):
        if whistle:
            centre = base * (0.75 + 0.6 * gust) * drift(rng, n, 1.2, 0.93, 1.07)
            tone = swept_filter(white(rng, n), centre, rng.uniform(18, 32), 2000)
            out += whistle * rng.uniform(0.6, 1.0) * gust**1.5 * _unit(tone)
        base *= rng.uniform(1.35, 1.7)
    return normalise(out, level * rng.uniform(0.85, 1.15))


# Band edges in Hz and the time in seconds to −60 dB: air takes the treble of far claps away first.
_THUNDER_BANDS = ((30, 90, 4.2), (80, 200, 3.2), (180, 450, 2.2), (450, 1300, 1.2), (1300, 6500, 0.7))


def _thunder_envelopes(rng: Rng, duration_s: float, cracking: bool) -> Samples:
    """Levels of the bands over time, [bands, samples]: strokes, each with the later rolls of its channel."""
    envelopes = np.full((len(_THUNDER_BANDS), seconds(duration_s)), 0.02)
    onset_s = 0.004 if cracking else 0.12
    strokes = [attack_decay(seconds(t), onset_s, t * rng.uniform(0.7, 1.0)) for *_, t in _THUNDER_BANDS]
    rolls = [
        [attack_decay(seconds(t), rng.uniform(0.06, 0.3), t * rng.uniform(0.5, 0.9)) for _ in range(2)]
        for *_, t in _THUNDER_BANDS
    ]
    at_s = rng.uniform(-2.5, 0.2)
    while at_s < duration_s:
        strength = rng.uniform(0.6, 1.0)
        for row, envelope in enumerate(envelopes):
            place(envelope, strokes[row], at_s, strength)
        for roll_s in rng.uniform(0.2, 2.4, rng.integers(3, 7)):
            height = strength * rng.uniform(0.3, 0.9)
            for row, envelope in enumerate(envelopes):
                # Rolls come from farther along the channel, so they are duller than the stroke.
                place(envelope, rolls[row][rng.integers(2)], at_s + roll_s, height * 0.5**row)
        if cracking:
            for tear_s in at_s + rng.uniform(-0.25, 0.2, 14):
                place(envelopes[4], attack_decay(seconds(0.05), 0.001, 0.05), tear_s, rng.uniform(0.3, 1.3))
                place(envelopes[3], attack_decay(seconds(0.1), 0.001, 0.1), tear_s, rng.uniform(0.2, 0.8))
        at_s += rng.uniform(2.0, 3.4)
    return envelopes


def render_thunder(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """Rolling rumble of many overlapping claps; a near stroke starts with a tearing crack."""
    n = seconds(duration_s)
    cracking = attributes["intensity"] == "cracking"
    gains = (1.0, 0.9, 0.6, 0.5, 0.55) if cracking else (1.1, 0.9, 0.35, 0.04, 0.004)
    noise = white(rng, n)
    out = 0.004 * coloured(rng, n, 0.7)  # open air, so that the treble is quiet and not absent
    envelopes = _thunder_envelopes(rng, duration_s, cracking)
    for gain, envelope, (low, high, _) in zip(gains, envelopes, _THUNDER_BANDS, strict=True):
        out += gain * envelope * _unit(bandpass(noise, low, up_to(high) if high > 5000 else high))
        noise = np.roll(noise, 4001)  # neighbours of one noise would cancel where they cross
    out *= drift(rng, n, 9.0, 0.45, 1.0)
    return normalise(out, (0.11 if cracking else 0.09) * rng.uniform(0.85, 1.15))


# Edges (Hz), delay after the swell begins (s), time to the peak (s), sharpness, gain of large waves and of
# small ones, level at rest. Deep bands rise first; foam comes last and stays longest.
_SURF_BANDS = (
    (50, 260, 0.0, 1.9, 3.0, 1.3, 0.22, 0.12),
    (240, 1100, 0.5, 1.6, 3.0, 0.8, 0.42, 0.03),
    (900, 3200, 0.9, 1.5, 2.4, 0.42, 0.3, 0.035),
    (2600, 7600, 1.3, 1.9, 1.5, 0.2, 0.17, 0.05),
)


def render_ocean_waves(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """Swell: a low rise, the break across all bands, then foam that hisses as it draws back."""
    n = seconds(duration_s)
    large = attributes["size"] == "large"
    period_s = rng.uniform(8, 11) if large else rng.uniform(6, 7.5)
    crests: list[tuple[float, float, float]] = []  # begin (s), height, pace
    splashes: list[tuple[float, float, float]] = []  # begin (s), height, time to the peak (s)
    at_s = rng.uniform(-1.0, 0.25) * period_s
    while at_s < duration_s:
        height, pace = rng.uniform(0.65, 1.0), period_s / 8.5 * rng.uniform(0.85, 1.15)
        crests.append((at_s, height, pace))
        for late in rng.uniform(0.9, 3.2, rng.integers(5, 10)):  # the lip falls piece by piece
            splashes.append((at_s + late * pace, height * rng.uniform(0.15, 0.7), rng.uniform(0.06, 0.2)))
        if rng.uniform() < 0.5:  # a second, smaller crest behind the first
            crests.append((at_s + 0.35 * period_s, 0.4 * height, 0.6 * pace))
        at_s += period_s * rng.uniform(0.85, 1.1)
    coarse_s = np.arange(int(duration_s * 50) + 2) / 50
    noise = white(rng, n)
    out = np.zeros(n)
    for low, high, delay, peak, sharpness, large_gain, small_gain, rest in _SURF_BANDS:
        top_hz = up_to(high) if high > 5000 else high
        level = np.full(len(coarse_s), rest)
        for begin_s, height, pace in crests:
            level += height * swell(coarse_s - begin_s - delay * pace, peak * pace, sharpness)
        if 200 < low < 2000:
            for begin_s, height, peak_s in splashes:
                level += height * swell(coarse_s - begin_s, peak_s, 1.0)
        level *= large_gain if large else small_gain
        out += np.interp(np.arange(n) / sample_rate(), coarse_s, level) * _unit(
            bandpass(noise, low, top_hz, 1)
        )
    out *= drift(rng, n, 5.0, 0.8, 1.0)
    return normalise(out, (0.12 if large else 0.055) * rng.uniform(0.85, 1.15))


def render_stream(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """Bubbles of many sizes over turbulent noise; few and clear in a trickle, a din in a rush."""
    n = seconds(duration_s)
    rushing = attributes["flow"] == "rushing"
    rate_hz = rng.uniform(170, 240) if rushing else rng.uniform(20, 34)
    low, high = (280, 1500) if rushing else (500, 2300)
    sizes = np.exp(rng.uniform(np.log(low), np.log(high), 36))
    grains = [bubble(f, rng.uniform(0.08, 0.25), rng.uniform(2.0, 5.0)) for f in sizes]
    noise = white(rng, n)
    out = np.zeros(n)
    for band_low, band_high, gain in (
        (250, 700, 0.20 if rushing else 0.006),
        (600, 1600, 0.16 if rushing else 0.012),
        (1500, 4200, 0.07 if rushing else 0.006),
    ):
        turbulence = drift(rng, n, rng.uniform(4, 8), 0.45, 1.0)
        out += gain * turbulence * _unit(bandpass(noise, band_low, band_high, 1))
    scatter(rng, out, grains, _thinned_times(rng, duration_s, rate_hz, 1.5, 0.3), 0.7, 0.14)
    return normalise(out, (0.1 if rushing else 0.045) * rng.uniform(0.85, 1.15))


def render_fire(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """Hiss of escaping gas, crackle of bursting fibres in clusters, and the lapping of flames."""
    n = seconds(duration_s)
    roaring = attributes["size"] == "roaring"
    lap, hiss, rate_hz = (0.30, 0.03, rng.uniform(22, 34)) if roaring else (0.035, 0.008, rng.uniform(8, 14))
    flames = drift(rng, n, rng.uniform(5, 8), 0.1, 1.0) * drift(rng, n, 0.5, 0.6, 1.0)
    out = lap * flames * _unit(bandpass(coloured(rng, n, 1.0), 35, rng.uniform(220, 380), 1))
    puff = drift(rng, n, 3.0) ** 3
    out += hiss * (0.3 + puff) * _unit(bandpass(white(rng, n), 1000, up_to(6500), 1))
    snaps = [tick(rng, rng.uniform(1200, 3500), up_to(7600), rng.uniform(0.006, 0.03)) for _ in range(10)]
    pops = [tick(rng, rng.uniform(350, 700), 3000, rng.uniform(0.03, 0.08)) for _ in range(4)]
    scatter(rng, out, snaps, _thinned_times(rng, duration_s, rate_hz, 2.5, 0.05), 0.9, 0.28)
    scatter(rng, out, pops, poisson_times(rng, duration_s, 2.2 if roaring else 1.2), 0.4, 0.7)
    return normalise(out, (0.11 if roaring else 0.045) * rng.uniform(0.85, 1.15))


def _drip(rng: Rng, freq_hz: float) -> Samples:
    """A drop into a small pool: the slap of impact, then the bubble it leaves, in a hard-walled place."""
    out = np.zeros(seconds(0.45))
    place(out, tick(rng, 1800, up_to(7500), 0.012), 0.0, 0.35)
    delay = rng.uniform(0.008, 0.03)
    place(out, bubble(freq_hz, 0.16, 9.0), delay, 1.0)
    place(out, bubble(freq_hz * rng.uniform(1.4, 2.2), 0.2, 5.0), delay + rng.uniform(0.03, 0.08), 0.4)
    return reverb(rng, out, 0.4, 0.25, 5000)


def render_dripping(rng: Rng, duration_s: float, attributes: Attributes) -> Samples:
    """One or a few leaks, each with its own pace and note."""
    n = seconds(duration_s)
    fast = attributes["pace"] == "fast"
    leaks = int(rng.integers(2, 4)) if fast else 1
    out = 0.004 * _unit(lowpass(coloured(rng, n, 1.0), 600, 1))
    for leak in range(leaks):
        period = rng.uniform(0.34, 0.55) if fast else rng.uniform(0.85, 1.25)
        freq = rng.uniform(650, 1700)
        drips = [_drip(rng, freq * rng.uniform(0.9, 1.12)) for _ in range(3)]
        gaps = period * rng.lognormal(0, 0.1, int(duration_s / period * 1.5) + 3)
        times = np.cumsum(gaps) - period * rng.uniform(0.5, 1.0)
        times = times[times < duration_s]
        scatter(rng, out, drips, times, 0.2, 0.5 if leak == 0 else rng.uniform(0.25, 0.45))
    return normalise(out, (0.06 if fast else 0.045) * rng.uniform(0.85, 1.15))


FAMILIES: tuple[Family, ...] = (
    Family("rain", render_rain, {"intensity": ("light", "moderate", "heavy")}),
    Family("wind", render_wind, {"intensity": ("gentle", "strong", "howling")}),
    Family("thunder", render_thunder, {"intensity": ("rumbling", "cracking")}, texture=False),
    Family("ocean_waves", render_ocean_waves, {"size": ("small", "large")}),
    Family("stream", render_stream, {"flow": ("trickling", "rushing")}),
    Family("fire", render_fire, {"size": ("small", "roaring")}),
    Family("dripping", render_dripping, {"pace": ("slow", "fast")}, texture=False),
)
