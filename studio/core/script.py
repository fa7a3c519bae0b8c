"""A script that is read: what was said of it, what is to come, and what a change of it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.core.speech import Sentence, format_script, parse_script


@dataclass(frozen=True)
class Script:
    """Sentences, of which the first `done` were said."""

    sentences: tuple[Sentence, ...] = ()
    done: int = 0

    @property
    def next(self) -> Sentence | None:
        """What is to be said next; None at the end."""
        return self.sentences[self.done] if self.done < len(self.sentences) else None

    def said(self) -> Script:
        """The script, one sentence on."""
        return Script(self.sentences, self.done + 1)

    def changed(self, wanted: tuple[Sentence, ...]) -> Script:
        """Another script in its place: it goes on after what was said, if it begins so, and else begins."""
        before = [one.text for one in self.sentences[: self.done]]
        goes_on = before == [one.text for one in wanted[: self.done]]
        return Script(wanted, self.done if goes_on else 0)

    @property
    def coming(self) -> tuple[Sentence, ...]:
        """What is to be said yet."""
        return self.sentences[self.done :]

    def to_dict(self) -> dict[str, Any]:
        """As text and a number."""
        return {"script": format_script(self.sentences), "done": self.done}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Script:
        """Undo `to_dict`. Raises `ValueError` or `LookupError` where it is none."""
        return cls(parse_script(str(values["script"])), int(values["done"]))
