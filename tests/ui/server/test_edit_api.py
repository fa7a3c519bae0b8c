"""The API's function `edit`, as the server calls it: ids of takes, texts, one sentence for a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import soundfile as sf

from studio.core.events import Finished
from studio.core.settings import Settings
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from studio.testing import FakeBackend
from studio.ui.callers import Callers
from studio.ui.server import edit_api
from tests import aio
from tests.service.service_fakes import RATE, request


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    outputs = tmp_path_factory.mktemp("outputs")
    made = Studio(Settings(outputs=outputs), lambda choice: FakeBackend(), Renderer())
    yield made
    made.close()


@pytest.fixture(scope="module")
def take(studio: Studio) -> str:
    sampler = {"kind": "clip", "steps": 2}
    asked = request(mode="sparse", duration_s=4.0, sampler=sampler, stereo="wide", width=0.7)
    job = studio.submit(asked)
    *_, end = studio.events(job.id)
    assert isinstance(end, Finished)
    assert end.path is not None
    return f"{end.path.parent.name}/{end.path.stem}"


@pytest.fixture(scope="module")
def call(studio: Studio) -> Any:
    with gr.Blocks() as page:
        edit_api.build(studio, Callers())
    edit = next(function.fn for function in page.fns.values() if function.api_name == "edit")
    return lambda take, kind, **words: aio.run(edit(gr.Request(), take=take, kind=kind, **words))


def test_a_take_is_edited_by_its_id(call: Any, studio: Studio, take: str) -> None:
    words = {"start": "0:01", "end": "2", "prompt": "a dog", "seed": str(2**60 + 1), "steps": "2"}
    file, figures = call(take, "repaint", **words)
    assert sf.info(file).channels == 2
    assert sf.info(file).duration == 4
    assert figures["take"] == f"{take}.v2"
    assert figures["seed"] == str(2**60 + 1)
    assert figures["made"] == [[RATE, 2 * RATE]]
    assert studio.library.get(figures["take"]).about.edit.settings.prompt == "a dog"
    file, figures = call(take, "loop", bpm="120", bars="1", bridge="0.6", steps="2", seed="-1")
    assert figures["loop"] == [0, 2 * RATE]
    assert sf.info(file).frames == 2 * RATE
    file, figures = call(take, "splice", other=figures["take"], bridge="0.4", leave="2", steps="2")
    assert sf.info(file).duration == pytest.approx(2 + 0.4 + 2)
    assert call(take, "vary", share="0.2")[1]["made"] == []


@pytest.mark.parametrize(
    ("kind", "words", "says"),
    [
        ("paint", {}, "There is no edit 'paint'"),
        ("repaint", {}, "The span's beginning is missing"),
        ("repaint", {"start": "1", "end": "x"}, "'x' is no time"),
        ("repaint", {"start": "1", "end": "9"}, "The span ends beyond the take's end"),
        ("repaint", {"start": "1", "end": "2", "bpm": "3"}, "'repaint' has no 'bpm': leave it empty"),
        ("repaint", {"start": "1", "end": "2", "seed": "1.5"}, "Seed must be a whole number"),
        ("repaint", {"start": "1", "end": "2", "steps": "many"}, "Steps must be a whole number"),
        ("repaint", {"start": "1", "end": "2", "strength": "nan"}, "Strength must be a number"),
        ("extend", {"left": "1e9"}, "Seconds on the left must be a number"),
        ("loop", {"bpm": "inf", "bars": "2"}, "The tempo in BPM must be a number"),
        ("splice", {"other": "none"}, "not in the library"),
        ("splice", {}, "A splice goes on with another take"),
        ("vary", {"other": "x"}, "'vary' has no 'other'"),
        ("vary", {"share": "2"}, "The share of the noise must be a number from 0 to 1"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence(call: Any, take: str, kind: str, words: dict[str, str], says: str) -> None:
    with pytest.raises(gr.Error, match=says):
        call(take, kind, **words)


def test_nothing_of_the_hosts_paths_is_opened(call: Any, studio: Studio, take: str, tmp_path: Path) -> None:
    own = studio.library.get(take).path
    elsewhere = tmp_path / own.name
    elsewhere.write_bytes(own.read_bytes())
    elsewhere.with_suffix(".json").write_bytes(own.with_suffix(".json").read_bytes())
    for name in (str(elsewhere), str(own), f"../{own.parent.parent.name}/{take}", "/etc/passwd"):
        for kind in ("extend", "vary"):
            with pytest.raises(gr.Error, match="not in the library"):
                call(name, kind, **({"left": "1"} if kind == "extend" else {}))
        with pytest.raises(gr.Error, match="not in the library"):
            call(take, "splice", other=name)


def test_what_is_varied_by_a_call_has_its_longest_length(call: Any, studio: Studio, take: str) -> None:
    short = studio.settings.__class__(outputs=studio.settings.outputs, unattended_limit_s=2)
    kept, studio.settings = studio.settings, short
    try:
        with pytest.raises(gr.Error, match="at most"):
            call(take, "vary", share="0.2")
    finally:
        studio.settings = kept
