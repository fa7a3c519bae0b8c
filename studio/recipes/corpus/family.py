"""What a family of sounds is: a renderer and the attributes a caption may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from studio.recipes.corpus.synthesis import Rng, Samples

Attributes = Mapping[str, str]
Renderer = Callable[[Rng, float, Attributes], Samples]


@dataclass(frozen=True)
class Family:
    """One kind of sound.

    `render(rng, duration_s, attributes)` gives mono samples at 16 kHz; `attributes` holds one value for
    every axis in `axes`. Distance and reverberation are common to all families and applied afterwards by
    the clip, so a renderer makes the dry, near sound. `texture` says that the sound goes on without a
    pause (rain), against events with silence between them (a dog).
    """

    name: str
    render: Renderer
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texture: bool = True
