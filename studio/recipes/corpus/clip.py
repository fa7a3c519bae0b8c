"""One clip of the corpus: what it holds, how it sounds and what a caption says, all from one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from studio.recipes.corpus.captions import caption
from studio.recipes.corpus.description import ClipDescription, Distance, Voice
from studio.recipes.corpus.families import FAMILIES, scene_layer, scene_partners
from studio.recipes.corpus.lexicon import Split
from studio.recipes.corpus.synthesis import Rng, Samples, lowpass, reverb, seconds

SCENE_SHARE = 0.25
REVERB_SHARE = 0.15
_LEVEL = 0.08
_CEILING = 0.93
_DISTANCE_GAIN_DB: Mapping[Distance, float] = {"near": 2.0, "mid": 0.0, "distant": -7.0}
_DISTANCE_SHARES: Mapping[str, tuple[float, float, float]] = {
    "alone": (0.2, 0.6, 0.2),
    "foreground": (0.25, 0.6, 0.15),
    "background": (0.0, 0.6, 0.4),
    "behind_distant": (0.1, 0.9, 0.0),
}
_GAIN_RANGE_DB: Mapping[tuple[str, bool], tuple[float, float]] = {
    ("alone", False): (0.0, 0.0),
    ("alone", True): (0.0, 0.0),
    ("foreground", False): (0.0, 0.0),
    ("foreground", True): (0.0, 0.0),
    ("background", False): (-9.0, -2.0),
    ("background", True): (-3.0, 0.0),
    ("behind_distant", False): (-9.0, -6.0),
}
# Streams of one seed: what is drawn for one purpose never shifts what another sees.
_DESCRIBE, _RENDER, _CAPTION = 1, 2, 3


@dataclass(frozen=True)
class Clip:
    """Mono float32 samples [n] at 16 kHz with their caption and description."""

    samples: NDArray[np.float32]
    caption: str
    description: ClipDescription


def stream(seed: int, purpose: int) -> Rng:
    """The generator of one purpose of a clip's seed (a non-negative integer)."""
    return np.random.default_rng([seed, purpose])


def describe(
    seed: int, scene: bool | None = None, family: str | None = None, duration_s: float = 10.0
) -> ClipDescription:
    """Draw what a clip holds.

    Args:
        seed: non-negative; equal arguments give an equal description.
        scene: two families (True), one (False), or one scene in four (None).
        family: the family, or in a scene one of the two; None draws it.
        duration_s: the clip's length in seconds.

    Raises:
        KeyError: `family` is not in the registry.
    """
    rng = stream(seed, _DESCRIBE)
    drawn = tuple(FAMILIES)[rng.integers(len(FAMILIES))]
    is_scene = bool(rng.random() < SCENE_SHARE)
    name = FAMILIES[family or drawn].name
    reverberant = bool(rng.random() < REVERB_SHARE)
    if not (is_scene if scene is None else scene):
        return ClipDescription(duration_s, (_voice(rng, name, "alone", reverberant),))
    partners = scene_partners(name)
    other = partners[rng.integers(len(partners))]
    front, back = _layers(rng, name, other)
    foreground = _voice(rng, front, "foreground", reverberant)
    layer = "behind_distant" if foreground.distance == "distant" else "background"
    return ClipDescription(duration_s, (foreground, _voice(rng, back, layer, reverberant)))


def _layers(rng: Rng, first: str, second: str) -> tuple[str, str]:
    """Foreground and background: what is easily buried stands in front, equals by chance."""
    difference = scene_layer(first) - scene_layer(second)
    in_order = difference < 0 or (difference == 0 and rng.random() < 0.5)
    return (first, second) if in_order else (second, first)


def _voice(rng: Rng, name: str, layer: str, reverberant: bool) -> Voice:
    axes = FAMILIES[name].axes
    attributes = {axis: values[rng.integers(len(values))] for axis, values in axes.items()}
    distance = get_args(Distance)[rng.choice(3, p=_DISTANCE_SHARES[layer])]
    # Distance costs level too; the ranges keep both voices of a scene audible.
    low_db, high_db = _GAIN_RANGE_DB[layer, distance == "distant"]
    gain_db = float(rng.uniform(low_db, high_db))
    return Voice(name, attributes, distance, reverberant, gain_db)


def render(description: ClipDescription, seed: int) -> NDArray[np.float32]:
    """Description → samples [n] float32 at 16 kHz, peak below 0.95.

    Inside `synthesis.rendering_at` at that rate: the same sounds, in moments of their own, and full-band.
    """
    rng = stream(seed, _RENDER)
    mixed = np.zeros(seconds(description.duration_s))
    for voice in description.voices:
        mixed += _render_voice(rng, voice, description.duration_s)
    return _limit(mixed).astype(np.float32)


def _render_voice(rng: Rng, voice: Voice, duration_s: float) -> Samples:
    n = seconds(duration_s)
    dry = np.asarray(FAMILIES[voice.family].render(rng, duration_s, voice.attributes), dtype=float)[:n]
    dry = np.pad(dry - dry.mean(), (0, n - len(dry)))
    # Filter, then level: what the listener hears sets the loudness, not what the distance has removed.
    if voice.distance == "distant":
        dry = lowpass(dry, rng.uniform(2500, 4000), 1)
        dry = reverb(rng, dry, rng.uniform(0.8, 1.6), rng.uniform(0.3, 0.45), 3000.0)
    if voice.reverb:
        dry = reverb(rng, dry, rng.uniform(1.8, 3.2), rng.uniform(0.28, 0.45))
    wanted_db = voice.gain_db + _DISTANCE_GAIN_DB[voice.distance] + rng.normal(0, 0.7)
    return _limit(dry * (_LEVEL * 10 ** (wanted_db / 20) / max(_active_rms(dry), 1e-6)))


def _active_rms(x: Samples, frame_s: float = 0.05) -> float:
    """RMS over the louder half of 50 ms frames, so that pauses between events don't raise the events."""
    frame = seconds(frame_s)
    whole = len(x) // frame * frame
    if whole == 0:
        return float(np.sqrt(np.mean(x**2)))
    powers = np.sort(np.mean(x[:whole].reshape(-1, frame) ** 2, axis=1))
    return float(np.sqrt(powers[len(powers) // 2 :].mean()))


def _limit(x: Samples) -> Samples:
    """Hold the peak below the ceiling: a soft knee for single clicks, a plain gain for what is far above."""
    top = float(np.max(np.abs(x), initial=0.0))
    if top <= 0.6:
        return x
    if top > 2.5:
        x = x * (2.5 / top)
    knee = 0.6
    over = np.maximum(np.abs(x) - knee, 0.0)
    span = _CEILING - knee
    return np.sign(x) * (np.minimum(np.abs(x), knee) + span * np.tanh(over / span))


def make_clip(
    seed: int,
    *,
    duration_s: float = 10.0,
    split: Split = "train",
    family: str | None = None,
    scene: bool | None = None,
) -> Clip:
    """Seed → clip; equal arguments give equal samples and an equal caption.

    `split` chooses the caption's phrasings (see `captions`), not the sound: keep the seeds of training
    and evaluation apart.
    """
    description = describe(seed, scene, family, duration_s)
    text = caption(stream(seed, _CAPTION), description, split)
    return Clip(render(description, seed), text, description)
