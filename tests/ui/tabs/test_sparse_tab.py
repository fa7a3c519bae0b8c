"""The Sparse tab: its values make a request, presets fill it, and its clips go from form to file."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.binding import fill, opening
from studio.core.defaults import usual_defaults
from studio.core.errors import InvalidRequestError
from studio.core.events import Finished, Preview, StepDone
from studio.core.preset import Preset, named_preset, shipped_presets
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.service.jobs.job import Job
from studio.service.live.pcm_stream import PcmStream
from studio.service.studio import Studio
from studio.ui.forms import read_form
from studio.ui.panels.live import LiveView, LiveViews
from studio.ui.tabs.library import LibraryView
from studio.ui.tabs.take_tab import Shared, TakeHandlers

SETTINGS = Settings()
STUDIO: Any = SimpleNamespace(settings=SETTINGS, defaults_of=usual_defaults)
FORM = opening("sparse", model="tone", attention="dense", keep_running=True)  # there is no page to listen
PRESETS = {s: p for s, p in shipped_presets(SETTINGS.presets).items() if p.mode == "sparse"}


@pytest.fixture
def handlers(studio: Studio) -> TakeHandlers:
    return TakeHandlers(Shared.of(studio), "sparse")


def test_every_field_arrives() -> None:
    form = opening(
        "sparse", prompt="sea", negative_prompt="gulls", duration_s=40, attention="lite_focus", steps=30,
        guidance_scale=3.5, seed=7, model="tone", ratio="0.2", merged=0.4, sampling="uniform", focus=True,
        compensation=False, blocks="up2, mid", sampler="ddpm", matching="block",
        reuse="one_of_two", guided_from=0.1, guided_to=0.9,
    )  # fmt: skip
    request = read_form("sparse", form, STUDIO)
    assert (request.mode, request.prompt, request.negative_prompt) == ("sparse", "sea", "gulls")
    assert (request.duration_s, request.seed, request.guidance_scale) == (40, 7, 3.5)
    assert request.sampler.model_dump() == {
        "kind": "clip", "steps": 30, "method": "ddpm", "reuse": "one_of_two", "guided_from": 0.1,
        "guided_to": 0.9,
    }  # fmt: skip
    assert request.attention.model_dump() == {
        "kind": "lite_focus", "ratio": 0.2, "sampling": "uniform", "focus": True, "compensation": False,
        "blocks": ("up2", "mid"),
    }  # fmt: skip
    merged = read_form("sparse", form | {"attention": "token_merging"}, STUDIO).attention
    assert merged.model_dump() == {
        "kind": "token_merging", "ratio": 0.4, "blocks": ("up2", "mid"), "matching": "block",
    }  # fmt: skip
    assert read_form("sparse", form | {"attention": "dense"}, STUDIO).attention.kind == "dense"


@pytest.mark.parametrize("stem", list(PRESETS))
def test_every_shipped_preset_opens_in_the_form(stem: str) -> None:
    preset = PRESETS[stem]
    filled = FORM | fill("sparse", named_preset(stem, SETTINGS.presets))
    made, meant = read_form("sparse", filled, STUDIO), preset.request(seed=0)
    assert made.model_copy(update={"seed": 0, "model": meant.model}) == meant
    assert preset.description


def test_there_are_half_a_dozen_presets() -> None:
    assert len(PRESETS) >= 6


FOCUS = st.fixed_dictionaries(
    {
        "kind": st.just("lite_focus"),
        "ratio": st.one_of(st.just("auto"), st.floats(0.01, 1)),
        "sampling": st.sampled_from(["uniform", "balanced"]),
        "focus": st.just(True),
        "compensation": st.booleans(),
        "blocks": st.lists(st.sampled_from(["down1", "up2", "mid"]), max_size=3),
    }
)
MERGING = st.fixed_dictionaries(
    {
        "kind": st.just("token_merging"),
        "ratio": st.floats(0.01, 0.99),
        "matching": st.sampled_from(["attention", "block"]),
    }
)


@given(st.one_of(st.just({"kind": "dense"}), FOCUS, MERGING), st.integers(1, 200), st.floats(2.5, 600))
def test_a_take_opens_as_it_was(attention: dict[str, Any], steps: int, duration_s: float) -> None:
    request = parse_request(
        mode="sparse", prompt="x", seed=3, duration_s=duration_s, model={"id": "tone"},
        sampler={"kind": "clip", "steps": steps}, attention=attention,
    )  # fmt: skip
    record = Preset(name="x", settings=request.model_dump(mode="json"))
    assert read_form("sparse", FORM | fill("sparse", record), STUDIO) == request


@pytest.mark.slow
def test_a_clip_goes_from_form_to_file(handlers: TakeHandlers, studio: Studio) -> None:
    steps = list(handlers.generate(**(FORM | {"duration_s": 3.0, "steps": 4, "seed": 7})))
    first, last = steps[0], steps[-1]
    assert first[1]["interactive"] is False
    assert last[0]["phase"] == "finished"
    assert last[2]["link"].startswith(f"take/{last[0]['token']}?")
    (take,) = studio.library.takes()
    assert "__sparse__" in take.path.name
    assert studio.job(first[3]).request.duration_s == 3.0


@pytest.mark.slow
def test_a_file_does_not_wait_for_its_listener(handlers: TakeHandlers, studio: Studio) -> None:
    run = handlers.generate(**(FORM | {"duration_s": 60.0, "steps": 2}))
    job = studio.job(next(run)[3])
    *_, end = studio.events(job.id)
    assert isinstance(end, Finished)
    assert end.duration_s == 60.0, "nobody has read any sound of it"
    run.close()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"duration_s": 0}, "length (seconds)"),
        ({"duration_s": -1}, "length (seconds)"),
        ({"duration_s": float("nan")}, "length (seconds)"),
        ({"duration_s": 1e9}, "length (seconds)"),
        ({"steps": 0}, "steps"),
        ({"steps": None}, "steps"),
        ({"attention": "thin"}, "thin"),
        ({"attention": "lite_focus", "ratio": "0"}, "litefocus share r"),
        ({"attention": "lite_focus", "ratio": None}, "litefocus share r"),
        ({"attention": "lite_focus", "focus": False, "compensation": False}, "switch one on"),
        ({"attention": "lite_focus", "blocks": "cellar"}, "blocks"),
        ({"attention": "lite_focus"}, "no attention to make sparse"),
        ({"attention": "token_merging", "merged": 1}, "token merging share"),
    ],
)
def test_bad_values_become_one_sentence(handlers: TakeHandlers, changes: dict[str, Any], word: str) -> None:
    *_, last = handlers.generate(**(FORM | changes))
    state = last[0]
    assert state["phase"] == "failed"
    assert word in state["message"].lower()
    assert state["message"].endswith(".")


def test_the_tab_follows_the_steps_and_shows_the_previews() -> None:
    job = Job(parse_request(mode="sparse", prompt="x", sampler={"kind": "clip"}), PcmStream(8.0))
    view = LiveView(job)
    view.see(StepDone(1, 50, 2.0))
    view.see(StepDone(2, 50, 2.0))
    assert view.state()["message"].startswith("Step 2 of 50, 0:")
    assert view.beat(0)["preview"] is None
    columns = np.arange(128, dtype=np.uint8).reshape(2, 64)
    view.see(Preview(2, columns))
    shown = view.beat(0)["preview"]
    assert (shown["step"], shown["width"]) == (2, 2)
    assert base64.b64decode(shown["columns"]) == columns.tobytes()
    assert view.beat(0, preview_from=2)["preview"] is None
    view.see(Finished(None, 0.0, stopped=True))
    assert view.state()["message"] == "Stopped after 2 of 50 steps, before there was any sound."


@pytest.mark.slow
def test_a_sparse_take_of_the_library_opens_here(handlers: TakeHandlers, studio: Studio) -> None:
    list(handlers.generate(**(FORM | {"duration_s": 1.0, "steps": 3, "seed": 7})))
    take = next(studio.library.takes())
    opened = LibraryView(studio).open_take(take.id)
    assert opened.mode == "sparse"
    filled = opened.values
    assert [filled[name] for name in ("duration_s", "steps", "seed", "attention")] == [1.0, 3, "7", "dense"]


def test_a_page_takes_up_takes_of_its_tab_alone(studio: Studio) -> None:
    views = LiveViews()
    job = Job(parse_request(mode="sparse", prompt="x", sampler={"kind": "clip"}), PcmStream(8.0))
    view = views.open(job)
    assert views.alone("infinite") is None
    assert views.alone("sparse") is view


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"duration_s": 600.5}, "at most 600"),
        ({"lane": [{"at_s": 1, "prompt": "wind"}]}, "follow no lane"),
    ],
)
def test_what_a_clip_can_t_be_is_refused_wherever_it_is_asked_for(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        parse_request(mode="sparse", prompt="x", sampler={"kind": "clip"}, **changes)
