"""Seeds are the same whole numbers on their way through a browser, whose numbers are exact up to 2⁵³ only."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from studio.app import build_page, build_studio
from studio.core.binding import fill, opening
from studio.core.modes import MODES
from studio.core.preset import Preset
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.core.values import MAX_SEED
from studio.service.studio import Studio
from studio.ui import callers
from studio.ui.forms import read_form
from studio.ui.panels.library_view import LibraryView
from studio.ui.server.page import Page
from tests import aio

SEEDS = [0, 7, 2**53 - 1, 2**53 + 1, 2**60 + 3, MAX_SEED]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    studio = build_studio(Settings(outputs=tmp_path_factory.mktemp("outputs"), model_id="tone", device="cpu"))
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def page(studio: Studio) -> Iterator[Page]:
    page = build_page(studio, studio.settings)
    yield page
    page.close()


def through_a_browser(page: Page, elem_id: str, value: Any) -> Any:
    """A value of that field's, shown and handed back: every number has become one of JavaScript's."""
    (field,) = [block for block in page.blocks.blocks.values() if getattr(block, "elem_id", "") == elem_id]
    return field.preprocess(json.loads(json.dumps(field.postprocess(value)), parse_int=float))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mode", MODES)
def test_a_take_s_seed_is_exact_in_the_form(page: Page, studio: Studio, mode: str, seed: int) -> None:
    kind = "endless" if mode == "infinite" else "clip"
    draft = {"kind": "audiogen", "seed": seed} if mode == "dual" else {"kind": "none"}
    made = parse_request(mode=mode, prompt="rain", seed=seed, sampler={"kind": kind}, draft=draft)
    record = Preset(name="x", settings=made.model_dump(mode="json"))
    filled = opening(mode, model="tone") | fill(mode, record)
    seeds = {"seed": f"{mode}-seed", **({"draft_seed": "dual-draft-seed"} if mode == "dual" else {})}
    back = {name: through_a_browser(page, elem_id, filled[name]) for name, elem_id in seeds.items()}
    asked = read_form(mode, filled | back, studio)
    assert asked.seed == seed
    if mode == "dual":
        assert asked.draft.seed == seed


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize(("given", "seed"), [("9007199254740993", 2**53 + 1), (2**60 + 3, 2**60 + 3), (5, 5)])
def test_a_caller_s_seed_is_exact_by_its_digits(
    page: Page, studio: Studio, monkeypatch: pytest.MonkeyPatch, name: str, given: Any, seed: int
) -> None:
    monkeypatch.setattr(callers, "GRACE_S", math.inf)  # without a server no stream is opened
    function: Any = next(fn for fn in page.blocks.fns.values() if fn.api_name == name)
    places = dict(zip(function.input_keyword_names, function.inputs, strict=True))
    values = {word: part.value for word, part in places.items()}
    values |= {"prompt": "rain", "seconds": 0.5, "seed": places["seed"].preprocess(given), "model": "tone"}
    values |= {"sparse": {"attention": "dense"}, "dual": {"draft": "none"}}.get(name, {})
    _, figures = aio.run(function.fn(gr.Request(), **values))
    assert figures["seed"] == str(seed)
    assert {take.record.request().seed for take in studio.library.takes(f"__s{seed}.")} == {seed}


def test_the_library_s_form_holds_the_digits(page: Page, studio: Studio) -> None:
    job = studio.submit(parse_request(prompt="rain", seed=2**53 + 1, duration_s=0.5, model={"id": "tone"}))
    list(studio.events(job.id))
    take = next(studio.library.takes(str(2**53 + 1)))
    opened = LibraryView(studio).open_take(take.id)
    assert through_a_browser(page, "infinite-seed", opened.values["seed"]) == "9007199254740993"
