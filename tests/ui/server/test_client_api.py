"""The API's functions, called as the server calls them."""

from __future__ import annotations

import math

import gradio as gr
import pytest

from studio.service.studio import Studio
from studio.ui.server import client_api
from studio.ui.server.callers import Callers
from tests import aio


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("What it says", 5),
        ("What it is made of", 6),
        ("Strength", 7),
        ("Steps", 8),
        ("Temperature", 13),
        ("Top k", 14),
    ],
)
def test_nan_is_no_value_that_was_not_given(studio: Studio, name: str, place: int) -> None:
    with gr.Blocks() as page:
        client_api.build(studio, Callers())
    dual = next(function.fn for function in page.fns.values() if function.api_name == "dual")
    values = ["rain", "", 1.0, 1, "tone", -1, -1, -1, -1, "audiogen", -1, "", None, -1, -1]
    values[place] = math.nan
    with pytest.raises(gr.Error, match=rf"{name} must be .* \(it is not a number\)"):
        aio.run(dual(gr.Request(), *values))
