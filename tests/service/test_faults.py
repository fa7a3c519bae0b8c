"""Whatever breaks a take, it ends in one sentence, what was made is kept, and the next take works."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.core.audio import to_int16
from studio.core.errors import InvalidRequestError
from studio.core.events import AudioChunk, Event, Failed, Finished
from studio.core.settings import Settings
from studio.pipeline.checkpoint import RenderEvent, SavePoint
from studio.service.jobs.runner import BUG_MESSAGE
from studio.service.studio import Studio
from tests.service.service_fakes import (
    CHUNK,
    RATE,
    checkpoint,
    create_backend,
    raising,
    ramp,
    render_ramp,
    request,
)

SETTINGS_PATHS = Callable[[Path], None]


class Once:
    """A render that does as it is told for the first take, and well for every other."""

    def __init__(self, first: Any) -> None:
        self._renders = [first]

    def __call__(self, *args: Any) -> Iterator[Event]:
        return (self._renders.pop() if self._renders else render_ramp)(*args)


@pytest.fixture
def outcomes(tmp_path: Path) -> Iterator[Callable[[Any], tuple[Failed, Finished]]]:
    """How a first take ends by a broken render, and a second one by a good one, in one studio."""
    studios = []

    def run(broken: Any) -> tuple[Failed, Finished]:
        studio = Studio(Settings(outputs=tmp_path), create_backend, Once(broken))
        studios.append(studio)
        ends = [list(studio.events(studio.submit(request(seed=seed)).id))[-1] for seed in (1, 2)]
        assert isinstance(ends[0], Failed)
        assert isinstance(ends[1], Finished)
        assert ends[1].path is not None
        assert sf.info(ends[1].path).duration == 1.0
        return ends[0], ends[1]

    yield run
    for studio in studios:
        studio.close()


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 700, CHUNK - 1])
def test_what_is_no_number_never_becomes_sound(outcomes: Any, fault: float, place: int) -> None:
    def render(*_: Any) -> Iterator[Event]:
        yield AudioChunk(ramp(0, CHUNK), RATE, 0)
        bad = ramp(CHUNK, CHUNK)
        bad[place] = fault
        yield AudioChunk(bad, RATE, CHUNK)
        yield AudioChunk(ramp(2 * CHUNK, CHUNK), RATE, 2 * CHUNK)

    failed, _ = outcomes(render)
    assert "float32" in failed.message
    assert failed.path is not None
    kept, _ = sf.read(failed.path, dtype="int16")
    np.testing.assert_array_equal(kept, to_int16(ramp(0, CHUNK + place)))


def test_nothing_but_faults_leaves_no_file(outcomes: Any, tmp_path: Path) -> None:
    def render(*_: Any) -> Iterator[Event]:
        yield AudioChunk(np.full(CHUNK, np.nan, np.float32), RATE, 0)

    failed, finished = outcomes(render)
    assert failed.path is None
    assert {path.stem for path in tmp_path.rglob("*") if path.is_file()} == {finished.path.stem}


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("odd"), RecursionError()]
)
def test_no_exception_of_any_kind_ends_the_worker(outcomes: Any, error: BaseException) -> None:
    failed, _ = outcomes(raising(error))
    assert failed.message == BUG_MESSAGE
    kept, _ = sf.read(failed.path, dtype="int16")
    np.testing.assert_array_equal(kept, to_int16(ramp(0, 3 * CHUNK)))


def test_an_exception_while_the_queue_is_told_ends_nothing(tmp_path: Path) -> None:
    studio = Studio(Settings(outputs=tmp_path), create_backend, render_ramp)
    list(studio.events(studio.submit(request()).id))
    (worker,) = studio._scheduler._queues.values()
    calls = []

    def moved() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("a listener's own fault")

    worker._moved = moved
    first = studio.submit(request(seed=3))
    second = studio.submit(request(seed=4))
    *_, end = studio.events(second.id)
    assert isinstance(end, Finished)
    assert first.status == "finished", "the fault was not its own"
    assert len(calls) == 2
    studio.close()


def deleting(what: Callable[[Path], None], tmp_path: Path) -> Any:
    """A render under which somebody takes the growing file away."""

    def render(*_: Any) -> Iterator[RenderEvent]:
        for index in range(4):
            if index == 2:
                (growing,) = tmp_path.rglob("*.wav")
                what(growing)
            yield AudioChunk(ramp(index * CHUNK, CHUNK), RATE, index * CHUNK)
            yield SavePoint(checkpoint((index + 1) * CHUNK))

    return render


@pytest.mark.parametrize(
    "what",
    [
        Path.unlink,
        lambda growing: shutil.rmtree(growing.parent),
        lambda growing: growing.rename(growing.with_name("elsewhere.wav")),
        lambda growing: growing.parent.rename(growing.parent.with_name("moved")),
    ],
    ids=["deleted", "folder deleted", "moved", "folder moved"],
)
def test_a_file_taken_away_under_way_is_told(outcomes: Any, tmp_path: Path, what: Any) -> None:
    failed, finished = outcomes(deleting(what, tmp_path))
    assert "deleted or moved" in failed.message
    assert failed.path is None
    assert finished.path.is_file()


def test_a_file_deleted_at_the_very_end_is_not_called_finished(tmp_path: Path) -> None:
    def render(*_: Any) -> Iterator[Event]:
        yield AudioChunk(ramp(0, RATE), RATE, 0)
        next(tmp_path.rglob("*.wav")).unlink()

    studio = Studio(Settings(outputs=tmp_path), create_backend, render)
    *_, end = studio.events(studio.submit(request()).id)
    studio.close()
    assert isinstance(end, Failed)
    assert "deleted or moved" in end.message
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_take_whose_format_can_t_be_written_says_where_it_is(tmp_path: Path) -> None:
    """Its folder takes no new file any more: the sound stays where it grew."""
    folder = tmp_path / "o"

    def render(*_: Any) -> Iterator[Event]:
        yield AudioChunk(ramp(0, RATE), RATE, 0)
        (folder / "a.flac").mkdir()  # as good as anything that can't be replaced

    studio = Studio(Settings(outputs=tmp_path), create_backend, render)
    job = studio.submit(request(), out=folder / "a.flac")
    *_, end = studio.events(job.id)
    studio.close()
    assert isinstance(end, Finished)
    assert end.path == folder / "a.growing.wav"
    assert sf.info(end.path).duration == 1.0


def test_a_listener_of_the_queue_that_fails_does_not_leave_the_take_unwatched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.service.jobs.runner.INTERVAL_S", 0.02)
    studio = Studio(Settings(outputs=tmp_path, unattended_limit_s=1.0), create_backend, render_ramp)
    broken = iter([True])
    tick = studio._scheduler.announce_all

    def announce() -> None:
        if next(broken, False):
            raise RuntimeError("a reader's own fault")
        tick()

    object.__setattr__(studio._scheduler.runner, "ticked", announce)
    job = studio.submit(request(duration_s=None))
    *_, end = studio.events(job.id)
    studio.close()
    assert isinstance(end, Finished)
    assert "unattended" in job.cancel.reason


def test_unloading_is_refused_while_any_device_uses_a_model(tmp_path: Path) -> None:
    studio = Studio(Settings(outputs=tmp_path), create_backend, render_ramp)
    with studio.borrow(request().model), pytest.raises(InvalidRequestError, match="stop it"):
        studio.unload()
    assert studio.unload() >= 0
    studio.close()
