"""The claim loop in Ray's actors: on one local cluster, which the module starts and ends."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from ray_fakes import endless_maker, no_maker, slow_maker
from set_fakes import make_tone, rows, tone_maker, units

from studio.core.errors import InvalidRequestError, ModelNotFoundError, OutOfResourcesError, WeightsError
from studio.pipeline.cancel import CancelToken
from studio.service.batch import ray_engine
from studio.service.batch.folder import SetFolder
from studio.service.batch.listing import write_rows
from studio.service.batch.queue import ask, asked_ns
from studio.service.batch.ray_engine import run_ray, run_ray_queue, shares
from studio.service.batch.units import Unit
from studio.service.batch.work import Progressed, work

ROOT = Path(__file__).resolve().parents[3]
NEEDS_RAY = pytest.mark.skipif(
    find_spec("ray") is None and os.environ.get("CI") != "true", reason="the package ray is not installed"
)


def left_behind() -> set[str]:
    """Ray's processes under this one, and folders of clusters."""
    names = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            names.add(" ".join(child.cmdline())[:40])
    return {name for name in names if "ray" in name} | {
        str(one) for one in Path("/tmp").glob("longwave-ray-*")
    }


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Ray, connected to a cluster of two cores; nothing of it is left afterwards."""
    before = left_behind()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(Path(__file__).parent)]))
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))  # or Ray would write one into the home folder
        handler = signal.getsignal(signal.SIGTERM)
        with ray_engine._cluster("", cores=2) as ray:
            assert signal.getsignal(signal.SIGTERM) is handler
            yield ray
    assert left_behind() <= before


def hashes(folder: SetFolder) -> dict[str, str]:
    """Row → the hash of its sound, of every file of sound there is."""
    found = {}
    for path in sorted(folder.path.glob("??/*.flac")):
        found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        assert folder.is_done(path.stem)
    return found


def undisturbed(path: Path, wanted: Sequence[Unit]) -> dict[str, str]:
    folder = SetFolder(path)
    work(folder, wanted, make_tone, cancel=CancelToken())
    return hashes(folder)


@NEEDS_RAY
@pytest.mark.slow
def test_each_row_is_made_once_by_workers_with_sensible_names(cluster: Any, tmp_path: Path) -> None:
    folder, wanted = SetFolder(tmp_path / "rains"), units(20, batch=3)
    told: list[Progressed] = []
    names: set[str] = set()

    def tell(progressed: Progressed) -> None:
        told.append(progressed)
        names.update(cluster.util.list_named_actors())

    tally = run_ray(folder, wanted, tone_maker, workers=2, tell=tell, cancel=CancelToken())
    assert (tally.rows, tally.made, tally.failed, tally.left) == (20, 20, 0, 0)
    # Once each; another worker may have found a row there before word of its making came.
    assert sorted(one.line for one in told if one.state in ("made", "there")) == list(range(1, 21))
    assert {name.rpartition(" ")[0] for name in names} == {"rains 1/2", "rains 2/2"}
    assert hashes(folder) == undisturbed(tmp_path / "alone", wanted)
    again = run_ray(folder, wanted, no_maker, cancel=CancelToken())
    assert (again.made, again.there) == (0, 20)


@NEEDS_RAY
@pytest.mark.slow
def test_killed_workers_are_started_again_and_no_row_is_lost(cluster: Any, tmp_path: Path) -> None:
    folder, wanted = SetFolder(tmp_path / "killed"), units(40)
    killed: list[int] = []

    def kill(progressed: Progressed) -> None:
        """The process that holds a claim, after each tenth row."""
        if progressed.state == "made" and progressed.line % 10 == 0:
            for claim in (folder.path / ".claims").iterdir():
                with suppress(OSError, ValueError, KeyError):
                    process = json.loads(claim.read_text())["process"]
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)
                    return

    tally = run_ray(folder, wanted, slow_maker, workers=2, tell=kill, cancel=CancelToken())
    assert len(killed) >= 2
    assert len(set(killed)) == len(killed)  # others came in their place
    assert (tally.rows, tally.failed, tally.left) == (40, 0, 0)
    assert hashes(folder) == undisturbed(tmp_path / "alone", wanted)
    assert not list((folder.path / ".claims").iterdir())


@NEEDS_RAY
@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("how", ["cancelled", "interrupted"])
def test_a_run_that_ends_early_lets_go_of_its_claims(how: str, tmp_path: Path) -> None:
    folder, cancel = SetFolder(tmp_path / "ended"), CancelToken()
    held: list[Path] = []

    def end(progressed: Progressed) -> None:
        """At the first word; the last are told when the claims are let go of."""
        held.extend((folder.path / ".claims").iterdir())
        if how == "interrupted":
            raise KeyboardInterrupt
        cancel.set()

    def run() -> Any:
        return run_ray(folder, units(4), endless_maker, workers=2, tell=end, cancel=cancel)

    if how == "interrupted":
        with pytest.raises(KeyboardInterrupt):
            run()
    else:
        tally = run()
        assert (tally.stopped, tally.left) == (True, 4)
    assert held
    assert not list((folder.path / ".claims").iterdir())


class FakeActor:
    """One that has a word to tell at once, and never comes to an end; a reference is a method's name."""

    def __init__(self) -> None:
        self.told = self._method("told")
        self.make = self._method("make")
        self.stop = self._method("stop")

    def _method(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda *_: (name, id(self)))


