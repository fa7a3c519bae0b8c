"""Captions: both splits have words for everything, and share no phrasing."""

from __future__ import annotations

import numpy as np
import pytest

from studio.recipes.corpus.captions import augment_caption, caption, compose, with_adjectives
from studio.recipes.corpus.clip import describe
from studio.recipes.corpus.description import ClipDescription, Voice
from studio.recipes.corpus.families import FAMILIES
from studio.recipes.corpus.lexicon import load_lexicon

VALUES = [
    (name, axis, value)
    for name, family in FAMILIES.items()
    for axis, values in family.axes.items()
    for value in values
]


def phrasings(split: str, draws: int, synonym_share: float = 0.0) -> frozenset[str]:
    used: set[str] = set()
    for seed in range(draws):
        used |= compose(np.random.default_rng(seed), describe(seed), split, synonym_share)[1]
    return frozenset(used)


def test_held_out_captions_share_no_phrasing_with_training() -> None:
    train, held_out = phrasings("train", 3000), phrasings("held_out", 3000)
    assert not train & held_out
    assert 0.1 < len(held_out) / len(train | held_out) < 0.2
    synonyms = phrasings("train", 1000, synonym_share=0.7)
    assert len(synonyms - train) > 300
    assert not synonyms & held_out


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_many_nouns_in_both_splits(name: str) -> None:
    words = load_lexicon().families[name]
    assert len(words.nouns.train) >= 15
    assert len(words.nouns.held_out) >= 3
    assert words.clauses.train
    assert words.clauses.held_out


@pytest.mark.parametrize(("name", "axis", "value"), VALUES)
def test_every_value_has_words_in_both_splits(name: str, axis: str, value: str) -> None:
    wording = load_lexicon().wording(name, axis, value)
    for split, fewest in (("train", 6), ("held_out", 1)):
        texts = wording.before.of(split) + wording.after.of(split) + wording.nouns.of(split)
        assert len(texts) >= fewest
    assert "_" not in "".join(wording.before.train)


def test_an_unknown_family_or_value_is_called_by_its_own_name() -> None:
    description = ClipDescription(1.0, (Voice("space_whale", {"mood": "very_sad"}),))
    texts = {caption(np.random.default_rng(seed), description) for seed in range(50)}
    assert all("space whale" in text for text in texts)
    assert any("very sad" in text for text in texts)


def test_captions_depend_on_the_generator_alone_and_fill_every_slot() -> None:
    for seed in range(500):
        description = describe(seed)
        first = caption(np.random.default_rng(seed), description)
        assert first == caption(np.random.default_rng(seed), description)
        assert first.strip() == first
        assert first
        assert not set("{}[]()_") & set(first)


def test_a_clip_without_reverb_or_distance_never_mentions_them() -> None:
    lexicon = load_lexicon()
    place = {
        *lexicon.reverb.after.train,
        *lexicon.near.before.train,
        *lexicon.near.after.train,
        *lexicon.distant.after.train,
    }
    plain = ClipDescription(1.0, (Voice("dog", {"pitch": "large"}),))
    for seed in range(300):
        assert not place & compose(np.random.default_rng(seed), plain, "train")[1]


def test_distance_is_mostly_said() -> None:
    far = ClipDescription(1.0, (Voice("dog", {"pitch": "large"}, distance="distant"),))
    lexicon = load_lexicon()
    words = {*lexicon.distant.before.train, *lexicon.distant.after.train}
    said = [bool(words & compose(np.random.default_rng(seed), far, "train")[1]) for seed in range(300)]
    assert 0.8 < np.mean(said) < 0.97


@pytest.mark.parametrize(
    ("adjectives", "noun", "phrase"),
    [
        (["old"], "a clock", "an old clock"),
        (["big"], "an engine", "a big engine"),
        (["European"], "a siren", "a European siren"),
        (["unhurried"], "a beat", "an unhurried beat"),
        (["loud"], "the sea", "the loud sea"),
        ([], "rain", "rain"),
    ],
)
def test_articles_follow_adjectives(adjectives: list[str], noun: str, phrase: str) -> None:
    assert with_adjectives(adjectives, noun) == phrase


def test_augmentation_is_pure_and_keeps_text() -> None:
    text = "the sound of a small dog barking with reverb"
    for seed in range(200):
        changed = augment_caption(np.random.default_rng(seed), text)
        assert changed == augment_caption(np.random.default_rng(seed), text)
        assert len(changed.split()) >= 5
    assert augment_caption(np.random.default_rng(0), "the").strip(". ")
