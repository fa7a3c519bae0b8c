"""The API's functions, called as the server calls them."""

from __future__ import annotations

import math

import gradio as gr
import pytest

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
