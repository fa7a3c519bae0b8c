"""A field of the table is on the page, among a command's options, and a parameter of the API, unasked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from typer.testing import CliRunner

from studio.app import build_studio
from studio.cli import Factories, build_cli
from studio.core import fields
from studio.core.binding import opening, type_of
from studio.core.errors import InvalidRequestError
from studio.core.field import Field, OnPage, Option, Parameter
from studio.core.modes import MODES, ModeSpec
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.core.usual import default_of
from studio.service.jobs.job import Job
from studio.service.studio import Studio
from studio.ui.callers import Callers
from studio.ui.forms import Form, read_form
from studio.ui.server import client_api
from tests import aio

CHANT = ModeSpec(
    "chant", "Chant", sampler="clip", takes="chants", model="tone", page_s=3.0, example="a hum",
    command="A chant.", call="Chant.", groups={"draft": {"kind": "none"}},
)  # fmt: skip
DRONE = Field(
    "drone", "sampler.steps", "Drone", ("chant",), OnPage("drone", info="How long it hums.", depth="expert"),
    Option("How long it hums."), Parameter(9, "Drone", widget="number", empty=-1), unit="steps",
)  # fmt: skip


@pytest.fixture
def chant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mode of its own, with the fields that every mode has, and one made up: a row each."""
    monkeypatch.setattr(fields, "FIELDS", (*fields.FIELDS, DRONE))
    monkeypatch.setitem(MODES, "chant", CHANT)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = build_studio(Settings(outputs=tmp_path, model_id="tone", device="cpu"))
    yield studio
    studio.close()


def submitted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests that are handed to the service from now on, which refuses them all."""
    asked: list[Any] = []

    def submit(_: Studio, request: Any, **more: Any) -> Job:
        asked.append(request)
        raise InvalidRequestError("enough")

    monkeypatch.setattr(Studio, "submit", submit)
    return asked


@pytest.mark.usefixtures("chant")
def test_the_form_has_it(studio: Studio) -> None:
    with gr.Blocks():
        form = Form("chant", studio.settings, [], studio.defaults_of)
        form.rest("sound")
        assert "drone" not in form.fields
        form.rest("engine")
        form.rest("expert")
    shown = form.fields["drone"]
    assert (shown.elem_id, shown.label, shown.info) == ("chant-drone", "Drone (steps)", "How long it hums.")
    assert (shown.value, shown.precision) == (50, 0), "the schema's own default, a whole number"
    assert form.fields["model"].value == "tone"
    request = read_form("chant", opening("chant", model="tone", drone=7), studio)
    assert (request.mode, request.sampler.kind, request.sampler.steps) == ("chant", "clip", 7)


@pytest.mark.usefixtures("chant")
def test_the_command_line_has_it(studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cli = build_cli(Factories(serve=lambda _: None, studio=lambda _: studio))
    helped = CliRunner().invoke(cli, ["render", "chant", "--help"], env={"COLUMNS": "110"}).output
    assert "A chant." in helped
    row = next(line for line in helped.splitlines() if "--drone" in line)
    assert "<int>" in row
    assert "How long it hums." in row
    assert "50" in row
    asked = submitted(monkeypatch)
    words = ["render", "chant", "--prompt", "hum", "--drone", "7", "--out", str(tmp_path / "a.wav")]
    CliRunner().invoke(cli, words)
    assert [(request.mode, request.sampler.steps) for request in asked] == [("chant", 7)]
    refused = CliRunner().invoke(cli, [*words, "--drone", "0"])
    assert "--drone: must be a whole number from 1 to 1,000 (it is 0)." in refused.stderr


@pytest.mark.usefixtures("chant")
def test_the_api_has_it(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    with gr.Blocks() as page:
        client_api.build(studio, Callers())
    told: Any = page.get_api_info()["named_endpoints"]["/chant"]
    names = [one["parameter_name"] for one in told["parameters"]]
    assert names == [
        "prompt",
        "negative_prompt",
        "seconds",
        "seed",
        "model",
        "drone",
        "preset",
        "stereo",
        "width",
        "bandwidth",
    ]
    drone = told["parameters"][names.index("drone")]
    assert (drone["label"], drone["parameter_default"], drone["component"]) == ("Drone", -1, "Number")
    assert told["description"] == "Chant."
    asked = submitted(monkeypatch)
    call = next(event.fn for event in page.fns.values() if event.api_name == "chant")
    for drone_steps in (7, -1):
        with pytest.raises(gr.Error, match="enough"):
            aio.run(call(gr.Request(), prompt="hum", seconds=10, drone=drone_steps))
    assert [(one.mode, one.duration_s, one.sampler.steps) for one in asked] == [
        ("chant", 10, 7),
        ("chant", 10, 50),
    ]


def test_without_it_there_is_no_such_mode() -> None:
    with pytest.raises(Exception, match="Tab must be one of infinite, sparse or dual"):
        parse_request(mode="chant", prompt="x")


@pytest.mark.parametrize("mode", MODES)
def test_every_row_is_of_a_field_that_a_request_has(mode: str) -> None:
    """A path that was mistyped would be found when the page is built; here each by its name."""
    for field in fields.fields_of(mode):
        if field.path:
            type_of(field, mode)
            default_of(field, mode)
    for rows in (fields.on_page(mode), fields.options_of(mode), fields.parameters_of(mode)):
        assert len({field.name for field in rows.values()}) == len(rows)
    words = [field.call_name for field in fields.fields_of(mode) if field.call]
    assert len(words) == len(set(words))
    places = [field.call.place for field in fields.fields_of(mode) if field.call]
    assert len(places) == len(set(places))