def test_no_worker_is_left_when_the_last_words_are_not_taken() -> None:
    killed: list[FakeActor] = []
    actors = [FakeActor(), FakeActor()]
    left = iter(actors)
    ray = SimpleNamespace(
        nodes=lambda: [{"Alive": True, "Resources": {"CPU": 2.0}}],
        remote=lambda _: SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda _: next(left))),
        put=lambda about: about,
        wait=lambda references, **_: ([one for one in references if one[0] == "told"], []),
        get=lambda _: [Progressed("row", 1, "making", 0.0, "")],
        exceptions=ray_exceptions(),
        kill=killed.append,
    )

    def refuse(_: Progressed) -> None:
        raise BrokenPipeError("nobody listens")

    crew = ray_engine._Crew(ray, "rains", 2, 2, None, on_cards=False)
    with pytest.raises(BrokenPipeError):
        crew.run(no_maker, work, (), refuse, CancelToken())
    assert killed == actors


def ray_exceptions() -> SimpleNamespace:
    names = "RayError", "RayTaskError", "RuntimeEnvSetupError", "RayActorError"
    return SimpleNamespace(**{name: type(name, (Exception,), {}) for name in names})


@NEEDS_RAY
@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_what_a_worker_raises_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"^The weights are damaged: fetch them again\.$"):
        run_ray(SetFolder(tmp_path / "faulty"), units(4), no_maker, cancel=CancelToken())


@NEEDS_RAY
@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_queue_is_worked_on_by_actors_too(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_rows(tmp_path / name, name, rows(5), 1)
        ask(tmp_path / name)
    told: list[Progressed] = []
    run_ray_queue(tmp_path, tone_maker, workers=2, tell=told.append, cancel=CancelToken(), once=True)
    assert [one.state for one in told].count("made") == 10
    for name in ("one", "two"):
        assert len(hashes(SetFolder(tmp_path / name))) == 5
        assert not asked_ns(tmp_path / name)


@NEEDS_RAY
@pytest.mark.slow
def test_the_command_starts_a_cluster_and_ends_it(tmp_path: Path) -> None:
    sheet = tmp_path / "rows.csv"
    sheet.write_text("mode,prompt,seconds,model,attention,count\nsparse,rain,0.5,tone,dense,6\n")
    command = [
        "batch",
        str(sheet),
        "--out",
        str(tmp_path / "set"),
        "--engine",
        "ray",
        "--workers",
        "2",
        "--json",
    ]
    before = left_behind()
    done = subprocess.run(
        [sys.executable, "-m", "studio.app", *command],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "RAY_AUTH_TOKEN": secrets.token_hex(32)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["rows"], figures["made"] + figures["there"], figures["failed"]) == (6, 6, 0)
    assert len(hashes(SetFolder(tmp_path / "set"))) == 6
    assert left_behind() <= before


def test_without_ray_one_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModelNotFoundError, match="uv pip install --group ray"):
        run_ray(SetFolder(tmp_path / "set"), units(1), tone_maker, cancel=CancelToken())


@pytest.mark.parametrize(
    ("address", "error"), [("10.0.0.1:6379", InvalidRequestError), ("", OutOfResourcesError)]
)
def test_no_cluster_is_one_sentence(address: str, error: type[Exception]) -> None:
    def init(*_: object, **__: object) -> None:
        raise ConnectionError("Nobody answers.\nAnd a trace.")

    ray = SimpleNamespace(init=init, exceptions=SimpleNamespace(RayError=RuntimeError))
    with pytest.raises(error, match=r"Nobody answers\.\)") as caught:
        ray_engine._connect(ray, address, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("nodes", "workers", "cards", "expected"),
    [
        ([{"CPU": 8.0}], None, True, (8, {"num_cpus": 1})),
        ([{"CPU": 8.0}], 3, True, (3, {"num_cpus": 2})),
        ([{"CPU": 3.0}, {"CPU": 3.0}], 3, True, (3, {"num_cpus": 1})),
        ([{"CPU": 2.0}], 5, True, (5, {"num_cpus": 1})),
        ([{"CPU": 16.0, "GPU": 8.0}, {"CPU": 4.0}], None, True, (8, {"num_gpus": 1, "num_cpus": 1})),
        ([{"CPU": 16.0, "GPU": 2.0}], 3, True, (3, {"num_gpus": 0.5, "num_cpus": 1})),
        ([{"CPU": 4.0, "GPU": 2.0}], None, False, (4, {"num_cpus": 1})),
        ([], None, True, (1, {"num_cpus": 1})),
    ],
)
def test_what_each_worker_has_of_a_cluster(
    nodes: list[dict[str, float]], workers: int | None, cards: bool, expected: tuple[int, dict[str, float]]
) -> None:
    ray = SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": one} for one in nodes])
    assert shares(ray, workers, on_cards=cards) == expected
