"""What the caption tower reads besides captions: words near sound, set among any words at all."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.progress import track

from studio.core.errors import ModelNotFoundError
from studio.core.vocabulary import Family, Vocabulary, content, sound_words
from studio.recipes.corpus.captions import augment_caption, caption, with_adjectives, without_article
from studio.recipes.corpus.clip import describe
from studio.recipes.corpus.description import ClipDescription
from studio.recipes.corpus.lexicon import FamilyWords, Pool, Wording, load_lexicon
from studio.recipes.corpus.synthesis import Rng
from studio.recipes.text.sentence_encoder import SentenceEncoder

COMMON_WORDS = 8000
DICTIONARY_WORDS = 60_000
NEAR_WORDS = 20_000
SOUND_WORDS = 6000  # of those: sounds in their own right, never mere words around another
TEMPLATES = (
    "{0}",
    "{0}",
    "the sound of {0}",
    "{0} in the background",
    "{0} and {1}",
    "{0} {1}",
    "distant {0}",
    "a {0} with {1}",
    "loud {0}",
    "{1} {0} outside",
    "soft {0} at night",
    "{0} on a {1}",
)

HOMONYMS = {"break", "band", "curtain", "boy", "bomb", "dive", "speech", "spell", "crow", "opera", "symphony"}
STAND_INS = {"pad", "arpeggio", "bass"}  # whose synonyms are other instruments, for want of anything nearer
OTHER_CAPTIONS = 18  # a clip, beside its own
VOICE_CAPTIONS = 6  # of each sound of a scene, as if it were alone
KNOWN_SHARE, TEMPLATE_SHARE = 0.5, 0.6  # of duets: of families' phrases, joined as in captions
DRESSED_SHARE, TRAILED_SHARE = 0.7, 0.4  # of a duet's sounds: with words before them, and then after them
ANY_SOUND_VALUES = 3  # that have an attribute's words: then any sound may
SYNONYM_SHARE, AMONG_WORDS_SHARE = 0.7, 0.4
REQUEST_SHARE = 0.3
REQUESTS = (
    "an hour of",
    "half a minute of",
    "30 seconds of",
    "sixty seconds of",
    "two minutes of",
    "a loop of",
    "an endless loop of",
    "i need",
    "please make",
    "could you play",
    "create",
    "background sound of",
    "we are looking for",
    "an effect of",
    "something like",
    "for my game,",
)


def dictionary() -> list[str]:
    """English words, the commonest first (the package `wordfreq`, training only)."""
    try:
        from wordfreq import top_n_list
    except ImportError as error:
        raise ModelNotFoundError(
            "Training the caption tower needs the package wordfreq: pip install it first."
        ) from error
    return [w for w in top_n_list("en", DICTIONARY_WORDS) if w.isascii() and w.isalpha() and len(w) > 2]


def family_phrases() -> dict[str, list[str]]:
    """Every noun, clause and synonym of a family that training may see."""
    return {
        name: [*words.nouns.train, *words.clauses.train, *words.synonyms]
        for name, words in load_lexicon().families.items()
    }


def known_phrases() -> list[str]:
    """The phrases of all families, sorted, each once."""
    return sorted({phrase for phrases in family_phrases().values() for phrase in phrases})


def vocabulary() -> Vocabulary:
    """Every family by the words that name it and that are told of it, in all its phrases."""
    lexicon = load_lexicon()
    shared = [lexicon.near, lexicon.distant, lexicon.reverb, *lexicon.shared_values.values()]
    sides = [side for wording in shared for side in (wording.before, wording.after)]
    return Vocabulary(
        families={name.replace("_", " "): _family(name, words) for name, words in lexicon.families.items()},
        shared=frozenset(one for text in _all(sides) for one in content(text)),
    )


def _family(name: str, words: FamilyWords) -> Family:
    """Its own captions' words count wherever they stand, other sounds' words among its synonyms only in that
    phrase.

    A dog "chasing a cat" teaches no cat. A pad stands in for violins: they are left out altogether.
    """
    nouns = _all([words.nouns, *(wording.nouns for wording in words.values.values())])
    told = [side for wording in words.values.values() for side in (wording.before, wording.after)]
    own = [name.replace("_", " "), *nouns, *_all([words.clauses]), *_all(told)]
    others = sound_words() - {one for phrase in own for one in content(phrase)}
    synonyms = [text for text in words.synonyms if name not in STAND_INS or others.isdisjoint(content(text))]
    lone = [text for text in map(without_article, synonyms) if " " not in text and text not in HOMONYMS]
    sources = {one for phrase in [name.replace("_", " "), *nouns] for one in _alone(content(phrase))}
    sources |= {one for word in lone for one in content(word)}
    companions = {one for phrase in [*own, *synonyms] for one in content(phrase)} - sources - others
    phrases = [content(phrase) for phrase in [*nouns, *_all([words.clauses]), *synonyms]]
    whole = {
        " ".join(sorted(found))
        for found in phrases
        if not found & sources or not found <= sources | companions
    }
    return Family(
        sources=frozenset(sources),
        companions=frozenset(companions),
        phrases=frozenset(whole - {"", *HOMONYMS}),
    )


def _all(pools: Sequence[Pool]) -> list[str]:
    return [text for pool in pools for text in (*pool.train, *pool.held_out)]


def _alone(found: set[str]) -> set[str]:
    return found if len(found) == 1 else set()


def words_near_sound(encoder: SentenceEncoder, words: Sequence[str]) -> list[str]:
    """The words that the sentence encoder holds nearest to any family's phrases, nearest first."""
    phrases = [phrase for known in family_phrases().values() for phrase in known]
    near = (encoder.embed(words) @ encoder.embed(phrases).T).amax(dim=1)
    return [words[i] for i in near.argsort(descending=True)[:NEAR_WORDS].tolist()]


