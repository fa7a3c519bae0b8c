"""The words a model was trained with: by them one tells a prompt that lies outside what it knows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from studio.core.request import Frozen

VOCABULARY_FILE = "vocabulary.json"
_ENDING = re.compile(r"(ing|ers|er|ed|es|s|ly)$")


class Vocabulary(Frozen):
    """A model's `families` of sound, and the `stems` of all words that name one of them."""

    families: tuple[str, ...]
    stems: frozenset[str]

    def knows(self, prompt: str) -> bool:
        """Whether any word of the prompt names a sound of the model's."""
        return not self.stems.isdisjoint(stems([prompt]))


def stems(texts: Iterable[str]) -> set[str]:
    """The words of the texts, cut to what their forms share: "barking dogs" → {"bark", "dog"}."""
    words = (word for text in texts for word in re.findall(r"[a-z]+", text.lower()))
    return {_ENDING.sub("", word) if len(word) > 4 else word.removesuffix("s") for word in words}
