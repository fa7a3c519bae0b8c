"""Word errors, counted by hand."""

from __future__ import annotations

import pytest

from studio.evaluation.metrics.words import word_error_rate, word_errors, words_of


@pytest.mark.parametrize(
    ("text", "heard", "errors", "words"),
    [
        ("the cat sat", "the cat sat", 0, 3),
        ("the cat sat", "the hat sat", 1, 3),
        ("the cat sat", "the sat", 1, 3),
        ("the cat sat", "the cat it sat down", 2, 3),
        ("the cat sat", "", 3, 3),
        ("one two three", "three two one", 2, 3),
    ],
)
def test_words_left_out_put_in_and_taken_for_others_count(
    text: str, heard: str, errors: int, words: int
) -> None:
    assert word_errors(text, heard) == (errors, words)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It's 42!", "its forty two"),
        ("At 5:30, on January 30th.", "at five thirty on january thirtieth"),
        ("Room 105", "room one hundred five"),
        ("The NEIGHBOUR’S grey harbour", "the neighbors gray harbor"),
        ("seventy-two degrees", "seventy two degrees"),
        ("café ♪", "cafe"),
    ],
)
def test_numbers_spellings_and_signs_are_one(written: str, said: str) -> None:
    assert [word.rstrip("s") for word in words_of(written)] == [word.rstrip("s") for word in words_of(said)]


def test_a_rate_is_of_all_words_together() -> None:
    assert word_error_rate([(1, 2), (0, 8)]) == pytest.approx(0.1)
    assert word_error_rate([]) == 0
