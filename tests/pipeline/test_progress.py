"""What samplers and calls do becomes events while they do it."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest
import torch

from studio.core.errors import CancelledError
from studio.core.events import Event, Preview, Progress, StepDone
from studio.pipeline.progress import CallProgress, step_events
from studio.samplers.ddim import DdimStep


def sampler(made: list[int], total: int = 3) -> Generator[DdimStep, None, str]:
    for step in range(1, total + 1):
        made.append(step)
        yield DdimStep(step, total, torch.full((1,), float(step)))
    return "sound"


def picture(done: DdimStep) -> Preview | None:
    return Preview(done.step, np.full((1, 64), int(done.latents), np.uint8)) if done.step != 2 else None


def test_a_step_is_made_when_it_is_asked_for_and_what_they_come_to_is_returned() -> None:
    made: list[int] = []
    events = step_events(sampler(made))
    assert made == []
    for step in (1, 2, 3):
        event = next(events)
        assert isinstance(event, StepDone)
        assert (event.step, event.total) == (step, 3)
        assert made == list(range(1, step + 1))
    with pytest.raises(StopIteration) as end:
        next(events)
    assert end.value.value == "sound"


def test_pictures_follow_their_steps() -> None:
    events: list[Event] = list(step_events(sampler([]), picture))
    assert [(type(event), event.step) for event in events] == [  # type: ignore[union-attr]
        (StepDone, 1), (Preview, 1), (StepDone, 2), (StepDone, 3), (Preview, 3),
    ]  # fmt: skip


def test_who_stops_reading_ends_the_sampler() -> None:
    made: list[int] = []
    events = step_events(sampler(made, 100))
    next(events)
    events.close()
    assert made == [1]


def test_what_a_call_tells_comes_before_what_it_comes_to() -> None:
    call = CallProgress()

    def work() -> int:
        call.tell(Progress("half"))
        return 7

    events = call.run(work)
    assert next(events) == Progress("half")
    with pytest.raises(StopIteration) as end:
        next(events)
    assert end.value.value == 7


def test_what_a_call_raises_is_raised() -> None:
    def work() -> None:
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError, match="Stopped"):
        list(CallProgress().run(work))


def test_an_abandoned_call_ends_its_thread() -> None:
    call = CallProgress()

    def forever() -> None:
        for step in range(10**9):
            call.tell(Progress(f"{step}"))

    events = call.run(forever)
    assert next(events) == Progress("0")
    events.close()  # joins the thread
