"""What a run with several workers knows of its rows: news are told once, and counted at the end."""

from __future__ import annotations

from collections.abc import Sequence

from studio.service.batch.folder import SetFolder
from studio.service.batch.units import Unit
from studio.service.batch.work import Progressed, State, Tally, Tell


class Ledger:
    """How each row of a run stands, by what workers say and by what is found in the folder."""

    def __init__(self, folder: SetFolder, tell: Tell) -> None:
        self._folder = folder
        self._tell = tell
        self._states: dict[str, State] = {}
        self._sound_s = 0.0

    def survey(self, units: Sequence[Unit]) -> list[Unit]:
        """The units of which something is left to be made; news of the others are told."""
        survey = self._folder.survey(row.id for unit in units for row in unit.rows)
        for unit in units:
            for row in unit.rows:
                if row.id in survey.done:
                    self.note(Progressed(row.id, row.line, "there"))
                elif row.id in survey.failed and row.id not in self._states:
                    error = self._folder.error_of(row.id)
                    self.note(Progressed(row.id, row.line, "failed", 0.0, error.sentence if error else ""))
        return [unit for unit in units if any(row.id not in survey.settled for row in unit.rows)]

    def note(self, progressed: Progressed) -> None:
        """Take what a worker says. A row's making is told as often as it begins, its end once."""
        known = self._states.get(progressed.row)
        if progressed.state == "making":
            self._tell(progressed)
        elif known is None or (known == "failed" and progressed.state != "failed"):
            self._states[progressed.row] = progressed.state
            self._sound_s += progressed.duration_s
            self._tell(progressed)
        elif known == "there" and progressed.state == "made":  # another worker found it before this word came
            self._states[progressed.row] = "made"
            self._sound_s += progressed.duration_s

    def tally(self, units: Sequence[Unit], *, stopped: bool) -> Tally:
        """What came of the units."""
        states = list(self._states.values())
        made, there, failed = (states.count(state) for state in ("made", "there", "failed"))
        return Tally(sum(len(unit.rows) for unit in units), made, there, failed, self._sound_s, stopped)
