"""One worker's loop, alone and beside others: each row once, whatever goes wrong."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.core.errors import CancelledError, InvalidRequestError
from studio.core.preset import load_preset
from studio.pipeline.cancel import CancelToken
from studio.service.batch.claims import ATTEMPTS, Claims, Held
from studio.service.batch.folder import FolderError, Made, SetFolder
from studio.service.batch.units import Unit
from studio.service.batch.work import DIED, Fault, Maker, Progressed, Tally, in_order, work
from studio.service.jobs.runner import BUG_MESSAGE
from tests.service.batch.set_fakes import (
    RATE,
    claims_in,
    hashes,
    ids,
    made,
    make_tone,
    rows,
    samples_of,
    units,
)
from tests.set_scale import bare_loop


@pytest.fixture
def folder(tmp_path: Path) -> SetFolder:
    return SetFolder(tmp_path / "set")


def run(folder: SetFolder, units: list[Unit], make: Maker = make_tone, **options: object) -> Tally:
    return work(folder, units, make, **{"cancel": CancelToken(), **options})  # type: ignore[arg-type]


def refusing(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
    """A maker that is not to be asked."""
    raise AssertionError(f"asked for {wanted}")


def test_every_row_is_made_once_and_not_again(folder: SetFolder) -> None:
    told: list[Progressed] = []
    wanted = units(5)
    assert run(folder, wanted, tell=told.append) == Tally(5, made=5, sound_s=pytest.approx(0.25))
    assert folder.survey().done == set(ids(wanted))
    assert sorted((one.row, one.state) for one in told) == sorted(
        (row, state) for row in ids(wanted) for state in ("making", "made")
    )
    assert claims_in(folder.path) == []
    assert run(folder, wanted, refusing) == Tally(5, there=5)
    folder.sidecar(wanted[3].rows[0].id).unlink()
    assert run(folder, wanted) == Tally(5, made=1, there=4, sound_s=pytest.approx(0.05))
    assert run(folder, units(6)).made == 1, "a row more is one to make"


def test_a_row_at_fault_is_told_and_the_others_are_made(folder: SetFolder) -> None:
    wanted = units(4)
    faults = {wanted[1].rows[0].id: InvalidRequestError("Too long."), wanted[2].rows[0].id: KeyError("bug")}

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        if error := faults.get(unit.rows[0].id):
            raise error
        yield from make_tone(unit, wanted, cancel)

    told: list[Progressed] = []
    assert run(folder, wanted, make, tell=told.append) == Tally(4, made=2, failed=2, sound_s=0.1)
    assert [one.sentence for one in told if one.state == "failed" and one.line == 2] == ["Too long."]
    error, bug = (folder.error_of(unit.rows[0].id) for unit in wanted[1:3])
    assert error is not None
    assert bug is not None
    assert (error.kind, error.sentence, error.line) == ("InvalidRequestError", "Too long.", 2)
    assert (bug.kind, bug.sentence) == ("KeyError", BUG_MESSAGE)
    assert run(folder, wanted, refusing) == Tally(4, there=2, failed=2), "not tried again unasked"
    faults.clear()
    assert run(folder, wanted, retry_errors=True).made == 2
    assert not list(folder.path.glob("??/*.error.json"))


def test_one_row_of_a_batch_may_be_at_fault(folder: SetFolder) -> None:
    wanted = units(4, batch=4)
    (unit,) = wanted

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        yield Fault(unit.rows[1], InvalidRequestError("Too loud."))
        yield made(unit.rows[0])
        yield made(unit.rows[3])

    assert run(folder, wanted, make) == Tally(4, made=2, failed=2, sound_s=0.1)
    errors = [folder.error_of(row.id) for row in unit.rows]
    assert [error.kind if error else "" for error in errors] == ["", "InvalidRequestError", "NothingCame", ""]


def test_a_batch_of_which_a_part_is_there_is_asked_for_the_rest(folder: SetFolder) -> None:
    wanted = units(4, batch=4)
    (unit,) = wanted
    folder.prepare()
    folder.write(made(unit.rows[2]), ids(wanted))
    asked: list[Collection[str]] = []

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        asked.append(wanted)
        assert len(unit.rows) == 4
        yield from make_tone(unit, wanted, cancel)

    run(folder, wanted, make)
    assert [set(one) for one in asked] == [set(ids(wanted)) - {unit.rows[2].id}]
    record = load_preset(folder.sidecar(unit.rows[0].id))
    assert record.take is not None
    assert record.take.batch is not None
    assert list(record.take.batch.unit) == ids(wanted)


def test_a_row_that_another_shard_made_in_another_format_is_taken(folder: SetFolder) -> None:
    wanted = units(2)
    run(SetFolder(folder.path, ".wav"), wanted[:1])
    assert run(folder, wanted) == Tally(2, made=1, there=1, sound_s=0.05)


def test_workers_share_the_rows_and_make_each_once(folder: SetFolder) -> None:
    wanted, asked = units(40), []

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        asked.append(unit.id)
        yield from make_tone(unit, wanted, cancel)

    tallies: list[Tally] = []
    threads = [
        threading.Thread(target=lambda: tallies.append(run(SetFolder(folder.path), wanted, make)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asked) == sorted(unit.id for unit in wanted)
    assert sum(tally.made for tally in tallies) == 40
    assert {tally.made + tally.there for tally in tallies} == {40}, "each waits until all is there"
    assert len(hashes(folder)) == 40
    assert claims_in(folder.path) == []


def test_stopping_leaves_no_claim_and_no_half_file(folder: SetFolder) -> None:
    wanted, cancel = units(4), CancelToken()

    def make(unit: Unit, wanted: Collection[str], token: CancelToken) -> Iterator[Made | Fault]:
        def chunks() -> Iterator[object]:
            whole = made(unit.rows[0])
            yield next(iter(whole.chunks))
            if len(folder.survey().done) == 2:
                cancel.set()
            token.check()
            yield from whole.chunks

        yield Made(unit.rows[0], 16000, chunks())  # type: ignore[arg-type]

    assert run(folder, wanted, make, cancel=cancel) == Tally(4, made=2, sound_s=0.1, stopped=True)
    assert claims_in(folder.path) == []
    assert len(hashes(folder)) == 2
    assert len(list(folder.path.glob("??/*"))) == 4
    assert run(folder, wanted) == Tally(4, made=2, there=2, sound_s=0.1)


def test_a_cancelled_maker_of_a_run_that_goes_on_is_a_row_at_fault(folder: SetFolder) -> None:
    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        raise CancelledError("A watchdog ended it.")

    assert run(folder, units(1), make).failed == 1


def test_a_unit_that_is_held_elsewhere_is_waited_for(folder: SetFolder) -> None:
    """The other holder makes it in the end: nothing is made twice."""
    wanted = units(2)
    folder.prepare()
    waited: list[float] = []

    class Waited(CancelToken):
        def wait(self, timeout_s: float) -> bool:
            waited.append(timeout_s)
            if len(waited) == 3:
                folder.write(made(wanted[0].rows[0]), [wanted[0].rows[0].id])
            return False

    with Claims(folder.path / ".claims") as others:
        assert others.take(wanted[0].id) is not None
        assert run(folder, wanted, cancel=Waited()) == Tally(2, made=1, there=1, sound_s=0.05)
    assert waited == [0.05, 0.1, 0.2], "ever more patiently"


def test_what_was_made_until_the_claim_stood_is_not_made_again(folder: SetFolder) -> None:
    wanted = units(1)
    folder.prepare()

    class Late(Claims):
        def take(self, unit_id: str) -> Held | None:
            folder.write(made(wanted[0].rows[0]), ids(wanted))  # by another, which let go then
            return super().take(unit_id)

    with Late(folder.path / ".claims") as claims:
        assert run(folder, wanted, refusing, claims=claims) == Tally(1, there=1)
    assert claims_in(folder.path) == []


@pytest.mark.parametrize("when", ["in the midst", "at the end"])
def test_who_was_followed_writes_nothing(folder: SetFolder, when: str) -> None:
    """Another takes this worker for dead, makes the row, and is still there or has let go."""
    wanted, before = units(1), []
    (row,) = wanted[0].rows

    def follow() -> None:
        (claim,) = claims_in(folder.path)
        (folder.path / ".claims" / claim).with_suffix(".2").write_text("{}")
        folder.write(made(row), [row.id])
        before.append(folder.sidecar(row.id).read_bytes())

    def chunks() -> Iterator[NDArray[np.float32]]:
        yield samples_of(row)
        follow()

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        if when == "in the midst":
            follow()
        yield made(row) if when == "in the midst" else Made(row, RATE, chunks())

    assert run(folder, wanted, make) == Tally(1, there=1)
    assert folder.sidecar(row.id).read_bytes() == before[0]


def test_a_unit_over_which_workers_died_is_given_up(folder: SetFolder) -> None:
    wanted = units(3)
    folder.prepare()
    claim = folder.path / ".claims" / f"{wanted[1].id}.{ATTEMPTS}"
    claim.write_text(json.dumps({"let_go": True}))
    assert run(folder, wanted) == Tally(3, made=2, failed=1, sound_s=0.1)
    error = folder.error_of(wanted[1].rows[0].id)
    assert error is not None
    assert error.kind == DIED
    assert claims_in(folder.path) == []
    assert run(folder, wanted, retry_errors=True).made == 1, "and with a clean slate where it is wanted"


def test_a_claim_of_who_died_after_its_row_was_written_is_cleared_away(folder: SetFolder) -> None:
    wanted = units(2)
    folder.prepare()
    folder.write(made(wanted[0].rows[0]), [wanted[0].rows[0].id])
    for number, unit in enumerate([wanted[0].id, "0" * 32]):
        (folder.path / ".claims" / f"{unit}.{number + 1}").write_text('{"let_go": true}')
    assert run(folder, wanted).made == 1
    assert claims_in(folder.path) == [f"{'0' * 32}.2"], "of units that it knows"


def test_a_full_disk_stops_the_run_and_is_no_rows_fault(small_disk: Path) -> None:
    folder, wanted = SetFolder(small_disk / "set", ".wav"), units(6, seconds=10.0)
    folder.prepare()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    with pytest.raises(FolderError, match=r"The disk of .* is full: free some space and try again\."):
        run(folder, wanted)
    survey = folder.survey()
    assert 0 < len(survey.done) < 6
    assert not survey.failed
    assert claims_in(folder.path) == []
    assert not list(folder.path.glob("??/*.part"))
    ballast.unlink()
    tally = run(folder, wanted)
    assert (tally.made, tally.there) == (6 - len(survey.done), len(survey.done))


@pytest.mark.parametrize("suffix", [".flac", ".mp3"])
def test_a_full_disk_is_known_whoever_meets_it(small_disk: Path, suffix: str) -> None:
    """libsndfile says no more than that it could not write."""
    folder, (unit,) = SetFolder(small_disk / "set", suffix), units(1, seconds=10.0)
    folder.prepare()
    folder._make_shelf(folder.sound(unit.rows[0].id).parent)
    with suppress(OSError), open(small_disk / "ballast", "wb", buffering=0) as ballast:
        while ballast.write(bytes(4096)):
            pass
    with pytest.raises(FolderError, match="The disk of"):
        folder.write(made(unit.rows[0]), [unit.rows[0].id])


def test_the_folder_is_not_listed_for_every_row(folder: SetFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []
    names = SetFolder._names

    def noted(self: SetFolder, path: Path) -> list[str]:
        listed.append(path.name)
        return names(self, path)

    monkeypatch.setattr(SetFolder, "_names", noted)
    wanted = units(30)
    shelves = len({row[:2] for row in ids(wanted)})
    run(folder, wanted)
    assert len(listed) <= 2 * shelves, "once before the pass and once after it"


def test_a_row_is_synced_no_oftener_than_by_a_bare_loop(
    folder: SetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a set costs is the disk's time: no claim may add to it."""
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(file), fsync(file)))
    bare_loop(folder.path.with_name("bare"), rows(12))
    bare = len(synced)
    assert bare == 3 * 12
    run(folder, units(12))
    shelves = len(list(folder.path.glob("??")))
    assert len(synced) - bare == bare + shelves + 1, "and at the end each folder once"


def test_workers_begin_apart_and_keep_to_a_model() -> None:
    wanted = units(8)
    assert [unit.id for unit in in_order(wanted, 0.5)] == [unit.id for unit in wanted[4:] + wanted[:4]]
    other = [
        Unit(
            unit.id,
            tuple(
                row.__class__(
                    row.id,
                    row.line,
                    row.request.model_copy(
                        update={"model": row.request.model.model_copy(update={"id": f"model-{number % 2}"})}
                    ),
                )
                for row in unit.rows
            ),
        )
        for number, unit in enumerate(wanted)
    ]
    models = [unit.rows[0].request.model.id for unit in in_order(other, 0.0)]
    assert models == ["model-0"] * 4 + ["model-1"] * 4
    assert in_order([], 0.3) == []
