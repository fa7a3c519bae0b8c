"""Several processes in one folder: killed, stopped, left alone by their parent; every row comes once."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from studio.core.errors import InvalidRequestError, OutOfResourcesError
from studio.pipeline.cancel import CancelToken
from studio.service.batch import local
from studio.service.batch.folder import FolderError, Made, SetFolder
from studio.service.batch.local import run_local
from studio.service.batch.units import Unit, shard_of
from studio.service.batch.work import Fault, Maker, Progressed, Tally, work
from tests.service.batch.set_fakes import claims_in, hashes, made, make_tone, tone_maker, units
from tests.waiting import until

pytestmark = pytest.mark.slow
KILLS = 4
ROWS = 24
PARENT = """
import sys
from pathlib import Path
from studio.pipeline.cancel import CancelToken
from studio.service.batch.folder import SetFolder
from studio.service.batch.local import run_local
from studio.core.interrupts import all_as_interrupt
from tests.service.batch.set_fakes import units
from tests.service.batch.test_set_local import waiting_maker
if __name__ == "__main__":
    with all_as_interrupt():
        run_local(SetFolder(Path(sys.argv[1])), units(4), waiting_maker, workers=2, cancel=CancelToken())
"""


def waiting_maker() -> Maker:
    """Begins a row and never ends it."""

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        while not cancel.wait(0.05):
            pass
        cancel.check()
        yield made(unit.rows[0])

    return make


def broken_maker(how: str) -> Maker:
    """What never gets as far as a row."""
    if how == "died":
        os._exit(7)
    raise InvalidRequestError("There is no such model: choose another.")


def choosy_maker(victim: str, how: str) -> Maker:
    """A tone, but for one row, over which its worker dies or that is at fault."""

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        if victim in (unit.rows[0].id, "any") and how == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if unit.rows[0].id == victim:
            raise InvalidRequestError("Too long.")
        yield from make_tone(unit, wanted, cancel)

    return make


def environment_maker(folder: Path) -> Maker:
    """Writes down what it was started with; makes its one row when the other worker has done so too."""

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        text = f"{os.environ['CUDA_VISIBLE_DEVICES']} {os.environ['OMP_NUM_THREADS']}"
        (folder / f"{os.getpid()}.txt").write_text(text)
        until(lambda: len(list(folder.glob("*.txt"))) == 2)
        yield from make_tone(unit, wanted, cancel)

    return make


def run(
    folder: SetFolder, wanted: list[Unit], make: Callable[[], Maker] = tone_maker, **options: object
) -> Tally:
    return run_local(folder, wanted, make, **{"workers": 2, "cancel": CancelToken(), **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = SetFolder(tmp_path_factory.mktemp("undisturbed") / "set")
    work(folder, units(ROWS), make_tone, cancel=CancelToken())
    return hashes(folder)


def test_killing_workers_costs_no_row(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    folder, chance, killed = SetFolder(tmp_path / "set"), random.Random(1), []
    told: dict[str, str] = {}

    def tell(progressed: Progressed) -> None:
        if progressed.state != "making":
            assert progressed.row not in told, "told once"
            told[progressed.row] = progressed.state
        alive = sorted(
            child.pid or 0 for child in multiprocessing.active_children() if child.pid not in killed
        )
        if progressed.state == "made" and len(killed) < KILLS and alive:
            killed.append(chance.choice(alive))
            os.kill(killed[-1], signal.SIGKILL)

    tally = run(folder, units(ROWS), tell=tell)
    assert len(killed) == KILLS
    assert (tally.rows, tally.failed, tally.left, tally.stopped) == (ROWS, 0, 0, False)
    assert hashes(folder) == undisturbed
    assert len(told) == ROWS
    assert claims_in(folder.path) == []


def test_two_shards_and_two_more_runs_share_a_folder(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    wanted, folder = units(ROWS), SetFolder(tmp_path / "set")
    parts = [shard_of(wanted, 1, 2), shard_of(wanted, 2, 2), wanted, wanted]
    tallies: list[Tally] = []
    threads = [
        threading.Thread(
            target=lambda part=part: tallies.append(run(SetFolder(folder.path), part, workers=1))
        )
        for part in parts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(tally.made for tally in tallies) == ROWS, "nothing is made twice"
    assert all(tally.left == tally.failed == 0 for tally in tallies)
    assert hashes(folder) == undisturbed


def test_a_row_that_kills_its_workers_is_given_up_and_the_rest_is_made(tmp_path: Path) -> None:
    folder, wanted = SetFolder(tmp_path / "set"), units(6)
    victim = wanted[2].rows[0].id
    assert run(folder, wanted, partial(choosy_maker, victim, "dies"), workers=1) == Tally(
        6, made=5, failed=1, sound_s=pytest.approx(0.25)
    )
    error = folder.error_of(victim)
    assert error is not None
    assert error.kind == "WorkerDied"


def test_faults_are_told_by_the_workers_and_tried_again_when_asked(tmp_path: Path) -> None:
    folder, wanted, told = SetFolder(tmp_path / "set"), units(4), []
    victim = wanted[2].rows[0].id
    faulty = partial(choosy_maker, victim, "refuses")
    assert run(folder, wanted, faulty, tell=told.append).failed == 1
    assert [one.sentence for one in told if one.state == "failed"] == ["Too long."]
    assert run(folder, wanted, partial(broken_maker, "died")) == Tally(4, there=3, failed=1), (
        "none is started"
    )
    assert run(folder, wanted, retry_errors=True) == Tally(4, made=1, there=3, sound_s=0.05)


def test_workers_that_never_begin_end_the_run(tmp_path: Path) -> None:
    folder = SetFolder(tmp_path / "set")
    with pytest.raises(InvalidRequestError, match="There is no such model"):
        run(folder, units(4), partial(broken_maker, "raises"), workers=1)
    with pytest.raises(OutOfResourcesError, match=r"died 3 times .* \(exit status 7\)"):
        run(folder, units(4), partial(broken_maker, "died"), workers=1)
    assert multiprocessing.active_children() == []


def test_workers_that_only_die_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "DEADLY", 2)
    with pytest.raises(OutOfResourcesError, match=r"died 2 times before they had made a row"):
        run(SetFolder(tmp_path / "set"), units(4), partial(choosy_maker, "any", "dies"), workers=1)


def test_a_full_disk_ends_all_workers_by_a_sentence(small_disk: Path) -> None:
    folder, wanted = SetFolder(small_disk / "set", ".wav"), units(8, seconds=10.0)
    with pytest.raises(FolderError, match=r"The disk of .* is full"):
        run(folder, wanted)
    assert multiprocessing.active_children() == []
    survey = folder.survey()
    assert survey.done
    assert not survey.failed
    assert claims_in(folder.path) == []


def test_a_stopped_run_lets_go_of_everything(tmp_path: Path) -> None:
    folder, cancel = SetFolder(tmp_path / "set"), CancelToken()

    def tell(progressed: Progressed) -> None:
        if len(claims_in(folder.path)) == 2:
            cancel.set()

    assert run(folder, units(4), waiting_maker, tell=tell, cancel=cancel) == Tally(4, stopped=True)
    assert claims_in(folder.path) == []
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    """However it ends: asked to, its claims are let go of; killed, its workers see it and do the same."""
    folder = SetFolder(tmp_path / "set")
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    root = Path(local.__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, str(script), str(folder.path)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
    ) as parent:
        until(lambda: (folder.path / ".claims").is_dir() and len(claims_in(folder.path)) == 2, 60)
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 2
        parent.send_signal(number)
        until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children), 60)
    assert claims_in(folder.path) == []
    assert run(folder, units(4), workers=1).made == 4


def test_a_worker_has_its_share_of_the_machine(tmp_path: Path) -> None:
    """Threads for the processor, a graphics card by its number."""
    folder = SetFolder(tmp_path / "set")
    run(folder, units(2), partial(environment_maker, folder.path), workers=2, cards=["3", "5"])
    said = {path.read_text() for path in folder.path.glob("*.txt")}
    threads = max(1, local.cores() // 2)
    assert said == {f"3 {threads}", f"5 {threads}"}
