from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.core.audio import to_int16
from studio.core.errors import InvalidRequestError, OutOfResourcesError, WeightsError
from studio.core.events import TERMINAL, AudioChunk, Event, Failed, Finished, Progress, StepDone, Telemetry
from studio.core.settings import Settings
from studio.service.jobs.device_queue import queue_message
from studio.service.jobs.event_bus import EventBus
from studio.service.jobs.job import Job
from studio.service.jobs.runner import BUG_MESSAGE, Runner, _Ticker
from studio.service.jobs.telemetry import Meter, WorkWindow
from studio.service.live.pcm_stream import PcmStream
from studio.service.studio import Studio
from tests.service.service_fakes import (
    RATE,
    GatedRender,
    create_backend,
    endless,
    raising,
    ramp,
    render_ramp,
    request,
)
from tests.waiting import until

Make = Callable[..., Studio]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    studios: list[Studio] = []

    def build(render: Any = render_ramp, create: Any = create_backend, **settings: Any) -> Studio:
        studio = Studio(Settings(outputs=tmp_path, **settings), create, render)
        studios.append(studio)
        return studio

    yield build
    for studio in studios:
        studio.close()


def run(studio: Studio, job: Job) -> list[Event]:
    """A job's events; exactly one is terminal, and it is the last."""
    events = list(studio.events(job.id))
    assert [isinstance(event, TERMINAL) for event in events] == [False] * (len(events) - 1) + [True]
    assert list(studio.events(job.id)) == events[-1:]
    assert job.outcome is events[-1]
    return events


def test_finished_take_is_exact_and_holds_what_was_played(make: Make) -> None:
    studio = make()
    job = studio.submit(request(duration_s=1.2345), listen=True)
    assert job.stream is not None
    heard = []
    while (part := job.stream.read()) is not None:
        heard.append(part)
        job.stream.acknowledge(sum(map(len, heard)) / RATE)
    end = run(studio, job)[-1]
    assert isinstance(end, Finished)
    assert (job.status, end.stopped, end.duration_s) == ("finished", False, 1.2345)
    assert end.path is not None
    samples, _ = sf.read(end.path, dtype="int16")
    np.testing.assert_array_equal(samples, to_int16(ramp(0, 19752)))
    np.testing.assert_array_equal(np.concatenate(heard), samples)
    assert end.figures["first_audio_s"] < 5
    assert end.figures["audio_s"] == pytest.approx(1.2345)


def test_stop_is_heeded_at_the_next_step_and_keeps_the_take(make: Make) -> None:
    after_stop: list[Event] = []

    def render(wanted: Any, backend: Any, cancel: Any, control: Any, saved: Any) -> Iterator[Event]:
        for event in render_ramp(wanted, backend, cancel):
            if cancel.is_set():
                after_stop.append(event)
            yield event

    studio = make(render)
    job = studio.submit(endless())
    events = studio.events(job.id)
    next(event for event in events if isinstance(event, AudioChunk))
    studio.stop(job.id)
    (end,) = [event for event in events if isinstance(event, TERMINAL)]
    assert len(after_stop) <= 2  # the step under way and its sound
    assert isinstance(end, Finished)
    assert end.stopped
    assert job.status == "stopped"
    assert end.path is not None
    assert sf.info(end.path).duration == pytest.approx(end.duration_s)


def test_stop_reaches_a_job_that_waits_for_its_listener(make: Make) -> None:
    studio = make(lead_s=0.5)
    job = studio.submit(endless(), listen=True)
    assert job.stream is not None
    stream = job.stream
    until(lambda: stream.buffered_s >= 0.5)
    studio.stop(job.id)
    assert isinstance(run(studio, job)[-1], Finished)
    assert stream.buffered_s <= 0.6 + 1e-9


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (WeightsError("The weights are broken: get them again."), "The weights are broken: get them again."),
        (MemoryError(), "Memory ran out"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "Memory ran out"),
        (ZeroDivisionError("a bug"), BUG_MESSAGE),
    ],
)
def test_failure_is_one_sentence_and_keeps_the_take(make: Make, error: Exception, message: str) -> None:
    studio = make(raising(error))
    job = studio.submit(request())
    end = run(studio, job)[-1]
    assert isinstance(end, Failed)
    assert end.message.startswith(message)
    assert job.status == "failed"
    assert end.path is not None
    assert sf.info(end.path).frames == 4800
    assert isinstance(run(studio, studio.submit(request()))[-1], Failed)  # the worker goes on


