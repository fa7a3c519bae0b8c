"""A studio that is strangers' to use: whose turn it is, how much they may ask for, when it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from studio.app import build_studio, require_allowed
from studio.cli import Factories, build_cli
from studio.core.errors import InvalidRequestError
from studio.core.events import Telemetry
from studio.core.settings import Settings, Visitors
from studio.service.jobs.device_queue import DeviceQueue
from studio.service.jobs.job import Job
from studio.service.studio import Studio
from studio.service.takes.expiry import MARK, expire, visitors_folder
from tests.service.service_fakes import GatedRender, create_backend, endless, request
from tests.waiting import until

HOURS = 3600.0
MOST = Visitors(longest_s=100.0, turn_s=10.0, clip_turn_s=500.0, keep_s=2 * HOURS)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    settings = Settings(outputs=visitors_folder(tmp_path), host="0.0.0.0", visitors=MOST)
    studio = Studio(settings, create_backend, GatedRender())
    yield studio
    studio.close()


def queue_of(studio: Studio) -> DeviceQueue:
    return studio._scheduler._queue(request().model)


def running(studio: Studio, job: Job, made_s: float = 0.0) -> Job:
    """The job once it is made, as if it had so much sound."""
    until(lambda: queue_of(studio).current is job)
    job._latest = Telemetry(0.0, None, 1.0, audio_s=made_s, buffered_s=0.0, step_ms=1.0)
    return job


def tick(studio: Studio) -> None:
    studio._scheduler._tick()


def test_an_endless_take_fades_out_after_its_turn_where_another_waits(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = running(studio, studio.submit(endless(), client="a"))
    own = studio.submit(endless(), client="a")
    monkeypatch.setattr(Job, "running_s", MOST.turn_s)
    tick(studio)
    assert not job.control.ending, "only its own next one waits"
    other = studio.submit(endless(), client="b")
    monkeypatch.setattr(Job, "running_s", MOST.turn_s - 1)
    tick(studio)
    assert not job.control.ending, "its turn is not over"
    monkeypatch.setattr(Job, "running_s", MOST.turn_s)
    tick(studio)
    assert job.control.ending
    assert not own.ended
    assert not other.ended


def test_a_take_that_nobody_waits_for_ends_at_the_longest_length(studio: Studio) -> None:
    job = running(studio, studio.submit(endless(), client="a"), MOST.longest_s - 1)
    tick(studio)
    assert not job.control.ending
    running(studio, job, MOST.longest_s)
    tick(studio)
    assert job.control.ending


def test_a_clip_that_takes_too_long_is_stopped_for_who_waits(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = request(mode="sparse", sampler={"kind": "clip"}, duration_s=10)
    job = running(studio, studio.submit(clip, client="a"))
    tick(studio)
    assert not job.cancel.is_set()
    studio.submit(clip, client="b")
    tick(studio)
    assert not job.cancel.is_set(), "its turn is not over"
    monkeypatch.setattr(Job, "running_s", MOST.clip_turn_s)
    tick(studio)
    assert job.cancel.is_set()
    assert "had its turn" in job.cancel.reason


def test_where_the_page_is_one_s_own_nobody_has_turns(tmp_path: Path) -> None:
    studio = Studio(Settings(outputs=tmp_path), create_backend, GatedRender())
    job = running(studio, studio.submit(endless(), client="a"), 1e6)
    studio.submit(endless(), client="b")
    tick(studio)
    assert not job.control.ending
    assert not job.cancel.is_set()
    studio.close()


def test_visitors_ask_for_so_much_sound_at_most() -> None:
    settings = Settings(host="0.0.0.0", visitors=MOST)
    require_allowed(request(duration_s=100), settings)
    require_allowed(endless(), settings)
    with pytest.raises(InvalidRequestError, match="1:40 at most for its visitors"):
        require_allowed(request(duration_s=101), settings)
    require_allowed(request(duration_s=101), Settings(host="0.0.0.0"))


def old(path: Path, hours: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("sound")
    os.utime(path, (1e9 - hours * HOURS, 1e9 - hours * HOURS))
    return path


def test_what_they_made_is_deleted_after_its_hours(tmp_path: Path) -> None:
    folder = visitors_folder(tmp_path / "visitors")
    gone = [old(folder / "2026-01-01" / name, 3) for name in ("rain.flac", "rain.json")]
    stays = old(folder / "2026-01-02" / "wind.flac", 1)
    os.utime(folder / MARK, (0, 0))
    os.utime(folder / "2026-01-01", (0, 0))
    assert expire(folder, 2 * HOURS, now_s=1e9) == 2
    assert not any(path.exists() for path in gone)
    assert stays.exists()
    assert (folder / MARK).exists()


def test_a_folder_of_somebody_s_own_is_never_swept(tmp_path: Path) -> None:
    own = old(tmp_path / "2026-01-01" / "mine.flac", 1000)
    assert expire(tmp_path, 1.0) == 0
    assert own.exists()
    with pytest.raises(InvalidRequestError, match="empty folder"):
        visitors_folder(tmp_path)
    with pytest.raises(InvalidRequestError, match="can't be written"):
        visitors_folder(own)
    assert visitors_folder(visitors_folder(tmp_path / "new")).is_dir()


def test_a_take_that_grows_is_left_alone(studio: Studio, tmp_path: Path) -> None:
    """However late its file was last written: its writer holds it."""
    fcntl = pytest.importorskip("fcntl")
    growing = old(tmp_path / "2026-01-01" / "grows.wav", 1000)
    with growing.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert expire(tmp_path, 1.0) == 0
    assert expire(tmp_path, 1.0) == 1


def test_the_page_of_one_s_own_takes_no_visitors(tmp_path: Path) -> None:
    """Nor one with a login, whose takes are kept."""
    served: list[Settings] = []
    cli = build_cli(Factories(serve=served.append, studio=build_studio))
    folder = str(tmp_path / "visitors")
    words = ["serve", "--model", "tone", "--visitors", folder]
    for more in ([], ["--host", "0.0.0.0", "--auth", "me:secret"]):
        assert CliRunner().invoke(cli, [*words, *more]).exit_code == 2
    assert CliRunner().invoke(cli, [*words, "--host", "0.0.0.0"]).exit_code == 0
    (settings,) = served
    assert (settings.outputs, settings.visitors) == (Path(folder), Visitors())
    assert (settings.outputs / MARK).is_file()
