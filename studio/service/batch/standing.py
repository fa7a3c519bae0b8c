"""How a set and its rows stand, as its folder was at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from studio.service.batch.folder import SetFolder, Survey
from studio.service.batch.listing import About
from studio.service.batch.rows import Row

Phase = Literal["waiting", "making", "stopped", "failed", "done"]
RowPhase = Literal["waiting", "making", "failed", "done"]


@dataclass(frozen=True)
class Summary:
    """How a set stands. `phase` "failed": all that could be made is, and some rows failed. `left_s` is about
    how long it still takes, once that is known; `said` a sentence on what stopped it.
    """

    id: str
    about: About
    phase: Phase
    made: int
    failed: int
    left_s: float | None = None
    said: str = ""


@dataclass(frozen=True)
class Look:
    """A set with its rows. `making` are the ids of those that are made."""

    summary: Summary
    folder: SetFolder
    rows: tuple[Row, ...]
    survey: Survey
    making: frozenset[str]

    def of(self, row: Row) -> RowPhase:
        """How a row stands."""
        if row.id in self.survey.done:
            return "done"
        if row.id in self.making:
            return "making"
        return "failed" if row.id in self.survey.failed else "waiting"
