"""A row of a table: a named way of making sound, which each caption of a set is made by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from studio.core.request import GenerationRequest, parse_request
from studio.evaluation.papers.manifest import Example

Makes = Literal["takes", "drafts", "recordings"]


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        key: names it among the paper's numbers (`published`), and in options.
        label: as the paper prints it.
        model: the checkpoint's id; what makes the drafts, where it `makes` drafts.
        settings: of `parse_request`, but for prompt, seed and model.
        makes: takes, an AudioGen's drafts alone, or the set's own recordings.
        lengths_s: bounds that each caption's own length is drawn between; None leaves the settings'.
        why_not: why it can't be made here, in a sentence; empty where it can.
    """

    key: str
    label: str
    model: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    makes: Makes = "takes"
    lengths_s: tuple[float, float] | None = None
    why_not: str = ""

    @property
    def seconds(self) -> float:
        """A clip's length, the mean where each has its own."""
        if self.lengths_s is not None:
            return sum(self.lengths_s) / 2
        return float(self.settings.get("duration_s", 10.0))

    def request(self, example: Example, seed: int, device: str = "auto") -> GenerationRequest:
        """The request of one caption: its seed and its length follow from its place in the whole set.

        Raises:
            InvalidRequestError: the settings are none.
        """
        settings = dict(self.settings)
        if self.lengths_s is not None:
            drawn = Random(f"{seed} {example.number}").uniform(*self.lengths_s)
            settings["duration_s"] = round(drawn, 2)
        model = {"id": self.model, "device": device}
        return parse_request(prompt=example.caption, seed=seed + example.number, model=model, **settings)
