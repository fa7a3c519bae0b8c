"""The words that name a model's sounds: by them one tells what of a prompt the model has not learned."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from studio.core.values import Frozen

VOCABULARY_FILE = "vocabulary.json"
_WORD = re.compile(r"[^\W\d_]+")
_POSSESSIVE = re.compile(r"['’]s\b")
_VOWEL = re.compile(r"[aeiouy]")
_DOUBLED = re.compile(r"([b-df-hj-kmnp-rtv-y])\1$")  # of "dripping", "buzzed" and "calling" only the first


class Family(Frozen):
    """A family of sounds by stems: what names it by itself, and what is told of it.

    `phrases` name it together, stems with spaces between, of which some count nowhere else. A `steady` one
    goes on without events: two of its kind side by side are one scene.
    """

    sources: frozenset[str]
    companions: frozenset[str]
    phrases: frozenset[str] = frozenset()
    steady: bool = False


class Vocabulary(Frozen):
    """What a model was trained with: its `families` by their names, and the stems told of any of them."""

    families: Mapping[str, Family]
    shared: frozenset[str] = frozenset()

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """The prompt's words for what the model has not learned, in their order, each once.

        A word told of a family counts as learned beside what names the family: "crash" beside "waves", not
        beside "car". Where some sound of the prompt is known, others are unknown only if they are words for
        sounds: "rain for sleeping" asks for nothing but rain.
        """
        words = dict.fromkeys(_words(prompt))
        stem_of = {word: stem(word) for word in words}
        found = {one for word, one in stem_of.items() if word not in _filling()}
        _, known = self._heard(found)
        unknown = [word for word, one in stem_of.items() if one in found - known]
        return tuple(word for word in unknown if not known or stem_of[word] in sound_words())

    def _heard(self, found: set[str]) -> tuple[list[Family], set[str]]:
        """The families that some of these stems name, and the stems that are known beside them."""
        heard, known = [], set[str]()
        for family in self.families.values():
            together = {
                one for text in family.phrases if found.issuperset(text.split()) for one in text.split()
            }
            named = found & family.sources | together
            if named:
                heard.append(family)
                known |= named | found & family.companions
        return heard, known | (found & self.shared if heard else set())

    def is_steady(self, prompt: str) -> bool:
        """Whether the prompt asks for steady sounds, and has no unknown word, which may be an event's."""
        found = content(prompt)
        heard, known = self._heard(found)
        return bool(heard) and all(family.steady for family in heard) and found <= known

    def knows(self, prompt: str) -> bool:
        """Whether the prompt asks for anything, and for nothing that the model has not learned."""
        return bool(_words(prompt)) and not self.unknown(prompt)


def stems(texts: Iterable[str]) -> set[str]:
    """The words of the texts without their commonest endings: "barking dogs" → {"bark", "dog"}."""
    return {stem(word) for text in texts for word in _words(text)}


def content(text: str) -> set[str]:
    """The stems of a text's words but for those that name nothing."""
    return {stem(word) for word in _words(text) if word not in _filling()}


def stem(word: str) -> str:
    """A lower-case word without its commonest endings."""
    if len(word) < 4:
        return word
    if word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif word.endswith(("shes", "ches", "sses", "xes", "zes")):
        word = word[:-2]
    elif not word.endswith(("ss", "us", "is")):
        word = word.removesuffix("s")
    for ending in ("ing", "ed", "ly", "y"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 2 and _VOWEL.search(rest):
            word = _DOUBLED.sub(r"\1", rest)
            break
    return word.removesuffix("e") if len(word) > 3 else word


def _words(text: str) -> list[str]:
    plain = "".join(ch for ch in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(ch))
    return _WORD.findall(_POSSESSIVE.sub("", plain))


@cache
def _filling() -> frozenset[str]:
    """Words that name no sound: grammar, wishes, amounts, how, where and when in general."""
    return frozenset(_list("filling"))


@cache
def sound_words() -> frozenset[str]:
    """Stems of common words for sounds and for what makes them."""
    return frozenset(map(stem, _list("sounds")))


def _list(name: str) -> list[str]:
    text = resources.files("studio.core").joinpath("words.txt").read_text(encoding="utf-8")
    part = text.partition(f"[{name}]\n")[2].partition("\n[")[0]
    return [word for line in part.splitlines() if not line.startswith("#") for word in line.split()]
