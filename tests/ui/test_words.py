"""The page's texts: each is used, each that is used is there, and they read as plain English."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.core.settings import data_dir
from studio.ui import words as module
from studio.ui.words import as_script, read_words, words

UI = Path(str(module.__file__)).parent
PAGE = data_dir("assets") / "page"
SOURCES = [*UI.rglob("*.py"), *PAGE.glob("*.js")]
# Where a file has a short name for a section, as in `texts = words.compare`.
SHORT = re.compile(r"^(?:const )?(\w+) = words\.(\w+);?$", re.MULTILINE)
# `vars(words.page)` fills a template in, and `words.attention[...]` is looked up by what the server says.
WHOLE = re.compile(r"vars\(words\.(\w+)\)")
SYMBOLS = re.compile(r"\b(τ|σ|ε|w_t|w_a|NFE|latents?|logits?)\b")


def used(source: str) -> Iterator[tuple[str, str]]:
    """The sections and keys that a file names."""
    names = dict(SHORT.findall(source))
    yield from re.findall(r"\bwords\.(\w+)\.(\w+)", source)
    for short, section in names.items():
        yield from ((section, key) for key in re.findall(rf"\b{short}\.(\w+)", source))
    # A key chosen among two: words.form[many ? 'changes_many' : 'changes_one'].
    for section, choice in re.findall(r"\bwords\.(\w+)\[([^\]]+)\]", source):
        yield from ((section, key) for key in re.findall(r"'(\w+)'", choice))
    for short, section in names.items():
        for choice in re.findall(rf"\b{short}\[([^\]]+)\]", source):
            yield from ((section, key) for key in re.findall(r"'(\w+)'", choice))


def named() -> set[tuple[str, str]]:
    return {pair for path in SOURCES for pair in used(path.read_text(encoding="utf-8"))}


def filled_in() -> set[tuple[str, str]]:
    """What templates take: one that lacks a text ends the page's building."""
    found = set()
    for text in (path.read_text(encoding="utf-8") for path in SOURCES):
        for section in WHOLE.findall(text):
            found |= {(section, key) for key in re.findall(r"\{(\w+)\}", text)}
    return found


def test_every_text_that_is_used_is_there() -> None:
    there = {(section, key) for section, texts in read_words().items() for key in texts}
    known = {section for section, _ in there}
    assert not {(section, key) for section, key in named() if section in known} - there


def test_every_text_is_used() -> None:
    found = named() | filled_in()
    sources = "".join(path.read_text(encoding="utf-8") for path in SOURCES)
    looked_up = (
        "transport",
        "region_",
        "group_",
        "key_",
        "phase_",
    )  # by a player's state, a region, a group, a key's row, a take of a set
    unused = [
        f"{section}.{key}"
        for section, texts in read_words().items()
        for key in texts
        if (section, key) not in found
        and not (section in looked_up or key.startswith(looked_up))
        and not re.search(rf"['\"]{key}['\"]", sources)
    ]
    assert unused == []


def test_a_text_that_is_not_there_is_no_empty_text() -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        _ = words.nonesuch
    with pytest.raises(AttributeError):
        _ = words.page.nonesuch


def test_the_scripts_have_the_same_texts() -> None:
    script = as_script()
    told = script.removeprefix("export const words = ").removesuffix(";\n")
    assert json.loads(told) == read_words()


@pytest.mark.parametrize("section", sorted(read_words()))
def test_the_texts_are_plain(section: str) -> None:
    for key, text in read_words()[section].items():
        assert text == text.strip() or text.startswith((",", " ·")), key
        assert "  " not in text, key
        assert not SYMBOLS.search(text) or section in ("attention", "compare"), (key, "is for Expert alone")