def test_model_that_cannot_load_fails_without_a_file(make: Make, tmp_path: Path) -> None:
    def broken(choice: Any) -> Any:
        raise WeightsError("The weights are missing: download them.")

    studio = make(create=broken)
    end = run(studio, studio.submit(request()))[-1]
    assert end == Failed("The weights are missing: download them.", None)
    assert not list(tmp_path.iterdir())


def test_jobs_of_one_device_queue_and_a_waiting_one_can_be_stopped(make: Make) -> None:
    render = GatedRender()
    studio = make(render)
    first, second, third = (studio.submit(request()) for _ in range(3))
    assert render.running.wait(10)
    assert [job.status for job in (first, second, third)] == ["running", "queued", "queued"]
    assert studio.position(third.id) == 2
    told = studio.events(third.id)
    assert next(told) == Progress("Waiting: 2 takes before this one, its turn comes in about 0:02")
    studio.stop(second.id)
    assert next(told) == Progress("Waiting: 1 take before this one, its turn comes in about 0:01")
    assert run(studio, second) == [Finished(None, 0.0, stopped=True)]
    render.gate.set()
    assert not run(studio, first)[-1].stopped  # type: ignore[union-attr]
    assert not run(studio, third)[-1].stopped  # type: ignore[union-attr]


def test_a_wait_is_told_as_long_as_it_is_likely_to_be() -> None:
    fast, slow = Job(request(duration_s=60)), Job(request(duration_s=60))
    listened = Job(request(duration_s=60), PcmStream(4.0))
    assert fast.remaining_s == 60, "nothing is known yet"
    for job, pace in ((fast, 0.5), (slow, 2.0), (listened, 0.5)):
        job.publish(Telemetry(0.0, None, pace, audio_s=20.0, buffered_s=0.0, step_ms=1.0))
    assert [job.remaining_s for job in (fast, slow, listened)] == [20, 80, 40]
    assert queue_message([fast, slow]).endswith("2 takes before this one, its turn comes in about 1:40")
    assert queue_message([fast, Job(endless())]).endswith("endless until somebody stops it")


def test_takes_of_one_job_are_made_in_a_row(make: Make) -> None:
    """Another that came meanwhile waits for all of them."""
    render = GatedRender()
    studio = make(render)
    job = studio.submit_all([request(seed=seed) for seed in (1, 2, 3)])
    assert render.running.wait(10)
    assert (job.takes_left, job.remaining_s) == (3, 3 * (request().duration_s or 0))
    after = studio.submit(request(seed=4))
    assert next(studio.events(after.id)) == Progress(
        "Waiting: 3 takes before this one, its turn comes in about 0:03"
    )
    render.gate.set()
    run(studio, after)
    assert job.outcome is job.outcomes[-1]
    seeds = {take.path: take.record.request().seed for take in studio.library.takes()}
    assert [seeds[outcome.path] for outcome in job.outcomes if outcome.path is not None] == [1, 2, 3]


def test_takes_of_one_job_say_so_in_their_records(make: Make) -> None:
    studio = make()
    run(studio, studio.submit(request(seed=9)))
    for _ in range(2):
        run(studio, studio.submit_all([request(seed=seed) for seed in (1, 2, 3)]))
    groups = [(take.record.settings["seed"], take.about.group) for take in studio.library.takes()]
    assert [group for seed, group in groups if seed == 9] == [None]
    told = [(seed, group.position, group.takes, group.id) for seed, group in groups if group is not None]
    assert sorted(each[:3] for each in told) == [(n, n, 3) for n in (1, 2, 3) for _ in range(2)]
    assert len({each[3] for each in told}) == 2, "each job has its own"


def test_a_take_that_fails_keeps_the_others_of_its_job(make: Make) -> None:
    def render(wanted: Any, backend: Any, cancel: Any, *rest: Any) -> Iterator[Event]:
        if wanted.seed == 2:
            raise InvalidRequestError("Not this one.")
        yield from render_ramp(wanted, backend, cancel)

    studio = make(render)
    job = studio.submit_all([request(seed=seed) for seed in (1, 2, 3)])
    run(studio, job)
    assert [type(outcome) for outcome in job.outcomes] == [Finished, Failed, Finished]
    assert job.status == "finished"


def test_stopping_one_take_of_a_job_stops_the_rest(make: Make) -> None:
    render = GatedRender()
    studio = make(render)
    job = studio.submit_all([request(), request()])
    assert render.running.wait(10)
    studio.stop(job.id)
    render.gate.set()
    run(studio, job)
    assert (job.status, len(job.outcomes)) == ("stopped", 1)


