"""Phrases that name one sound or two, dressed as captions dress them, for a tower to learn scenes from."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from studio.recipes.corpus.captions import augment_caption, with_adjectives
from studio.recipes.corpus.lexicon import Wording, load_lexicon
from studio.recipes.corpus.synthesis import Rng
from studio.recipes.text.phrases import AMONG_WORDS_SHARE, among_words, family_phrases, known_phrases

SOUND_WORDS = 6000  # of those: sounds in their own right, never mere words around another
KNOWN_SHARE, TEMPLATE_SHARE = 0.5, 0.6  # of duets: of families' phrases, joined as in captions
DRESSED_SHARE, TRAILED_SHARE = 0.7, 0.4  # of a duet's sounds: with words before them, and then after them
ANY_SOUND_VALUES = 3  # that have an attribute's words: then any sound may


@dataclass(frozen=True, order=True)
class Named:
    """A `text` that names one `sound`, a bare word or phrase; `look` is how it is dressed there."""

    text: str
    sound: str
    look: str


def lone_phrases(near: Sequence[str], common: Sequence[str], count: int, seed: int = 4) -> list[Named]:
    """`count` that name one sound: all bare, and more dressed as captions dress them, or among any words."""
    rng = np.random.default_rng(seed)
    known, clothes = family_phrases(), wardrobe()
    sounds = near[:SOUND_WORDS]
    silent = sorted({*common} - {*sounds})
    out = [Named(sound, sound, sound) for sound in (*known_phrases(), *near)]
    while len(out) < count:
        drawn = draw_named(rng, sounds, known, clothes)
        among = rng.random() < AMONG_WORDS_SHARE
        out.append(replace(drawn, text=among_words(rng, drawn.look, silent)) if among else drawn)
    return out


@dataclass(frozen=True)
class Dress:
    """What may stand `before` a noun, and `after` one."""

    before: Sequence[str]
    after: Sequence[str]

    @classmethod
    def of(cls, wordings: Sequence[Wording], seen_in: int = 1) -> Dress:
        """All that training may see and that `seen_in` of them hold, or more."""
        before = Counter(text for wording in wordings for text in wording.before.train)
        after = Counter(text for wording in wordings for text in wording.after.train)
        kept = ([text for text, count in side.items() if count >= seen_in] for side in (before, after))
        return cls(*map(sorted, kept))


def wardrobe() -> dict[str, Dress]:
    """Attributes, distances, places: of each family its own, and under "" those that fit any sound."""
    lexicon = load_lexicon()
    own = {name: list(words.values.values()) for name, words in lexicon.families.items()}
    shared = Dress.of([*lexicon.shared_values.values(), lexicon.near, lexicon.distant, lexicon.reverb])
    spread = Dress.of(list(itertools.chain.from_iterable(own.values())), ANY_SOUND_VALUES)
    any_sound = Dress([*shared.before, *spread.before], [*shared.after, *spread.after])
    return {"": any_sound} | {name: Dress.of(wordings) for name, wordings in own.items()}


def dressed(rng: Rng, sound: str, dresses: Sequence[Dress]) -> str:
    """A sound with up to two words before it and perhaps some after it."""

    def pick(side: str) -> str:
        pool = getattr(dresses[int(rng.integers(len(dresses)))], side) or getattr(dresses[0], side)
        return pool[int(rng.integers(len(pool)))]

    phrase = with_adjectives([pick("before") for _ in range(rng.integers(0, 3))], sound)
    return f"{phrase} {pick('after')}" if rng.random() < TRAILED_SHARE else phrase


def draw_named(
    rng: Rng, near: Sequence[str], known: Mapping[str, Sequence[str]], clothes: Mapping[str, Dress]
) -> Named:
    """A family's phrase or a word near sound, dressed as a caption would dress it, or bare."""
    if rng.random() < KNOWN_SHARE:
        name = list(known)[int(rng.integers(len(known)))]
        sound, dresses = known[name][int(rng.integers(len(known[name])))], [clothes[""], clothes[name]]
    else:
        sound, dresses = near[int(rng.integers(len(near)))], [clothes[""]]
    look = dressed(rng, sound, dresses) if rng.random() < DRESSED_SHARE else sound
    return Named(look, sound, look)


def duets(
    near: Sequence[str], common: Sequence[str], count: int, seed: int = 2
) -> tuple[list[str], list[tuple[Named, Named]]]:
    """`count` texts that name two sounds, and how they name each: in a caption's words, or joined by any.

    They are dressed as captions dress them: rare words were lost beside others' attributes. Scenes of all
    families and words would be far too many to render; what two sounds mean together, their own
    targets tell.
    """
    rng = np.random.default_rng(seed)
    known, clothes, templates = family_phrases(), wardrobe(), load_lexicon().templates
    joins = [*templates["pair"].train, *templates["layered"].train]
    sounds = near[:SOUND_WORDS]
    texts, pairs = [], []
    for _ in range(count):
        first, second = (draw_named(rng, sounds, known, clothes) for _ in range(2))
        join = joins[rng.integers(len(joins))]
        if rng.random() >= TEMPLATE_SHARE:
            words = (common[i] for i in rng.integers(len(common), size=rng.integers(0, 4)))
            join = " ".join(["{a}" + "," * int(rng.random() < 0.3), *words, "{b}"])
        texts.append(augment_caption(rng, join.format(a=first.look, b=second.look)))
        pairs.append((first, second))
    return texts, pairs
