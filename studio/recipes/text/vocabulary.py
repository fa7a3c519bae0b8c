"""Which words the pocket models were trained with, as the page reads them."""

from __future__ import annotations

from collections.abc import Sequence

from studio.core.vocabulary import Family, Vocabulary, content, sound_words
from studio.recipes.corpus.captions import without_article
from studio.recipes.corpus.families import FAMILIES
from studio.recipes.corpus.lexicon import FamilyWords, Pool, load_lexicon

HOMONYMS = {"break", "band", "curtain", "boy", "bomb", "dive", "speech", "spell", "crow", "opera", "symphony"}
IDIOMS = ("cats and dogs",)  # whose words are heard in no rain
# What of the corpus goes on without a pause and is no event: what pulses or plays notes has onsets all along.
STEADY = frozenset(name for name, family in FAMILIES.items() if family.texture) - {
    "fire", "crickets", "helicopter", "train", "siren", "applause", "drums", "bass", "arpeggio", "bell",
}  # fmt: skip
STAND_INS = {"pad", "arpeggio", "bass"}  # whose synonyms are other instruments, for want of anything nearer


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
    idle = others | {one for idiom in IDIOMS for one in content(idiom)}
    companions = {one for phrase in [*own, *synonyms] for one in content(phrase)} - sources - idle
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
        steady=name in STEADY,
    )


def _all(pools: Sequence[Pool]) -> list[str]:
    return [text for pool in pools for text in (*pool.train, *pool.held_out)]


def _alone(found: set[str]) -> set[str]:
    return found if len(found) == 1 else set()
