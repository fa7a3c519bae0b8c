"""Words to compose a prompt of: sounds that the embedded models know, and what may be said of each."""

from __future__ import annotations

import re

from studio.core.values import Frozen
from studio.core.vocabulary import Vocabulary


class Modifier(Frozen):
    """A word for how a sound is: it goes before the sound's name, or after it."""

    text: str
    after: bool = False


class PaletteSound(Frozen):
    """A family of sounds: the word on its chip, and how a prompt says it.

    `choices` are the modifiers that suit it. Of those that stand together one at most is said, and what comes
    first is said first.
    """

    family: str
    label: str
    said: str
    choices: tuple[tuple[Modifier, ...], ...] = ()


class PaletteGroup(Frozen):
    """Sounds of one kind. `name` is the key of its title among the page's words."""

    name: str
    sounds: tuple[PaletteSound, ...]


def _choice(*texts: str) -> tuple[Modifier, ...]:
    return tuple(Modifier(text=text) for text in texts)


def _after(*texts: str) -> tuple[Modifier, ...]:
    return tuple(Modifier(text=text, after=True) for text in texts)


# Of every sound, and how many there are before how far they are: "a few distant frogs".
_DISTANCE, _PLACE = _choice("nearby", "distant"), _after("with reverb")
_PACE = _choice("slow", "fast")
_PITCH = _choice("low-pitched", "high-pitched")
_COUNT = _choice("a few", "many")


def _sound(
    family: str, label: str, said: str, *choices: tuple[Modifier, ...], count: tuple[Modifier, ...] = ()
) -> PaletteSound:
    every = (count, _DISTANCE, *choices, _PLACE)
    return PaletteSound(
        family=family, label=label, said=said, choices=tuple(choice for choice in every if choice)
    )


GROUPS = (
    PaletteGroup(
        name="weather",
        sounds=(
            _sound("rain", "rain", "rain", _choice("light", "steady", "heavy")),
            _sound("wind", "wind", "wind", _choice("gentle", "strong", "howling")),
            _sound("thunder", "thunder", "thunder", _choice("rumbling", "cracking")),
            _sound("ocean waves", "waves", "ocean waves", _choice("gentle", "crashing")),
            _sound("stream", "stream", "a stream", _choice("trickling", "rushing")),
            _sound("dripping", "dripping", "dripping water", _PACE),
            _sound("fire", "fire", "a fire", _choice("small", "roaring")),
        ),
    ),
    PaletteGroup(
        name="animals",
        sounds=(
            _sound("birds", "birds", "birds singing", _PITCH, count=_choice("many")),
            _sound("crickets", "crickets", "crickets", count=_COUNT),
            _sound("frogs", "frogs", "frogs croaking", _PITCH),
            _sound("dog", "dog", "a dog barking", _choice("small", "large")),
            _sound("bees", "bees", "bees buzzing", count=_COUNT),
        ),
    ),
    PaletteGroup(
        name="machines",
        sounds=(
            _sound("engine", "engine", "an engine", _choice("idling", "revving")),
            _sound("helicopter", "helicopter", "a helicopter"),
            _sound("train", "train", "a train", _PACE),
            _sound("siren", "siren", "a siren", _choice("wailing", "yelping", "two-tone")),
            _sound("alarm", "alarm", "an alarm beeping", _PACE, _PITCH),
            _sound("clock", "clock", "a ticking clock", _PACE),
            _sound("fan", "fan", "an electric fan", _PACE),
        ),
    ),
    PaletteGroup(
        name="people",
        sounds=(
            _sound("footsteps", "footsteps", "footsteps", _choice("slow", "running"),
                   _after("on gravel", "on a wooden floor")),
            _sound("applause", "applause", "applause", _choice("scattered", "massive")),
            _sound("typing", "typing", "keyboard typing", _PACE),
            _sound("murmur", "crowd", "a crowd murmuring", _choice("small", "large")),
        ),
    ),
    PaletteGroup(
        name="music",
        sounds=(
            _sound("drums", "drums", "drums", _PACE),
            _sound("bass", "bass", "a bass line", _PACE),
            _sound("pad", "pad", "a synth pad", _choice("dark", "bright")),
            _sound("arpeggio", "arpeggio", "a synth arpeggio", _PACE, _PITCH),
            _sound("bell", "bell", "a bell ringing", _PITCH),
        ),
    ),
)  # fmt: skip


def category_of(prompt: str) -> str:
    """The name of the group whose sound a prompt names first, "other" where it names none of them."""
    said = f" {' '.join(re.findall(r'[a-z]+', prompt.lower()))} "
    found = [
        (said.find(f" {name} "), group.name)
        for group in GROUPS
        for sound in group.sounds
        for name in {sound.family, sound.label}
        if f" {name} " in said
    ]
    return min(found)[1] if found else "other"


def palette_of(known: Vocabulary) -> tuple[PaletteGroup, ...]:
    """The groups with what a model knows of them; one of which it knows nothing is left out."""
    groups = (
        group.model_copy(
            update={"sounds": tuple(sound for sound in group.sounds if sound.family in known.families)}
        )
        for group in GROUPS
    )
    return tuple(group for group in groups if group.sounds)
