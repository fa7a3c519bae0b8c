"""The words captions are made of, and which of them training never sees.

`lexicon.json` holds the phrasings; this module reads it once and splits every pool. About 15 % of each
pool, chosen by a hash of the text, is withheld: training captions never use it and held-out captions use
nothing else, so a score on held-out captions measures understanding of unseen wording. The first entries
of a pool are its plainest words; those always belong to training. `synonyms.json` holds more words for each
family, which no clip's own caption uses; none of them repeats a withheld phrasing or an evaluation prompt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

Split = Literal["train", "held_out"]

WITHHELD_SHARE = 0.15
_PLAIN_WORDS = 2  # a pool's leading entries that are never withheld


@dataclass(frozen=True)
class Pool:
    """Interchangeable phrasings, split; `plain` are the everyday ones among `train`."""

    plain: tuple[str, ...] = ()
    train: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()

    def of(self, split: Split) -> tuple[str, ...]:
        return self.train if split == "train" else self.held_out


@dataclass(frozen=True)
class Wording:
    """Ways to say one property: before the noun, after it, or by a noun that implies it."""

    before: Pool = field(default_factory=Pool)
    after: Pool = field(default_factory=Pool)
    nouns: Pool = field(default_factory=Pool)


@dataclass(frozen=True)
class FamilyWords:
    """A family's nouns, its clauses ("a dog barks"), and its wordings by axis and value.

    `synonyms` are words for it that no clip's own caption uses: what the caption tower and the U-Net read
    besides.
    """

    nouns: Pool
    clauses: Pool
    values: Mapping[tuple[str, str], Wording]
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lexicon:
    """Every phrasing. `templates` has the pools `single`, `clause`, `pair` and `layered`."""

    families: Mapping[str, FamilyWords]
    shared_values: Mapping[tuple[str, str], Wording]
    near: Wording
    distant: Wording
    reverb: Wording
    templates: Mapping[str, Pool]

    def family(self, name: str) -> FamilyWords:
        """A family's words; an unknown family is called by its name."""
        if name in self.families:
            return self.families[name]
        return FamilyWords(_own_word(name), Pool(), {})

    def wording(self, family: str, axis: str, value: str) -> Wording:
        """A value's wordings: the family's own, else those shared by all, else the value itself."""
        own = self.family(family).values.get((axis, value), Wording())
        shared = self.shared_values.get((axis, value), Wording())
        before, after = own.before, own.after
        if not (before.train or after.train):
            before, after = shared.before, shared.after
        if not (before.train or after.train or own.nouns.train):
            before = _own_word(value)
        return Wording(before, after, own.nouns)


def _own_word(name: str) -> Pool:
    word = name.replace("_", " ")
    return Pool((word,), (word,), (word,))


def _texts(node: Any) -> Iterator[list[str]]:
    """Every pool (list of texts) in a part of the file."""
    if isinstance(node, list):
        yield node
    else:
        for child in node.values():
            yield from _texts(child)


def _withheld(pools: list[list[str]]) -> frozenset[str]:
    """What training never sees. A text withheld in one pool is withheld in all, hence the union."""
    plain = {text for pool in pools for text in pool[:_PLAIN_WORDS]}
    chosen: set[str] = set()
    for pool in pools:
        candidates = sorted(set(pool) - plain, key=lambda text: hashlib.sha256(text.encode()).digest())
        chosen.update(candidates[: max(1, round(WITHHELD_SHARE * len(pool)))])
    return frozenset(chosen)


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    """Read both files and split the phrasings."""
    data, synonyms = (
        json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
        for name in ("lexicon.json", "synonyms.json")
    )
    withheld = _withheld(list(_texts(data)))

    def pool(texts: list[str]) -> Pool:
        train = tuple(text for text in texts if text not in withheld)
        held_out = tuple(text for text in texts if text in withheld)
        return Pool(tuple(texts[:_PLAIN_WORDS]), train, held_out)

    def wording(node: dict[str, list[str]]) -> Wording:
        return Wording(**{kind: pool(texts) for kind, texts in node.items()})

    def values(node: dict[str, Any]) -> dict[tuple[str, str], Wording]:
        return {(axis, value): wording(w) for axis, ws in node.items() for value, w in ws.items()}

    common = data["common"]
    return Lexicon(
        families={
            name: FamilyWords(
                pool(node["nouns"]),
                pool(node["clauses"]),
                values(node.get("values", {})),
                tuple(synonyms[name]),
            )
            for name, node in data["families"].items()
        },
        shared_values=values(data["shared_values"]),
        near=wording(common["near"]),
        distant=wording(common["distant"]),
        reverb=wording(common["reverb"]),
        templates={kind: pool(common[kind]) for kind in ("single", "clause", "pair", "layered")},
    )
