"""The words that name a model's sounds: by them one guesses whether a prompt lies outside what it knows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from studio.core.request import Frozen

VOCABULARY_FILE = "vocabulary.json"
_ENDING = re.compile(r"(ing|ers|er|ed|es|s|ly|e)$")


class Vocabulary(Frozen):
    """A model's `families` of sound, and the `stems` of all words that name one of them."""

    families: tuple[str, ...]
    stems: frozenset[str]

    def knows(self, prompt: str) -> bool:
        """Whether any word of the prompt names a sound of the model's."""
        return not self.stems.isdisjoint(stems([prompt]))


def stems(texts: Iterable[str]) -> set[str]:
    """The words of the texts without their commonest endings: "barking dogs" → {"bark", "dog"}."""
    return {_stem(word) for text in texts for word in re.findall(r"[a-z]+", text.lower())}


def _stem(word: str) -> str:
    if len(word) > 4:
        return _ENDING.sub("", word)
    word = word if word.endswith("ss") else word.removesuffix("s")
    return word.removesuffix("e") if len(word) > 3 else word