def test_one_that_waits_is_ended_at_once_when_it_is_to_finish(make: Make) -> None:
    render = GatedRender()
    studio = make(render)
    first, second = studio.submit(endless()), studio.submit(endless())
    assert render.running.wait(10)
    studio.finish(second.id)
    assert run(studio, second) == [Finished(None, 0.0, stopped=True)]
    studio.finish(first.id)
    assert first.control.ending
    assert not first.cancel.is_set()
    studio.stop(first.id)


def test_queue_is_bounded_and_models_in_use_are_not_unloaded(make: Make, tmp_path: Path) -> None:
    render = GatedRender()
    studio = Studio(Settings(outputs=tmp_path), create_backend, render, max_waiting=1)
    studio.submit(request())
    assert render.running.wait(10)
    studio.submit(request())
    with pytest.raises(OutOfResourcesError, match="waiting"):
        studio.submit(request())
    with pytest.raises(InvalidRequestError, match="stop it"):
        studio.unload()
    studio.close()
    assert all(job.ended for job in studio.jobs())


def test_models_are_loaded_once_and_unloaded_on_request(make: Make) -> None:
    loads = []
    studio = make(create=lambda choice: loads.append(choice) or create_backend(choice))
    for _ in range(2):
        run(studio, studio.submit(request()))
    assert len(loads) == 1
    assert studio.unload() >= 0
    run(studio, studio.submit(request()))
    assert len(loads) == 2


def test_a_preloaded_model_is_not_loaded_again_and_a_broken_one_harms_nothing(make: Make) -> None:
    loads = []
    studio = make(create=lambda choice: loads.append(choice) or create_backend(choice))
    studio.preload(request().model).join(10)
    run(studio, studio.submit(request()))
    assert len(loads) == 1

    def broken(_: object) -> None:
        raise WeightsError("The weights are damaged: get them again.")

    other = make(create=broken)
    other.preload(request().model).join(10)
    job = other.submit(request())
    assert isinstance(run(other, job)[-1], Failed)


def test_abandoned_listener_ends_the_job(tmp_path: Path) -> None:
    studio = Studio(Settings(outputs=tmp_path, lead_s=0.5), create_backend, render_ramp)
    runner = Runner(studio.settings, studio.backends, render_ramp, idle_limit_s=0.5)
    studio._scheduler.runner = runner
    job = studio.submit(endless(), listen=True)
    end = run(studio, job)[-1]
    assert isinstance(end, Finished)
    assert end.stopped
    assert "listened" in job.cancel.reason
    studio.close()


def test_a_stream_may_ask_for_more_patience(tmp_path: Path) -> None:
    studio = Studio(Settings(outputs=tmp_path), create_backend, render_ramp)
    job, runner = Job(endless(), PcmStream(0.5)), Runner(studio.settings, studio.backends, render_ramp)
    assert job.stream is not None
    job.stream.patience_s = 3600.0
    ticker = _Ticker(job, replace(runner, idle_limit_s=0.0))
    ticker._look()
    assert not job.cancel.is_set()
    job.stream.patience_s = 0.0
    ticker._look()
    assert "listened" in job.cancel.reason
    studio.close()


def test_a_job_kept_running_needs_no_listener_and_takes_one_up_again(tmp_path: Path) -> None:
    """Without a reader it runs on unpaced, holding no more than its lead; who comes back hears the newest."""
    studio = Studio(Settings(outputs=tmp_path, lead_s=0.5), create_backend, render_ramp)
    studio._scheduler.runner = Runner(studio.settings, studio.backends, render_ramp, idle_limit_s=0.5)
    job = studio.submit(endless(), listen=True, keep_running=True)
    assert job.stream is not None
    stream = job.stream
    until(lambda: stream.sent >= 5 * RATE)
    assert job.status == "running"
    assert job.stream.buffered_s <= 0.7
    assert job.stream.attach()
    first = job.stream.sent
    part = job.stream.read()
    assert part is not None
    np.testing.assert_array_equal(part, to_int16(ramp(first, len(part))))
    studio.stop(job.id)
    end = run(studio, job)[-1]
    assert isinstance(end, Finished)
    assert end.path is not None
    samples, _ = sf.read(end.path, dtype="int16")
    np.testing.assert_array_equal(samples, to_int16(ramp(0, len(samples))))
    studio.close()


def test_unattended_endless_job_ends_at_its_limit(make: Make) -> None:
    studio = make(unattended_limit_s=5.0)
    job = studio.submit(endless())
    end = run(studio, job)[-1]
    assert isinstance(end, Finished)
    assert end.stopped
    assert end.duration_s >= 5.0


