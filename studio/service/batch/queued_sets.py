"""The sets of a studio that makes none itself: put into a folder, whose workers make them (`batch.queue`)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from studio.core.errors import InvalidRequestError
from studio.service.batch.folder import CLAIMS, Survey
from studio.service.batch.listing import About, read_about, sets_in
from studio.service.batch.queue import ask, asked_ns, stop
from studio.service.batch.rows import Row
from studio.service.batch.sets import Sets
from studio.service.batch.standing import Look, Phase, Summary
from studio.service.batch.units import units_of
from studio.service.takes.shelf import shown


class QueuedSets(Sets):
    """Puts sets into a folder, and says how they stand by what lies there, whoever works on them."""

    def __init__(self, folder: Path, *args: Any, **options: Any) -> None:
        """`folder` is the queue; the rest as of `Sets`."""
        super().__init__(*args, **options)
        self._folder = folder
        self._clients: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def try_out(self, rows: Any) -> bool:
        """Nothing is tried: other machines make it."""
        return False

    def look(self, set_id: str) -> Look:
        """A set with its rows, as its folder is now. Raises `InvalidRequestError` where there is none."""
        look = super().look(set_id)
        return Look(look.summary, look.folder, look.rows, look.survey, self._making(look))

    def stop(self, set_id: str, reason: str = "") -> None:
        """Have all workers leave a set with the step that is made; what is whole stays.

        Raises:
            InvalidRequestError: there is no such set, or nobody is to make it.
        """
        folder = self.folder(set_id)
        if not asked_ns(folder):
            raise InvalidRequestError("Nothing of that set is being made.")
        stop(folder)

    def running(self) -> list[Summary]:
        """Those that are made or wait, in their order."""
        asked = [(asked_ns(folder), folder.name) for folder in sets_in(self._folder)]
        return [self.summary(shown(name)) for since, name in sorted(asked) if since]

    def _start(self, set_id: str, client: str) -> None:
        ask(self.folder(set_id))
        self._clients[set_id] = client

    def _under_way(self, client: str) -> int:
        theirs = [set_id for set_id, one in self._clients.items() if one == client]
        return sum(asked_ns(self._folder / set_id) > 0 for set_id in theirs)

    def _summed(self, set_id: str, about: About, survey: Survey) -> Summary:
        folder = self.folder(set_id)
        made, failed = len(survey.done), len(survey.failed)
        phase: Phase = "failed" if failed else "done"
        if made + failed < about.rows:
            phase = "stopped" if not asked_ns(folder) else "making" if _claimed(folder) else "waiting"
        return Summary(set_id, about, phase, made, failed)

    def _making(self, look: Look) -> frozenset[str]:
        """The rows of units that somebody holds."""
        claimed = _claimed(look.folder.path)
        if not claimed:
            return frozenset()
        units = units_of(look.rows, read_about(look.folder.path).batch)
        held: list[Row] = [row for unit in units if unit.id in claimed for row in unit.rows]
        return frozenset(row.id for row in held) - look.survey.settled


def _claimed(folder: Path) -> set[str]:
    """The units of a set that workers hold, those of dead ones too."""
    with suppress(OSError):
        return {name.partition(".")[0] for name in os.listdir(folder / CLAIMS)}
    return set()
