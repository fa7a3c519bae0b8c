"""Word errors: how many words of a text somebody who listens got wrong (Levenshtein's distance in words)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from studio.core.spelling import spoken_form

AMERICAN = {
    "colour": "color", "colours": "colors", "neighbour": "neighbor", "neighbours": "neighbors",
    "favourite": "favorite", "harbour": "harbor", "harbours": "harbors", "rumour": "rumor",
    "rumours": "rumors", "humour": "humor", "flavour": "flavor", "honour": "honor", "labour": "labor",
    "grey": "gray", "theatre": "theater", "theatres": "theaters", "centre": "center", "metre": "meter",
    "metres": "meters", "kilometres": "kilometers", "litres": "liters", "traveller": "traveler",
    "travellers": "travelers", "travelled": "traveled", "travelling": "traveling", "programme": "program",
    "jewellery": "jewelry", "pyjamas": "pajamas", "defence": "defense", "licence": "license",
    "practise": "practice", "practised": "practiced", "practising": "practicing", "apologise": "apologize",
    "apologised": "apologized", "recognised": "recognized", "organised": "organized", "plough": "plow",
    "ok": "okay", "mum": "mom", "moustache": "mustache", "tyre": "tire", "tyres": "tires",
}  # fmt: skip
"""One spelling for what sounds alike."""


def words_of(text: str) -> list[str]:
    """The words of a text in one spelling: lower case, numbers in letters, no signs."""
    plain = unicodedata.normalize("NFKD", text.replace("’", "'")).encode("ascii", "ignore").decode()
    try:
        plain = spoken_form(plain)
    except ValueError:  # signs that nobody says
        plain = re.sub(r"[^A-Za-z0-9' ]", " ", plain)
    plain = re.sub(r"\bhundred and\b", "hundred", plain.lower().replace("-", " "))
    words = re.sub(r"[^a-z ]", " ", plain.replace("'", "")).split()
    return [AMERICAN.get(word, word) for word in words]


def word_errors(text: str, heard: str) -> tuple[int, int]:
    """Words left out, put in or taken for others, and how many words `text` has."""
    wanted, found = words_of(text), words_of(heard)
    row = list(range(len(found) + 1))
    for number, word in enumerate(wanted, start=1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(found, start=1):
            diagonal, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, diagonal + (word != other)),
            )
    return row[-1], len(wanted)


def word_error_rate(counts: Sequence[tuple[int, int]]) -> float:
    """Errors a word, of all sentences together; `counts` as `word_errors` gives them."""
    return sum(errors for errors, _ in counts) / max(1, sum(words for _, words in counts))
