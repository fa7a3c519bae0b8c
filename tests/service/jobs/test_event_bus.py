"""What readers of a job's events get, whenever they come."""

from __future__ import annotations

import numpy as np

from studio.core.events import AudioChunk, Finished, Progress, StepDone
from studio.service.jobs.event_bus import EventBus


def chunk(start: int) -> AudioChunk:
    return AudioChunk(np.zeros(10, np.float32), 16000, start)


def test_a_late_reader_hears_how_things_stand_and_then_what_is_coming() -> None:
    """Never a chunk first: it would be sound out of the middle, and would come twice to who then plays on."""
    bus = EventBus()
    for event in (Progress("Making"), StepDone(1, None, 0.1), chunk(0), chunk(10)):
        bus.publish(event)
    late = bus.subscribe()
    assert late.get(0.0) == StepDone(1, None, 0.1)
    assert late.get(0.0) is None
    coming = chunk(20)
    bus.publish(coming)
    assert late.get(0.0) is coming


def test_who_comes_before_anything_but_sound_hears_only_what_is_coming() -> None:
    bus = EventBus()
    bus.publish(chunk(0))
    late = bus.subscribe()
    assert late.get(0.0) is None
    bus.publish(StepDone(1, None, 0.1))
    assert isinstance(late.get(0.0), StepDone)


def test_who_comes_after_the_end_hears_how_it_ended() -> None:
    bus = EventBus()
    for event in (chunk(0), Finished(None, 1.0)):
        assert bus.publish(event)
    assert not bus.publish(chunk(10))
    assert list(bus.subscribe()) == [Finished(None, 1.0)]


def test_who_has_left_hears_nothing_more() -> None:
    bus = EventBus()
    gone, there = bus.subscribe(), bus.subscribe()
    bus.unsubscribe(gone)
    bus.publish(StepDone(1, None, 0.1))
    assert gone.get(0.0) is None
    assert there.get(0.0) is not None
