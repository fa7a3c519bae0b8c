"""The registry of sound families, and which of them may share a scene."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from studio.recipes.corpus import animals, machines, music, people, weather
from studio.recipes.corpus.family import Family

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for module in (weather, animals, machines, people, music)
        for family in module.FAMILIES
    }
)

_BROADBAND = frozenset({"rain", "wind", "stream", "fire", "ocean_waves", "applause", "fan"})

# Two families of one group mask each other or cannot be told apart, so they never make a scene together.
_MASKING_GROUPS: tuple[frozenset[str], ...] = (
    _BROADBAND,
    frozenset({"engine", "helicopter", "train", "fan", "bees", "thunder"}),  # low hum and rumble
    frozenset({"clock", "typing", "dripping", "footsteps", "fire"}),  # small clicks
    frozenset({"siren", "alarm"}),
    frozenset({"crickets", "birds", "frogs"}),
    frozenset({"pad", "siren"}),
)


def can_share_scene(first: str, second: str) -> bool:
    """Whether both families stay audible, and distinct, when mixed."""
    return first != second and not any({first, second} <= group for group in _MASKING_GROUPS)


def scene_partners(family: str) -> tuple[str, ...]:
    """Every family that can share a scene with `family`, in registry order."""
    return tuple(other for other in FAMILIES if can_share_scene(family, other))


def scene_layer(family: str) -> int:
    """How far back a family belongs in a scene: 0 events, 1 steady tones and voices, 2 broadband noise."""
    if family in _BROADBAND:
        return 2
    return int(FAMILIES[family].texture)