def test_telemetry_comes_about_once_a_second_also_while_waiting(make: Make) -> None:
    studio = make(lead_s=0.3)
    job = studio.submit(endless(), listen=True)
    threading.Timer(2.6, studio.stop, [job.id]).start()
    seen = [event for event in run(studio, job) if isinstance(event, Telemetry)]
    assert 1 <= len(seen) <= 4
    assert seen[-1].rss_mb > 10
    assert 0.3 <= seen[-1].buffered_s <= 0.5
    assert seen[-1].device_mb is None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The meter's time, moved by hand."""
    hand = SimpleNamespace(now=0.0)
    monkeypatch.setattr("studio.service.jobs.telemetry.time", SimpleNamespace(monotonic=lambda: hand.now))
    return hand


def second(number: int) -> AudioChunk:
    return AudioChunk(ramp(number * RATE, RATE), RATE, number * RATE)


def test_waiting_is_not_counted_as_work(clock: SimpleNamespace) -> None:
    meter = Meter("cpu")
    meter.see(second(0))
    clock.now = 0.5
    meter.see(second(1))
    with meter.waiting():
        clock.now = 9.5
        assert meter.snapshot(0.0).realtime_factor == pytest.approx(0.5)
    assert meter.figures()["rtf"] == pytest.approx(0.25)


def test_the_live_factor_leaves_the_start_out(clock: SimpleNamespace) -> None:
    meter = Meter("cpu")
    clock.now = 3.0  # loading
    meter.see(second(0))
    assert meter.snapshot(0.0).realtime_factor == 0.0
    clock.now = 3.4
    meter.see(second(1))
    assert meter.snapshot(0.0).realtime_factor == pytest.approx(0.4)
    assert meter.figures()["rtf"] == pytest.approx(1.7)


def test_a_clip_s_factor_is_what_its_steps_come_to_at_their_pace(clock: SimpleNamespace) -> None:
    meter = Meter("cpu", clip_s=2.0)
    clock.now = 2.0  # loading
    assert meter.snapshot(0.0).realtime_factor == 0.0
    clock.now = 2.5
    meter.see(StepDone(1, 20, 0.5))
    assert meter.snapshot(0.0).realtime_factor == pytest.approx((2 + 20 * 0.5) / 2)
    clock.now = 7.0
    meter.see(StepDone(10, 20, 0.5))
    assert meter.snapshot(0.0).realtime_factor == pytest.approx((2 + 20 * 0.5) / 2)
    clock.now = 13.0
    meter.see(second(0))
    meter.see(second(1))
    assert meter.snapshot(0.0).realtime_factor == pytest.approx(6.5)


def test_a_conventional_run_takes_a_window_s_memory_for_every_window(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = SimpleNamespace(mb=600.0)
    monkeypatch.setattr("studio.service.jobs.telemetry.process_memory_mb", lambda: held.mb)
    meter = Meter("cpu", WorkWindow(2.0))
    held.mb = 900.0
    assert meter.snapshot(0.0).conventional_mb == 900.0, "no less than what is there"
    for number in range(8):
        meter.see(second(number))
    assert meter.snapshot(0.0).conventional_mb == 900.0 + 3 * 300.0
    assert meter.work_mb == 300.0
    later = Meter("cpu", WorkWindow(2.0, work_mb=300.0), begun_s=6.0)
    assert later.snapshot(0.0).conventional_mb == 900.0 + 2 * 300.0, "as the first take showed"
    assert Meter("cpu").snapshot(0.0).conventional_mb is None, "a clip is a conventional run itself"


def test_slow_reader_loses_old_events_but_not_the_end() -> None:
    hub = EventBus()
    slow, fast = hub.subscribe(), hub.subscribe()
    received = []
    for step in range(1000):
        hub.publish(StepDone(step, None, 0.0))
        received.append(fast.get(0.0))
    hub.publish(Finished(None, 0.0))
    assert len(received) == 1000
    left = list(slow)
    assert len(left) == 256
    assert slow.lost == 745
    assert isinstance(left[-1], Finished)
    assert not hub.publish(Failed("too late"))


def test_unknown_job_and_format_are_told(make: Make) -> None:
    studio = make()
    with pytest.raises(InvalidRequestError, match="not known"):
        studio.stop("nonsense")
    with pytest.raises(InvalidRequestError, match="end the name"):
        studio.submit(request(), out=Path("take.xyz"))
    assert studio.stream("nonsense") is None
    job = studio.submit(request(), listen=True)
    assert job.stream is not None
    assert studio.stream(job.stream.token) is job.stream
