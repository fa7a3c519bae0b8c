from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.core.events import AttentionMap, AudioChunk, Event, Failed, Finished, Progress, Telemetry
from studio.core.request import parse_request
from studio.dsp.spectrogram import columns
from studio.service.jobs.job import Job
from studio.service.live.pcm_stream import PcmStream
from studio.ui.panels import live
from studio.ui.panels.live import LiveView, LiveViews

RATE = 16000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * RATE).astype(np.float32)


def new_job() -> Job:
    return Job(parse_request(prompt="rain", seed=2**60 + 1), PcmStream(8.0))


def new_view() -> LiveView:
    return LiveView(new_job())


def drawn(view: LiveView, columns_from: int = 0) -> np.ndarray:
    return np.frombuffer(base64.b64decode(view.beat(columns_from)["columns"]), np.uint8).reshape(-1, 64)


def test_columns_come_once_and_together_make_the_picture() -> None:
    view, got = new_view(), []
    for start in range(0, len(NOISE), 1234):
        view.see(AudioChunk(NOISE[start : start + 1234], RATE, start))
        got.append(drawn(view, sum(map(len, got))))
    view.see(Finished(None, 2.0))
    got.append(drawn(view, sum(map(len, got))))
    np.testing.assert_array_equal(np.concatenate(got), columns(NOISE))


def test_a_take_has_ended_once_all_of_it_was_seen(tmp_path: Path) -> None:
    rest = threading.Event()

    def late() -> Iterator[Event]:
        rest.wait(30)
        yield AudioChunk(NOISE, RATE, 0)
        yield job.outcome

    job = new_job()
    view = LiveView(job)
    view.follow(late())
    job.begin()
    job.end(Finished(tmp_path / "take.flac", 2.0))
    beat = view.beat(0)
    assert (beat["phase"], beat["file"], beat["made_s"]) == ("running", "", 0.0)
    rest.set()
    view.wait()
    beat = view.beat(0)
    assert (beat["phase"], beat["file"], beat["made_s"]) == ("finished", "take.flac", 2.0)


@pytest.mark.parametrize("frames", [1, 96, 160, 500])
def test_an_attention_map_comes_once_and_small(frames: int) -> None:
    weights = np.full((frames, frames), 0.1 / frames, np.float32)
    weights[:, : max(1, frames // 10)] = 1.0
    view = new_view()
    assert view.beat(0)["attention"] is None
    view.see(AttentionMap(32, weights, {"buffer": (0, frames // 4)}))
    picture = view.beat(0)["attention"]
    size = picture["size"]
    drawn = np.frombuffer(base64.b64decode(picture["map"]), np.uint8).reshape(size, size)
    assert size == min(frames, 160)
    assert (drawn[:, 0] == 255).all(), "the columns looked at are bright"
    assert frames == 1 or (drawn[:, -1] < 128).all()
    assert picture["regions"]["buffer"] == [0.0, frames // 4 / frames]
    assert view.beat(0, attention_from=32)["attention"] is None


@pytest.mark.parametrize("seen", [[], [0.0], [2.5]], ids=str)
def test_a_clip_that_is_there_has_its_real_time_factor(seen: list[float], tmp_path: Path) -> None:
    job = Job(parse_request(mode="sparse", prompt="x", sampler={"kind": "clip"}), PcmStream(8.0))
    view = LiveView(job)
    for factor in seen:
        view.see(Telemetry(100.0, None, factor, 0.0, 0.0, 20.0))
        assert view.beat(0)["figures"]["rtf"] == factor
    job.end(Finished(tmp_path / "take.flac", 10.0, {"rtf": 0.75, "step_ms": 31.0}))
    assert view.beat(0)["figures"]["rtf"] == 0.75
    assert view.beat(0)["figures"]["step_ms"] == 31.0


def test_an_endless_take_keeps_the_factor_that_leaves_its_start_out(tmp_path: Path) -> None:
    for seen, told in [(0.3, 0.3), (0.0, 0.9)]:
        view = new_view()
        view.see(Telemetry(100.0, None, seen, 4.0, 0.0, 20.0))
        view.job.end(Finished(tmp_path / "take.flac", 10.0, {"rtf": 0.9}))
        assert view.beat(0)["figures"]["rtf"] == told


def test_lost_chunks_leave_the_pictures_time_right() -> None:
    view, holed = new_view(), NOISE.copy()
    view.see(AudioChunk(NOISE[:8000], RATE, 0))
    view.see(AudioChunk(NOISE[16000:], RATE, 16000))
    view.see(Finished(None, 2.0))
    holed[8000:16000] = 0
    np.testing.assert_array_equal(drawn(view), columns(holed))


def test_memory_is_bounded_and_late_readers_get_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEPT_COLUMNS", 50)
    view = new_view()
    view.see(AudioChunk(NOISE, RATE, 0))
    view.see(Finished(None, 2.0))
    beat = view.beat(0)
    assert beat["first_column"] == 150
    np.testing.assert_array_equal(drawn(view), columns(NOISE)[150:])
    assert view.beat(10**9)["columns"] == ""
    assert view.beat(-5)["first_column"] == 150


def test_state_tells_the_seed_exactly_and_how_things_stand() -> None:
    view = new_view()
    view.see(Progress("Loading the model"))
    assert view.state()["message"] == "Loading the model"
    assert view.state()["seed"] == str(2**60 + 1)
    assert view.beat(0)["figures"] == {}
    view.see(Telemetry(500.0, 100.0, 0.5, 3.0, 1.0, 20.0, conventional_mb=900.0))
    assert view.beat(0)["figures"] == {
        "memory_mb": 600.0,
        "rtf": 0.5,
        "step_ms": 20.0,
        "ahead_s": 1.0,
        "conventional_mb": 900.0,
    }
    view.see(Failed("The disk is full."))
    assert view.state()["message"] == "The disk is full."


@pytest.mark.parametrize(
    ("outcome", "reason", "message"),
    [
        (Finished(Path("out/a.flac"), 65.0), None, "Finished: 1:05 saved as a.flac."),
        (Finished(Path("a.flac"), 65.0, stopped=True), "Stopped.", "Stopped: 1:05 saved as a.flac."),
        (Finished(Path("a.flac"), 5.0, stopped=True), "Bye.", "Stopped: 0:05 saved as a.flac. Bye."),
        (Finished(None, 0.0, stopped=True), "Stopped.", "Stopped before there was any sound."),
    ],
)
def test_conclusions(outcome: Finished, reason: str | None, message: str) -> None:
    job = new_job()
    if reason:
        job.cancel.set(reason)
    view = LiveView(job)
    view.see(outcome)
    assert view.state()["message"] == message


def test_only_so_many_views_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_VIEWS", 2)
    views = LiveViews()
    jobs = [new_job() for _ in range(3)]
    tokens = [views.open(job).stream.token for job in jobs]
    assert all(views.get(token) is not None for token in tokens), "none of them has ended"
    jobs[1].end(Finished(None, 0.0))
    jobs[2].end(Finished(None, 0.0))
    tokens.append(views.open(new_job()).stream.token)
    assert [views.get(token) is not None for token in tokens] == [True, False, False, True]
