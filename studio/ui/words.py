"""What the page says, read from `words.toml`, where it all stands together: `words.section.key`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FILE = Path(__file__).with_name("words.toml")


class Words(SimpleNamespace):
    """Sections of texts, by their names; one that is not there raises `AttributeError`."""

    def __init__(self, sections: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__(**{name: SimpleNamespace(**texts) for name, texts in sections.items()})

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"There is no section {name!r} in {FILE.name}.")


def read_words() -> dict[str, dict[str, str]]:
    """The texts by section and key, in the order of the file."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def as_script() -> str:
    """The same texts as a module of JavaScript, for the page's scripts."""
    return f"export const words = {json.dumps(read_words(), ensure_ascii=False)};\n"


words = Words(read_words())
