from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.core.request import parse_request
from studio.core.script import Script
from studio.core.speech import (
    MAX_SENTENCE_CHARS,
    Said,
    Sentence,
    Speech,
    format_script,
    parse_script,
    within,
)
from studio.core.spelling import spoken_form


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("The 1990s: no. 7, Mr Smith", "The nineteen nineties: number seven, mister Smith"),
        ("Dr. Lee paid $3.50 at 7:05", "doctor Lee paid three dollars and fifty cents at seven oh five"),
        ("at 12:00, 50 % off", "at twelve o'clock, fifty percent off"),
        ("42.5 km away", "forty two point five kilometres away"),
        ("-3 °C tonight", "minus three degrees celsius tonight"),
        ("the 2nd of 21", "the second of twenty one"),
        ("gate 12B, call 007", "gate twelve B, call zero zero seven"),
        ("1,234 people & 1 kg", "one thousand two hundred and thirty four people and one kilogram"),
        ("£1.01", "one pound and one penny"),
        ("naïve café – “yes”", 'naive cafe , "yes"'),
        ("No. I said no.", "No. I said no."),
        ("the BBC", "the B B C"),
        ("1234567890123456", "one two three four five six seven eight nine zero one two three four five six"),
    ],
)
def test_it_is_written_as_it_is_said(written: str, said: str) -> None:
    assert spoken_form(written) == said.replace(" ,", ",")


@given(st.text(max_size=60))
def test_whatever_is_written_is_said_in_plain_letters_or_refused(text: str) -> None:
    said = ""
    with suppress(ValueError):
        said = spoken_form(text)
    assert said.isascii()
    assert not any(ch.isdigit() for ch in said)


def test_a_script_is_read_line_by_line() -> None:
    script = "\ufeffHello there.\r\n\n# a note\n1:02.5 | It is 3 o'clock.\nThe end"
    assert parse_script(script) == (
        Sentence("Hello there.", None, 1),
        Sentence("It is three o'clock.", 62.5, 4),
        Sentence("The end", None, 5),
    )


def test_a_long_line_is_cut_where_one_would_breathe() -> None:
    line = "1:00 | " + "The sea was calm, and the wind was low, " * 9 + "so we slept. Then it rained!"
    parts = parse_script(line)
    assert all(len(part.text) <= MAX_SENTENCE_CHARS for part in parts)
    assert [part.at_s for part in parts] == [60.0] + [None] * (len(parts) - 1)
    assert " ".join(part.text for part in parts) == line.removeprefix("1:00 | ")
    assert all(part.text.endswith((",", ".", "!")) for part in parts)
    words = parse_script("word " * 100)
    assert " ".join(part.text for part in words) == ("word " * 100).strip()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("fine\n1:75 | x", r"What is said has a line 2 \('1:75 \| x'\) that has a time whose seconds"),
        ("soon | x", "has no time before its"),
        ("...", "has no words"),
        ("1:00 |", "has no words"),
        ("привет", "the voice reads English"),
        ("hi 😀", "can't be said"),
        ("a" * 10_000, "has a word of 10,000 characters"),
        ("hi\n" * 20_000, "What is said must be text of up to 50,000 characters"),
    ],
)
def test_what_can_t_be_said_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence) as refused:
        parse_request(prompt="rain", speech={"text": text})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", " \n\n ", "# nothing\n"])
def test_no_words_are_silence(text: str) -> None:
    assert Speech(text=text).sentences == ()


def test_joined_clips_say_nothing() -> None:
    with pytest.raises(InvalidRequestError, match="is not said in joined clips"):
        parse_request(prompt="rain", sampler={"kind": "concat"}, speech={"text": "hi"})


def test_a_script_there_and_back() -> None:
    script = Script(parse_script("one\n0:30.25 | two\nthree")).said()
    again = Script.from_dict(script.to_dict())
    assert [(one.text, one.at_s) for one in again.sentences] == [
        ("one", None),
        ("two", 30.25),
        ("three", None),
    ]
    assert again.next == again.sentences[1]
    assert format_script(()) == ""


def test_a_changed_script_goes_on_where_it_is_the_same() -> None:
    read = Script(parse_script("one\ntwo\nthree")).said().said()
    assert read.changed(parse_script("one\ntwo\nfour")).next == Sentence("four", None, 3)
    assert read.changed(parse_script("one\nfive")).next == Sentence("one", None, 1)
    assert read.changed(()).next is None


WORDS = ((1.0, 1.25), (1.25, 1.5), (1.75, 2.0))


def test_words_lie_within_their_sentence_in_order() -> None:
    """Whatever a model says of them: to a thousandth, and none begins before the sentence does."""
    laid = Said.laid("one two three", 1.0, 2.0, [(0.0, 0.25), (0.25, 0.5), (0.75, 1.0)])
    assert laid.words_s == WORDS
    assert Said.laid("a b", 1.0, 2.0, [(-1, 0.5), (0.5, 9)]).words_s == ((1.0, 1.5), (1.5, 2.0))
    assert Said.laid("a b", 1.0, 2.0).words_s == ()
    assert Said.model_validate({"text": "a b", "start_s": 0, "end_s": 1}).words_s == (), "from before"


def test_words_move_and_are_cut_with_their_sentence() -> None:
    one = Said(text="one two three", start_s=1.0, end_s=2.0, words_s=WORDS)
    assert one.moved(0.5).words_s == ((1.5, 1.75), (1.75, 2.0), (2.25, 2.5))
    (cut,) = within([one], 1.3, 1.8)
    assert (cut.start_s, cut.end_s) == (0.0, 0.5)
    assert cut.words_s == ((0.0, 0.0), (0.0, 0.2), (0.45, 0.5))
    assert Said.model_validate_json(one.model_dump_json()) == one