def distillation_texts(
    near: Sequence[str], common: Sequence[str], captions: Sequence[str], count: int, seed: int = 0
) -> tuple[list[str], list[str]]:
    """`count` phrases and captions roughened as people type; and for each what the encoder shall read.

    The phrases teach the tower words no caption holds, and to find the sound in a sentence it has never
    seen ("close your eyes and …"): what surrounds it is drawn from the commonest words and means nothing.
    """
    rng = np.random.default_rng(seed)
    known = known_phrases()
    rough = [augment_caption(rng, text) if rng.random() < 0.5 else text for text in captions]
    phrases, meant = list(near), list(near)
    while len(phrases) < count:
        draw = rng.random()
        if draw < 0.4:
            pick = [near[int(rng.integers(len(near)) * rng.random())] for _ in range(2)]
            if rng.random() < 0.3:
                pick[rng.integers(2)] = known[rng.integers(len(known))]
            phrases.append(TEMPLATES[rng.integers(len(TEMPLATES))].format(*pick))
            meant.append(phrases[-1])
        else:
            among = known if draw < 0.7 else near if draw < 0.8 else captions
            meant.append(among[int(rng.integers(len(among)))])
            phrases.append(among_words(rng, meant[-1], common))
    return ["", *known, *phrases, *rough], ["", *known, *meant, *captions]


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


def among_words(rng: Rng, sound: str, common: Sequence[str]) -> str:
    """A sound asked for, or with up to four words before it and up to two after."""
    if rng.random() < REQUEST_SHARE:
        return f"{REQUESTS[rng.integers(len(REQUESTS))]} {sound}"
    before = [common[i] for i in rng.integers(len(common), size=rng.integers(0, 5))]
    after = [common[i] for i in rng.integers(len(common), size=rng.integers(0, 3))]
    return " ".join([*before, sound, *after])


def describe_clip(seed: int, heard: Sequence[str], duration_s: float = 10.0) -> ClipDescription:
    """What clip `seed` of the training corpus holds, in which the families `heard` sound."""
    return describe(seed, scene=len(heard) > 1, duration_s=duration_s)


def voice_captions(labels: Sequence[Sequence[str]]) -> list[list[list[str]]]:
    """Of each scene, in order: `VOICE_CAPTIONS` of either sound, as if it were heard alone."""
    out = []
    for seed, heard in enumerate(labels):
        if len(heard) > 1:
            whole, rng = describe_clip(seed, heard), np.random.default_rng([seed, 79])
            alone = [ClipDescription(whole.duration_s, (voice,)) for voice in whole.voices]
            out.append([[caption(rng, one) for _ in range(VOICE_CAPTIONS)] for one in alone])
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


def other_captions(labels: Sequence[Sequence[str]], common: Sequence[str]) -> list[list[str]]:
    """`OTHER_CAPTIONS` a clip of the training corpus, in words and sentences that its own never use.

    The caption tower learns which clip they mean, and the U-Net reads them beside the clips' own: it is to
    know a family by every vector that the tower may give for it, not by those of the lexicon's nouns alone.
    """
    out = []
    for seed, heard in enumerate(track(labels, "Writing captions")):
        description, rng = describe_clip(seed, heard), np.random.default_rng([seed, 78])
        texts = [caption(rng, description, synonym_share=SYNONYM_SHARE) for _ in range(OTHER_CAPTIONS)]
        out.append([among_words(rng, t, common) if rng.random() < AMONG_WORDS_SHARE else t for t in texts])
    return out


def family_bank(families: Sequence[str], common: Sequence[str], each: int, seed: int = 1) -> list[str]:
    """`each` texts a family in the order given: its phrases, bare or among any words."""
    rng = np.random.default_rng(seed)
    known = family_phrases()
    texts = []
    for name in families:
        for i in range(each):
            phrase = known[name][i % len(known[name])]
            texts.append(phrase if i < len(known[name]) else among_words(rng, phrase, common))
    return texts
