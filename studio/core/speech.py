"""What is said in a take by a model that speaks: a script of lines, and how much it counts.

A line is said as it stands. Where it begins with a time, as in `1:30 | The ferry is here.`, it is said from
then on, or as soon after as the line before it has ended; all others follow each other with a pause between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from studio.core.errors import InvalidRequestError
from studio.core.spelling import spoken_form
from studio.core.text import one_line, read_text
from studio.core.times import TIME, format_exactly, read_time
from studio.core.values import Frozen

MAX_SPEECH_CHARS = 50_000
MAX_SENTENCE_CHARS = 180  # read in one breath; longer ones are cut where one would breathe
MAX_WORD_CHARS = 60
_TIMED = re.compile(rf"{TIME}\s*\|(.*)")
_SENTENCE_ENDS = re.compile(r"(?<=[.!?;:])\s+")
_BREATHS = re.compile(r"(?<=,)\s+")
_SHOWN_CHARS = 60
WordTimes = Sequence[tuple[float, float]]


def _lines(value: object) -> object:
    """Each line clean, the lines kept apart."""
    if not isinstance(value, str):
        return value
    return "\n".join(map(one_line, value.splitlines())).strip("\n")


@dataclass(frozen=True)
class Sentence:
    """One thing to say: `text` as it is read, from `at_s` seconds of the take on where a time is wanted.

    `line` is its line's number in the script, from 1.
    """

    text: str
    at_s: float | None = None
    line: int = 1


class Said(Frozen):
    """A sentence as it lies in a take: the seconds that it begins and ends at.

    `words_s` are those of each of its words, which are `text.split()`, in order and within it; empty where
    they are not known, as of takes from before they were kept.
    """

    text: str
    start_s: float
    end_s: float
    words_s: tuple[tuple[float, float], ...] = ()

    @classmethod
    def laid(cls, text: str, start_s: float, end_s: float, words_s: WordTimes = ()) -> Said:
        """A sentence from one time to another; `words_s` are seconds from its beginning on."""
        return cls(text=text, start_s=start_s, end_s=end_s).with_words(
            (start_s + begin, start_s + end) for begin, end in words_s
        )

    def moved(self, by_s: float) -> Said:
        """The same, so much later in a take."""
        start_s, end_s = self.start_s + by_s, self.end_s + by_s
        moved = self.model_copy(update={"start_s": start_s, "end_s": end_s})
        return moved.with_words((begin + by_s, end + by_s) for begin, end in self.words_s)

    def cut(self, start_s: float, end_s: float) -> Said:
        """What of it is heard from a time of its take to another, in the time from there on.

        All of its words stay, those that are not heard at the end where they were cut off.
        """
        begin, end = round(max(self.start_s - start_s, 0.0), 3), round(min(self.end_s, end_s) - start_s, 3)
        cut = self.model_copy(update={"start_s": begin, "end_s": end})
        return cut.with_words((begin - start_s, end - start_s) for begin, end in self.words_s)

    def with_words(self, words_s: Iterable[tuple[float, float]]) -> Said:
        """It with these times of its words, held within it, to a thousandth."""
        low, high = self.start_s, self.end_s
        held = tuple(
            (min(max(round(begin, 3), low), high), min(max(round(end, 3), low), high))
            for begin, end in words_s
        )
        return self.model_copy(update={"words_s": held})


class Speech(Frozen):
    """What is said, nothing where the text is empty.

    `scale` is how far predictions are pushed towards the words (VoiceLDM's w_cont) beside the request's
    guidance scale for the scene (w_desc); None pushes towards both together by that one. `pause_s` lies
    between sentences.
    """

    text: Annotated[str, BeforeValidator(_lines), Field(max_length=MAX_SPEECH_CHARS)] = ""
    scale: float | None = Field(7.0, ge=0, le=100)
    pause_s: float = Field(0.6, ge=0, le=600)

    @field_validator("text")
    @classmethod
    def _can_be_said(cls, text: str) -> str:
        parse_script(text)
        return text

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The script as it is read."""
        return parse_script(self.text)


def parse_script(text: str) -> tuple[Sentence, ...]:
    """The sentences of a script in its order. Lines that are empty or begin with `#` are passed over.

    Numbers and abbreviations are spelled out (`spelling.spoken_form`), and a line that is longer than one
    breath is cut at its sentences, else at commas, else between words.

    Raises:
        ValueError: names the line at fault and what can be done.
    """
    found: list[Sentence] = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            found.extend(_read_line(line.strip(), number))
        except ValueError as error:
            raise ValueError(f"has a line {number} ({_cut(line)}) that {error}") from error
    return tuple(found)


def format_script(sentences: tuple[Sentence, ...]) -> str:
    """The text that `parse_script` reads as these sentences."""
    return "".join(
        (f"{format_exactly(one.at_s)} | " if one.at_s is not None else "") + one.text + "\n"
        for one in sentences
    )


def as_said(said: Iterable[Said], coming: tuple[Sentence, ...] = ()) -> tuple[Sentence, ...]:
    """The script of a take that said these, each from its own time on, and then what is to come."""
    return (*(Sentence(one.text, one.start_s) for one in said), *coming)


def within(said: Iterable[Said], start_s: float, end_s: float) -> tuple[Said, ...]:
    """What is heard of these from a time of their take to another, in the time from there on."""
    return tuple(one.cut(start_s, end_s) for one in said if one.start_s < end_s and one.end_s > start_s)


def read_script(path: Path) -> str:
    """The script in a UTF-8 text file.

    Raises:
        InvalidRequestError: no such file, no text, or no words in it.
    """
    try:
        text = read_text(path, 4 * MAX_SPEECH_CHARS, regular=False)
    except OSError as error:
        raise InvalidRequestError(f"Can't read the script {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise InvalidRequestError(f"Can't read the script {path}: check its name.") from error
    lines = (line.strip() for line in text.splitlines())
    if all(not line or line.startswith("#") for line in lines):
        raise InvalidRequestError(f"The script {path} has no words: write a line a sentence.")
    return text


def _read_line(line: str, number: int) -> Iterator[Sentence]:
    timed = _TIMED.fullmatch(line)
    if timed is None and "|" in line:
        raise ValueError("has no time before its '|': write it as 'mm:ss | text'")
    at_s = None if timed is None else read_time(*timed.groups()[:3])
    said = line if timed is None else timed[4].strip()
    text = spoken_form(said)
    if not any(ch.isalpha() for ch in text):
        raise ValueError("has no words: write what is to be said, or take the line out")
    for part in sentences_of(text):
        yield Sentence(part, at_s, number)
        at_s = None  # the rest of the line follows


def sentences_of(text: str) -> list[str]:
    """A text in pieces of one breath.

    Raises:
        ValueError: a word is longer than any.
    """
    if (longest := max(text.split(), key=len, default="")) and len(longest) > MAX_WORD_CHARS:
        raise ValueError(f"has a word of {len(longest):,} characters: put spaces between its words")
    pieces = [text] if len(text) <= MAX_SENTENCE_CHARS else _SENTENCE_ENDS.split(text)
    return [short for piece in pieces for short in _breaths(piece)]


def _breaths(sentence: str) -> list[str]:
    """A sentence cut at commas, else between words, in parts that are as long as may be."""
    if len(sentence) <= MAX_SENTENCE_CHARS:
        return [sentence]
    parts = _BREATHS.split(sentence)
    joined: list[str] = []
    for word in parts if max(map(len, parts)) <= MAX_SENTENCE_CHARS else sentence.split():
        if joined and len(joined[-1]) + 1 + len(word) <= MAX_SENTENCE_CHARS:
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined


def _cut(line: str) -> str:
    clean = one_line(line)
    return repr(clean if len(clean) <= _SHOWN_CHARS else f"{clean[: _SHOWN_CHARS - 1]}…")
