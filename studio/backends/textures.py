"""Which prompts ask for steady sounds alone, by the words that the pocket models were trained with."""

from __future__ import annotations

from functools import cache, lru_cache

from studio.backends.catalog import vocabulary
from studio.core.settings import Settings
from studio.core.vocabulary import Vocabulary

MODEL = "pocket/audioldm"  # whose words are those of all of them


@lru_cache(maxsize=256)
def is_steady(prompt: str) -> bool:
    """Whether all that a prompt asks for goes on without events, as rain; False where a word is not known."""
    known = _known()
    return known is not None and known.is_steady(prompt)


@cache
def _known() -> Vocabulary | None:
    return vocabulary(MODEL, Settings())
