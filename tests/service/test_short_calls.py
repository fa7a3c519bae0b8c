"""Takes made in short calls on a GPU that is gone between them: the same takes, to the bit."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from studio.app import build_studio, gpu_of_a_space
from studio.core.errors import CancelledError, InvalidRequestError, OutOfResourcesError
from studio.core.events import AudioChunk, Finished, StepDone
from studio.core.request import GenerationRequest, parse_request
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import KeptLatents, RenderEvent, SavePoint
from studio.pipeline.control import TakeControl
from studio.pipeline.renderer import Renderer
from studio.service.short_calls import LONGEST_S, ShortCalls
from studio.service.studio import Studio
from studio.testing import FakeBackend, FakeSpeakingBackend
from studio.testing.zero import FakeSpaces

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
SMALL: dict[str, Any] = {
    "kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3,
}  # fmt: skip
AHEAD_S = 0.5
END_S = 3.0


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the calls: the last bit of a sum depends on how it is shared out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def request(**values: Any) -> GenerationRequest:
    return parse_request(**{"prompt": "rain", "seed": 7, "duration_s": END_S, "sampler": SMALL, **values})


def calls(spaces: FakeSpaces, render: Any = None) -> ShortCalls:
    return ShortCalls(render or Renderer(), spaces.GPU, lambda _: FakeBackend(), ahead_s=AHEAD_S)


def sound(events: Iterator[RenderEvent]) -> np.ndarray:
    """All samples, which follow each other without a gap; and so do the latents and the save points."""
    chunks, frame, saved = [], 0, -1
    for event in events:
        match event:
            case AudioChunk():
                assert event.start_sample == sum(map(len, chunks))
                chunks.append(event.samples)
            case KeptLatents():
                assert event.start_frame == frame
                frame += event.latents.shape[2]
            case SavePoint():
                assert saved <= event.samples == sum(map(len, chunks))
                saved = event.samples
    return np.concatenate(chunks)


@pytest.mark.parametrize(
    ("backend", "values"),
    [
        (FakeBackend, {}),
        (FakeBackend, {"lane": [{"at_s": 1.5, "prompt": "wind"}], "stereo": "twin"}),
        (FakeSpeakingBackend, {"speech": {"text": "The storm is near.\n0:02 | Come in."}}),
    ],
    ids=["plain", "lane and two channels", "script"],
)
def test_a_take_of_many_calls_is_the_uninterrupted_one_to_the_bit(
    backend: Callable[[], Any], values: dict[str, Any]
) -> None:
    wanted, model, spaces = request(**values), backend(), FakeSpaces()
    whole = sound(Renderer()(wanted, model, CancelToken()))
    control, alone = TakeControl(wanted.prompt, wanted.lane, script=wanted.speech.text), Renderer()
    parts = sound(calls(spaces)(wanted, model, CancelToken(), control))
    np.testing.assert_array_equal(parts, whole)
    assert len(spaces.pids) >= 4, "in many processes"
    told = TakeControl(wanted.prompt, wanted.lane, script=wanted.speech.text)
    sound(alone(wanted, model, CancelToken(), told))
    assert (control.points, control.said) == (told.points, told.said)


def test_what_a_call_that_was_cut_off_had_made_is_made_again() -> None:
    """Wherever it is cut: no sample twice, none left out."""
    wanted, model = request(), FakeBackend()
    whole = sound(Renderer()(wanted, model, CancelToken()))
    spaces = FakeSpaces(kill_after=lambda call: 7 + 3 * call if call % 2 else None)
    np.testing.assert_array_equal(sound(calls(spaces)(wanted, model, CancelToken())), whole)


def test_a_gpu_that_is_lost_again_and_again_is_told_of() -> None:
    spaces = FakeSpaces(kill_after=lambda call: None if call == 1 else 1)
    heard: list[RenderEvent] = []
    with pytest.raises(OutOfResourcesError, match="GPU task aborted"):
        heard.extend(calls(spaces)(request(), FakeBackend(), CancelToken()))
    assert len(spaces.durations) == 3
    assert any(isinstance(event, SavePoint) for event in heard)


def test_a_call_past_its_time_is_killed_and_the_take_goes_on() -> None:
    """It reached a save point; then it hung."""

    def render(*arguments: Any) -> Iterator[RenderEvent]:
        for event in Renderer()(*arguments):
            yield event
            if isinstance(event, SavePoint) and event.samples > 8000 and len(spaces.durations) == 1:
                CancelToken().wait(60)

    spaces = FakeSpaces(limit_s=lambda call: 2.0 if call == 1 else None)
    wanted, model = request(), FakeBackend()
    short = ShortCalls(render, spaces.GPU, lambda _: model, ahead_s=100.0)
    made = sound(short(wanted, model, CancelToken()))
    np.testing.assert_array_equal(made, sound(Renderer()(wanted, model, CancelToken())))
    assert spaces.durations == [short.seconds(wanted)] * 2


def test_a_change_and_an_end_reach_the_next_call() -> None:
    control, spaces = TakeControl("rain"), FakeSpaces()
    made_s, lanes = 0.0, []
    for event in calls(spaces)(request(duration_s=None), FakeBackend(), CancelToken(), control):
        if isinstance(event, AudioChunk):
            made_s += len(event.samples) / event.sample_rate
        if isinstance(event, SavePoint):
            lanes.append(control.points)
            if len(lanes) == 2:
                control.request_change("wind", ())
            if made_s > 2:
                control.request_fade_out()
    assert [point.prompt for point in lanes[-1]] == ["wind"]
    assert AHEAD_S < lanes[-1][0].at_s < 3, "once, and not anew in each call"
    assert 4 < made_s < 7, "it faded out"


def test_a_mistake_comes_through_as_its_sentence_and_a_stop_ends_it() -> None:
    wrong = request(mode="dual", sampler={"kind": "clip"}, draft={"kind": "audiogen"})
    with pytest.raises(InvalidRequestError, match="makes drafts"):
        list(calls(FakeSpaces())(wrong, FakeBackend(), CancelToken()))
    cancel = CancelToken()
    events = calls(FakeSpaces())(request(), FakeBackend(), cancel)
    assert any(isinstance(event, SavePoint) for event in events)
    cancel.set("enough")
    with pytest.raises(CancelledError, match="enough"):
        next(events)


def test_a_clip_is_one_call_as_long_as_its_steps_were_measured_to_take() -> None:
    spaces, model = FakeSpaces(), FakeBackend()
    clip = request(mode="sparse", sampler={"kind": "clip", "steps": 5}, duration_s=2.0)
    short = calls(spaces)
    guessed = short.seconds(clip)
    np.testing.assert_array_equal(
        sound(short(clip, model, CancelToken())), sound(Renderer()(clip, model, CancelToken()))
    )
    assert spaces.durations == [guessed]
    assert short.seconds(clip) != guessed, "a step was measured"
    short._note(clip, StepDone(1, 5, 1e6))
    assert short.seconds(clip) == LONGEST_S


def test_a_studio_makes_its_takes_so(tmp_path: Path) -> None:
    spaces, model = FakeSpaces(), FakeBackend()
    studio = Studio(Settings(outputs=tmp_path), lambda _: model, calls(spaces))
    job = studio.submit(request())
    *_, end = studio.events(job.id)
    studio.close()
    assert isinstance(end, Finished)
    assert end.duration_s == END_S
    assert len(spaces.pids) >= 4


def test_what_looks_who_asked_finds_them_where_the_take_is_made(tmp_path: Path) -> None:
    """ZeroGPU counts a call to the visitor whose request is found so."""
    asks: ContextVar[str] = ContextVar("asks", default="nobody")
    seen: list[str] = []

    def render(*arguments: Any) -> Iterator[RenderEvent]:
        seen.append(asks.get())
        yield from Renderer()(*arguments)

    studio = Studio(Settings(outputs=tmp_path), lambda _: FakeBackend(), render)
    asks.set("a visitor")
    list(studio.events(studio.submit(request(duration_s=0.5)).id))
    studio.close()
    assert seen == ["a visitor"]


def test_zero_gpu_is_known_by_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spaces = FakeSpaces()
    module = ModuleType("spaces")
    module.__spec__ = ModuleSpec("spaces", None)
    module.GPU = spaces.GPU  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spaces", module)
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert gpu_of_a_space() is None
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    gpu = gpu_of_a_space()
    assert gpu is not None
    studio = build_studio(Settings(outputs=tmp_path, model_id="tone", device="cpu"), gpu)
    tone = request(model={"id": "tone", "device": "cpu"}, duration_s=1.0)
    *_, end = studio.events(studio.submit(tone).id)
    with pytest.raises(InvalidRequestError, match="for takes alone"), studio.borrow(tone.model):
        pass
    studio.close()
    assert isinstance(end, Finished)
    assert spaces.durations
