"""How often a step asks the network: by form, preset, API, command line and sheet, and what is kept of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from studio.cli import Factories, build_cli
from studio.core.binding import bind, effort_of, efforts_of, fill, opening
from studio.core.defaults import Effort, ModelDefaults, usual_defaults
from studio.core.preset import Preset
from studio.core.request import GenerationRequest, ModelChoice, parse_request
from studio.core.settings import Settings
from studio.pipeline.checkpoint import made_of
from studio.service.batch.identity import row_id
from studio.service.studio import Studio
from studio.ui import forms
from studio.ui.forms import Form, read_form
from studio.ui.server import client_api
from tests.test_faces import submitted

STUDIO: Any = SimpleNamespace(settings=Settings(), defaults_of=usual_defaults)
ONE = ModelChoice(passes="one")
QUICK = ModelDefaults(fast=Effort(steps=25, base_steps=16, passes="one"))


@pytest.fixture
def folding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that has a network with guidance folded in: the Infinite tab's."""
    monkeypatch.setattr(forms, "folds", lambda model, _: model == "pocket/audioldm")


@pytest.mark.usefixtures("folding")
@pytest.mark.parametrize("mode", ["infinite", "sparse"])
def test_it_is_sent_where_it_shows(mode: str) -> None:
    asked = opening(mode, model="pocket/audioldm", passes="one")
    assert read_form(mode, asked, STUDIO).model == ModelChoice(
        id="pocket/audioldm", device="auto", passes="one"
    )
    assert read_form(mode, {**asked, "model": "tone"}, STUDIO).model.passes == "two"
    with gr.Blocks():
        form = Form(mode, Settings(), [], usual_defaults)
        able = [form.of_model(model)["able"]["folding"] for model in ("pocket/audioldm", "tone", None)]
        shown = Form(mode, Settings(model_id="pocket/audioldm"), [], usual_defaults).put("passes")
        hidden = Form(mode, Settings(model_id="tone"), [], usual_defaults).put("passes")
    assert able == [True, False, False]
    assert form._about()["needing"]["passes"] == "folding"
    classes = ["lw-hidden" in (one.elem_classes or []) for one in (shown, hidden)]
    assert classes == [mode != "infinite", True] or classes == [False, True]


def test_a_choice_of_quality_may_have_one() -> None:
    assert efforts_of("infinite", QUICK)["fast"] == {"base_steps": 16, "group_size": 8, "passes": "one"}
    assert efforts_of("sparse", QUICK)["balanced"] == {"steps": 50, "passes": "two"}
    assert "passes" not in efforts_of("dual", QUICK)["fast"]
    assert efforts_of("sparse", ModelDefaults())["fast"] == {"steps": 25}, "no part of it where all have two"
    form = opening("sparse", QUICK) | {"steps": 25}
    assert effort_of("sparse", form, QUICK) == "own"
    assert effort_of("sparse", form | {"passes": "one"}, QUICK) == "fast"
    with pytest.raises(ValidationError, match="where nobody chooses"):
        ModelDefaults(balanced=Effort(passes="one"))


def test_what_a_take_follows_from_tells_it_where_it_is_one() -> None:
    two, one = parse_request(prompt="x", seed=1), parse_request(prompt="x", seed=1, model=ONE)
    assert "passes" not in two.own_settings["model"], "as of before there was a choice"
    assert one.own_settings["model"]["passes"] == "one"
    assert made_of(two, "w").settings != made_of(one, "w").settings
    assert row_id(two, "w") != row_id(one, "w")


def test_presets_open_it() -> None:
    request = parse_request(prompt="x", model=ONE)
    kept = Preset(name="a", settings=request.model_dump(mode="json"))
    assert fill("infinite", kept)["passes"] == "one"
    assert bind("infinite", {}, usual_defaults, preset=kept).model == request.model
    older = {**kept.settings, "model": {"id": "tone"}}
    assert fill("infinite", Preset(name="a", settings=older))["passes"] == "two"


def test_callers_say_it() -> None:
    for mode in ("infinite", "sparse"):
        given = client_api.read_call(mode, {"prompt": "rain", "seconds": 5.0, "passes": "one"})
        assert client_api.request_of(mode, given, STUDIO).model.passes == "one"
        given = client_api.read_call(mode, {"prompt": "rain", "seconds": 5.0, "passes": ""})
        assert client_api.request_of(mode, given, STUDIO).model.passes == "two"


def test_so_does_the_command_line(studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    cli = build_cli(Factories(serve=lambda _: None, studio=lambda _: studio))
    asked: list[GenerationRequest] = submitted(monkeypatch)
    words = ["render", "sparse", "--prompt", "hum", "--out", str(tmp_path / "a.wav"), "--passes"]
    CliRunner().invoke(cli, [*words, "one"])
    assert [request.model.passes for request in asked] == ["one"]
    refused = CliRunner().invoke(cli, [*words, "three"])
    assert "--passes: must be one of two or one (it is three)." in refused.stderr
