"""The API's functions, called as the server calls them."""

from __future__ import annotations

import math
from pathlib import Path

import gradio as gr
import pytest

from studio.app import build_studio
from studio.core.preset import Preset
from studio.core.settings import Settings
from studio.service.studio import Studio
from studio.ui.callers import Callers
from studio.ui.server import client_api
from tests import aio


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Follow the text", "text_scale"),
        ("Follow the draft", "acoustic_scale"),
        ("How far from the draft", "strength"),
        ("Steps", "steps"),
        ("Temperature", "temperature"),
        ("Top k", "top_k"),
    ],
)
def test_nan_is_no_value_that_was_not_given(studio: Studio, name: str, word: str) -> None:
    with gr.Blocks() as page:
        client_api.build(studio, Callers())
    dual = next(function.fn for function in page.fns.values() if function.api_name == "dual")
    values = {"prompt": "rain", "seconds": 1.0, "seed": 1, "model": "tone", "draft": "audiogen"}
    with pytest.raises(gr.Error, match=rf"{name} must be .* \(it is not a number\)"):
        aio.run(dual(gr.Request(), **values, **{word: math.nan}))


@pytest.mark.parametrize(
    ("mode", "scale", "steps"), [("infinite", 2.5, 67), ("sparse", 2.5, 200), ("dual", 4.0, 200)]
)
def test_what_a_caller_leaves_out_is_the_models(tmp_path: Path, mode: str, scale: float, steps: int) -> None:
    studio = build_studio(Settings(outputs=tmp_path, device="cpu"))
    try:
        folder = tmp_path / "dcldm"
        folder.mkdir()
        (folder / "model_index.json").write_text('{"_class_name": "DcLdmPipeline"}')
        model = str(folder) if mode == "dual" else "cvssp/audioldm-s-full-v2"
        given = client_api.read_call(mode, {"prompt": "rain", "seconds": 5.0, "model": model})
        request = client_api.request_of(mode, given, studio)
        assert (request.guidance_scale, request.sampler.steps) == (scale, steps)
        usual = client_api.request_of(mode, client_api.read_call(mode, {"prompt": "x", "seconds": 5}), studio)
        assert (usual.guidance_scale, usual.sampler.steps) == (4.0, 16 if mode == "infinite" else 50)
        preset = Preset(name="p", settings={"mode": mode, "guidance_scale": 8}).to_json()
        said = client_api.request_of(mode, {**given, "preset": preset}, studio)
        assert (said.guidance_scale, said.sampler.steps) == (8.0, steps)
    finally:
        studio.close()
