"""A save point goes on with what it was made of, and says what can still be done where that is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.backends.systems.tone import ToneBackend
from studio.core.errors import InvalidRequestError, NoSoundError
from studio.core.events import AudioChunk, SavePoint
from studio.core.request import GenerationRequest
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import SCHEMA_VERSION, made_of, require_same
from studio.pipeline.renderer import Renderer
from studio.service.takes.savepoint import read_savepoint, write_savepoint
from tests.service.service_fakes import RATE, request

ENDLESS = {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3}
GOES_ON = "a new take can go on from the"


def saved(tmp_path: Path, wanted: GenerationRequest, weights: str = "abc") -> dict[str, Any]:
    """The second save point of a take, through the file."""
    events = Renderer()(wanted, ToneBackend(), CancelToken())
    points = [event for event in events if isinstance(event, SavePoint)]
    write_savepoint(tmp_path / "a.state", points[1].state, made_of(wanted, weights))
    return read_savepoint(tmp_path / "a.state")


def endless(**values: Any) -> GenerationRequest:
    return request(**{"duration_s": 2.0, "sampler": ENDLESS, **values})


def heard_from(state: dict[str, Any], wanted: GenerationRequest) -> list[AudioChunk]:
    events = Renderer()(wanted, ToneBackend(), CancelToken(), None, state)
    return [event for event in events if isinstance(event, AudioChunk)]


def test_the_same_settings_and_weights_go_on(tmp_path: Path) -> None:
    state = saved(tmp_path, endless())
    assert state["schema"] == SCHEMA_VERSION
    require_same(state, endless(), "abc")
    require_same(state, endless(prompt="sea", duration_s=9.0, lane=[{"at_s": 3, "prompt": "wind"}]), "abc")
    require_same(state, endless(), "")  # a model that is not here is told of when it is loaded


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
def test_of_anything_else_it_is_refused(
    tmp_path: Path, changed: dict[str, Any], weights: str, why: str
) -> None:
    state = saved(tmp_path, endless())
    with pytest.raises(InvalidRequestError, match=why) as caught:
        require_same(state, endless(**changed), weights)
    assert "0:00 of sound are whole" in str(caught.value)
    assert GOES_ON in str(caught.value)


def test_a_newer_version_s_is_refused(tmp_path: Path) -> None:
    state = saved(tmp_path, endless())
    torch.save({**state, "schema": SCHEMA_VERSION + 1}, tmp_path / "a.state")
    with pytest.raises(InvalidRequestError, match="newer Longwave"):
        read_savepoint(tmp_path / "a.state")


def test_one_of_0_1_0_still_goes_on(tmp_path: Path) -> None:
    """It has no schema, and no record of what it was made of."""
    wanted = endless()
    state = saved(tmp_path, wanted)
    old = {name: value for name, value in state.items() if name not in ("schema", "made_of")}
    torch.save(old, tmp_path / "old.state")
    state = read_savepoint(tmp_path / "old.state")
    require_same(state, wanted, "abc")
    chunks = heard_from(state, wanted)
    assert chunks[0].start_sample == state["samples"]
    assert chunks[-1].end_sample == 2 * RATE


def test_without_its_strategy_the_request_s_holds(tmp_path: Path) -> None:
    wanted = endless()
    state = saved(tmp_path, wanted)
    del state["strategy"]
    assert heard_from(state, wanted)[0].start_sample == state["samples"]


@pytest.mark.parametrize(
    "content",
    [
        {}, {"samples": -1}, {"samples": "many"}, {"samples": 1, "schema": "one"}, [1, 2],
        {"samples": 1, "made_of": "rain"},
    ],
)  # fmt: skip
def test_what_is_no_save_point_is_damaged(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "a.state")
    with pytest.raises(InvalidRequestError, match="damaged"):
        read_savepoint(tmp_path / "a.state")


def drop(*path: str) -> Callable[[dict[str, Any]], None]:
    def edit(state: dict[str, Any]) -> None:
        for name in path[:-1]:
            state = state[name]
        del state[path[-1]]

    return edit


def put(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda state: state["fifo"].update({name: value})


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (drop("fifo"), "damaged"),
        (drop("fifo", "queue"), "damaged"),
        (drop("decoder"), "damaged"),
        (put("queue", 3), "damaged"),
        (put("generator_state", None), "damaged"),
        (put("more", 1), "damaged"),
        (put("queue", torch.zeros(1, 8, 6, 16)), "another window"),
        (put("buffer", torch.zeros(1, 8, 5, 16)), "another window"),
        (put("queue", torch.zeros(1, 4, 12, 16)), "another window"),
    ],
)
def test_a_state_that_does_not_fit_is_told(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None], why: str
) -> None:
    wanted = endless()
    state = saved(tmp_path, wanted)
    edit(state)
    with pytest.raises(InvalidRequestError, match=why) as caught:
        list(Renderer()(wanted, ToneBackend(), CancelToken(), None, state))
    assert GOES_ON in str(caught.value)


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
    assert all(torch.isfinite(point.state["fifo"]["buffer"]).all() for point in points)
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    assert chunks[-1].end_sample >= points[-1].samples, "what was made before is heard"
