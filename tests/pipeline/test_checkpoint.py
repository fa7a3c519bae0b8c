"""A checkpoint goes on with what it was made of, and says what can still be done where that is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from studio.backends.systems.tone import ToneBackend
from studio.core.errors import InvalidRequestError, NoSoundError
from studio.core.events import AudioChunk
from studio.core.request import GenerationRequest
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import (
    FOR_WRITERS,
    SCHEMA_VERSION,
    EndlessCheckpoint,
    KeptLatents,
    SavePoint,
    for_readers,
    made_of,
)
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FromCheckpoint
from tests.service.service_fakes import RATE, request

ENDLESS = {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3}
GOES_ON = "a new take can go on from the"
Values = dict[str, Any]


def endless(**values: Any) -> GenerationRequest:
    return request(**{"duration_s": 2.0, "sampler": ENDLESS, **values})


def reached(wanted: GenerationRequest, weights: str = "abc") -> EndlessCheckpoint:
    """Where a take stands at its second save point."""
    events = Renderer()(wanted, ToneBackend(), CancelToken())
    points = [event for event in events if isinstance(event, SavePoint)]
    return replace(points[1].checkpoint, made_of=made_of(wanted, weights))


def heard_from(checkpoint: EndlessCheckpoint, wanted: GenerationRequest) -> list[AudioChunk]:
    events = Renderer()(wanted, ToneBackend(), CancelToken(), None, FromCheckpoint(checkpoint))
    return [event for event in events if isinstance(event, AudioChunk)]


def test_readers_never_see_one() -> None:
    events = list(Renderer()(endless(), ToneBackend(), CancelToken()))
    kept = list(for_readers(events))
    assert {type(event) for event in events if isinstance(event, FOR_WRITERS)} == {SavePoint, KeptLatents}
    assert kept == [event for event in events if not isinstance(event, FOR_WRITERS)]


def test_there_and_back() -> None:
    before = replace(reached(endless()), beside={"tokens": torch.ones(4, 3), "first": 2, "pieces": 1})
    values = before.to_dict()
    assert values["schema"] == SCHEMA_VERSION
    after = EndlessCheckpoint.from_dict(values)
    for name in ("samples", "strategy", "made_of", "decoder", "beside"):
        assert getattr(after, name) == getattr(before, name), name
    for name in ("queue", "buffer", "generator_state"):
        assert torch.equal(getattr(after.fifo, name), getattr(before.fifo, name))
    assert (after.fifo.position, after.fifo.steps_done) == (before.fifo.position, before.fifo.steps_done)


def test_the_same_settings_and_weights_go_on() -> None:
    checkpoint = reached(endless())
    checkpoint.require_same(endless(), "abc")
    checkpoint.require_same(
        endless(prompt="sea", duration_s=9.0, lane=[{"at_s": 3, "prompt": "wind"}]), "abc"
    )
    checkpoint.require_same(endless(), "")  # a model that is not here is told of when it is loaded


@pytest.mark.parametrize(
    ("changed", "weights", "why"),
    [
        ({}, "xyz", "other weights"),
        ({"seed": 7}, "abc", "settings were changed"),
        ({"guidance_scale": 1.0}, "abc", "settings were changed"),
        ({"sampler": {**ENDLESS, "base_steps": 9}}, "abc", "settings were changed"),
        ({"sampler": {**ENDLESS, "strategy": "last"}}, "abc", "settings were changed"),
        ({"attention": {"kind": "lite_focus"}}, "abc", "settings were changed"),
        ({"model": {"id": "other"}}, "abc", "settings were changed"),
    ],
)
def test_of_anything_else_it_is_refused(changed: Values, weights: str, why: str) -> None:
    checkpoint = EndlessCheckpoint.from_dict(reached(endless()).to_dict())
    with pytest.raises(InvalidRequestError, match=why) as caught:
        checkpoint.require_same(endless(**changed), weights)
    assert "0:00 of sound are whole" in str(caught.value)
    assert GOES_ON in str(caught.value)


def test_one_of_0_1_0_still_goes_on() -> None:
    """It has no schema, and no record of what it was made of."""
    wanted = endless()
    values = reached(wanted).to_dict()
    old = {name: value for name, value in values.items() if name not in ("schema", "made_of")}
    checkpoint = EndlessCheckpoint.from_dict(old)
    assert checkpoint.made_of is None
    checkpoint.require_same(endless(seed=7), "xyz")
    chunks = heard_from(checkpoint, wanted)
    assert chunks[0].start_sample == values["samples"]
    assert chunks[-1].end_sample == 2 * RATE


def test_a_record_without_settings_is_of_other_ones() -> None:
    values = {**reached(endless()).to_dict(), "made_of": {"weights": "abc"}}
    with pytest.raises(InvalidRequestError, match="settings were changed"):
        EndlessCheckpoint.from_dict(values).require_same(endless(), "abc")


def test_without_its_strategy_the_request_s_holds() -> None:
    wanted, values = endless(), reached(endless()).to_dict()
    assert values.pop("strategy") == "equal"
    checkpoint = EndlessCheckpoint.from_dict(values)
    assert heard_from(checkpoint, wanted)[0].start_sample == values["samples"]


@pytest.mark.parametrize(
    "content",
    [
        {}, {"samples": -1}, {"samples": "many"}, {"samples": 1, "schema": "one"}, [1, 2], None,
        {"samples": 1, "made_of": "rain"},
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_damaged(content: Any) -> None:
    with pytest.raises(InvalidRequestError, match="is damaged, so it can't go on"):
        EndlessCheckpoint.from_dict(content)


def drop(*path: str) -> Callable[[Values], None]:
    def edit(values: Values) -> None:
        for name in path[:-1]:
            values = values[name]
        del values[path[-1]]

    return edit


def put(name: str, value: Any, part: str | None = "fifo") -> Callable[[Values], None]:
    return lambda values: (values[part] if part else values).update({name: value})


@pytest.mark.parametrize(
    "edit",
    [
        drop("fifo"),
        drop("fifo", "queue"),
        drop("fifo", "generator_state"),
        drop("decoder"),
        put("fifo", 3, None),
        put("decoder", [1], None),
        put("hearing", 3, None),
        put("strategy", "nonsense", None),
        put("strategy", ["last"], None),
        put("made_of", {"weights": "abc", "settings": 3}, None),
        put("queue", 3),
        put("queue", torch.zeros(3)),
        put("position", "far"),
        put("steps_done", -1),
        put("generator_state", None),
        put("generator_state", torch.zeros(3, dtype=torch.uint8)),
        put("more", 1),
    ],
)
def test_a_damaged_part_is_told(edit: Callable[[Values], None]) -> None:
    values = reached(endless()).to_dict()
    edit(values)
    with pytest.raises(InvalidRequestError, match="what was saved of it is damaged") as caught:
        EndlessCheckpoint.from_dict(values)
    assert GOES_ON in str(caught.value)


@pytest.mark.parametrize(
    "held",
    [
        {"queue": torch.zeros(1, 8, 6, 16)},
        {"buffer": torch.zeros(1, 8, 5, 16)},
        {"queue": torch.zeros(1, 4, 12, 16)},
    ],
)
def test_a_window_that_does_not_fit_is_told(held: dict[str, torch.Tensor]) -> None:
    checkpoint = reached(endless())
    other = replace(checkpoint, fifo=replace(checkpoint.fifo, **held))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="another window") as caught:
        heard_from(other, endless())
    assert GOES_ON in str(caught.value)


class Particular(ToneBackend):
    """Its decoder goes on from a state of its own alone."""

    def stream_decoder(self) -> Any:
        decoder = super().stream_decoder()
        decoder.load_state_dict = lambda state: state["of another model"]  # type: ignore[method-assign]
        return decoder


def test_a_decoder_s_state_that_it_can_not_read_is_told() -> None:
    start = FromCheckpoint(reached(endless()))
    with pytest.raises(InvalidRequestError, match="what was saved of it is damaged"):
        list(Renderer()(endless(), Particular(), CancelToken(), None, start))


class Failing(ToneBackend):
    """Its numbers run out of range at the take's `at_frame`."""

    def __init__(self, at_frame: int) -> None:
        super().__init__()
        self._at_frame = at_frame

    def predict_noise(self, latents: Any, timesteps: Any, start_frame: int, conditioning: Any) -> Any:
        noise = super().predict_noise(latents, timesteps, start_frame, conditioning)
        return noise * float("nan") if start_frame >= self._at_frame else noise


def test_numbers_out_of_range_are_never_saved() -> None:
    events: list[Any] = []
    with pytest.raises(NoSoundError, match="float32"):
        events.extend(Renderer()(endless(duration_s=4.0), Failing(40), CancelToken()))
    points = [event for event in events if isinstance(event, SavePoint)]
    assert points
    assert all(torch.isfinite(point.checkpoint.fifo.buffer).all() for point in points)
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    assert chunks[-1].end_sample >= points[-1].samples, "what was made before is heard"
