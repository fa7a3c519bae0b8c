"""What the caption tower reads besides captions: words near sound, set among any words at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.progress import track

from studio.core.errors import ModelNotFoundError
from studio.recipes.corpus.captions import augment_caption, caption
from studio.recipes.corpus.clip import describe
from studio.recipes.corpus.description import ClipDescription
from studio.recipes.corpus.lexicon import load_lexicon
from studio.recipes.corpus.synthesis import Rng
from studio.recipes.text.sentence_encoder import SentenceEncoder

COMMON_WORDS = 8000
DICTIONARY_WORDS = 60_000
NEAR_WORDS = 20_000
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
OTHER_CAPTIONS = 18  # a clip, beside its own
VOICE_CAPTIONS = 6  # of each sound of a scene, as if it were alone
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
