"""Sentences to be read aloud: what is withheld stays apart, and what is written can be said."""

from __future__ import annotations

import random
import re
from itertools import islice

import pytest

from studio.recipes.speech.grammar import (
    HELD_OUT_SENTENCES,
    Grammar,
    Verb,
    held_out_sentences,
    number_words,
    plural,
    training_sentences,
    withheld_words,
)

OTHERS = ["gravel", "quince", "murmur"]


def test_what_is_trained_on_holds_nothing_that_is_withheld() -> None:
    withheld, held = withheld_words(), set(held_out_sentences())
    assert len(withheld) >= 50
    others = [*OTHERS, min(withheld)]
    for sentence in islice(training_sentences(others), 3000):
        assert sentence not in held
        assert not withheld.intersection(sentence.split()), sentence


def test_withheld_words_are_among_the_sentences_that_judge() -> None:
    sentences = held_out_sentences()
    assert len(set(sentences)) == HELD_OUT_SENTENCES
    assert all(5 <= len(sentence.split()) <= 9 for sentence in sentences)
    assert sum(bool(withheld_words().intersection(sentence.split())) for sentence in sentences) >= 5


def test_sentences_are_lower_case_without_digits_and_the_same_again() -> None:
    first = list(islice(training_sentences(OTHERS), 500))
    assert first == list(islice(training_sentences(OTHERS), 500))
    assert len(set(first)) == 500
    for sentence in first:
        assert re.fullmatch(r"[a-z']+( [a-z']+)*", sentence), sentence
        assert 4 <= len(sentence.split()) <= 14
    assert any(word in sentence for sentence in first for word in OTHERS)


def test_there_are_words_enough() -> None:
    assert len(Grammar().vocabulary) >= 4000


def test_everything_said_is_in_the_vocabulary() -> None:
    grammar = Grammar(others=OTHERS)
    rng = random.Random(0)
    said = {word for _ in range(2000) for word in grammar.draw(rng).split()}
    known = grammar.vocabulary | {"an", "o'clock"}
    assert said <= known


@pytest.mark.parametrize(
    ("entry", "forms"),
    [
        ("paint", "paints painted painting"),
        ("carry", "carries carried carrying"),
        ("plan", "plans planned planning"),
        ("tie", "ties tied tying"),
        ("free", "frees freed freeing"),
        ("take:took:taken", "takes took taking"),
        ("admit", "admits admitted admitting"),
        ("watch", "watches watched watching"),
    ],
)
def test_verbs_are_spelled(entry: str, forms: str) -> None:
    verb = Verb.of(entry)
    assert f"{verb.third} {verb.past} {verb.ing}" == forms


def test_nouns_and_numbers_are_spelled() -> None:
    assert [plural(word) for word in ("dog", "wolf", "city", "box", "piano", "woman")] == [
        "dogs", "wolves", "cities", "boxes", "pianos", "women",
    ]  # fmt: skip
    assert [number_words(n) for n in (0, 19, 40, 57, 300, 999)] == [
        "zero", "nineteen", "forty", "fifty seven", "three hundred", "nine hundred ninety nine",
    ]  # fmt: skip
