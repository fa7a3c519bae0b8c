"""What a run counts of its rows, in whatever order its workers' words come."""

from __future__ import annotations

from pathlib import Path

from studio.service.batch.folder import SetFolder
from studio.service.batch.ledger import Ledger
from studio.service.batch.work import Progressed, Tally
from tests.service.batch.set_fakes import ids, made, units


def test_a_row_is_told_once_and_counted_as_what_it_was_in_the_end(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    folder, wanted = SetFolder(tmp_path), units(5)
    ledger = Ledger(folder, lambda one: told.append((one.row, one.state)))
    first, second, third, fourth, fifth = ids(wanted)
    folder.prepare()
    folder.write(made(wanted[0].rows[0]), [first])
    folder.write_error(wanted[1].rows[0], "InvalidRequestError", "Too long.")
    assert ledger.survey(wanted) == wanted[2:]
    for row, state, seconds in (
        (second, "made", 1.0),  # a failure of before, which another run's worker was asked to try again
        (third, "making", 0.0),
        (third, "there", 0.0),  # a worker found it before the word of its maker came
        (third, "made", 2.0),
        (third, "made", 2.0),
        (fourth, "made", 4.0),
        (fourth, "there", 0.0),
        (fifth, "failed", 0.0),
    ):
        ledger.note(Progressed(row, 1, state, seconds))  # type: ignore[arg-type]
    assert told == [
        (first, "there"),
        (second, "failed"),
        (second, "made"),
        (third, "making"),
        (third, "there"),
        (fourth, "made"),
        (fifth, "failed"),
    ]
    assert ledger.tally(wanted, stopped=False) == Tally(5, made=3, there=1, failed=1, sound_s=7.0)
