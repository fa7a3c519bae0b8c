from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from studio.ui.panels import timeline


def test_the_form_s_fields_make_a_plan() -> None:
    assert timeline.plan("rain", "0:42 | thunder\n1:30.5 | birds", 4.0, 120.0, False) == {
        "prompt": "rain",
        "points": [{"at_s": 42.0, "prompt": "thunder"}, {"at_s": 90.5, "prompt": "birds"}],
        "blend_s": 4.0,
        "length_s": 120.0,
    }


@pytest.mark.parametrize(
    ("duration_s", "endless", "length_s"),
    [(60.0, True, None), (60.0, False, 60.0), (None, False, None), (0.0, False, None), (-5.0, False, None)],
)
def test_a_plan_is_endless_where_no_length_is_set(
    duration_s: float | None, endless: bool, length_s: float | None
) -> None:
    assert timeline.plan("", "", 2.0, duration_s, endless)["length_s"] == length_s


def test_empty_fields_are_a_plan_too() -> None:
    assert timeline.plan(None, None, None, None, False)["points"] == []
    assert timeline.build("piece").value == timeline.plan()


def test_a_lane_that_is_typed_half_changes_nothing() -> None:
    assert timeline.plan("rain", "0:42 | thunder\n1:", 2.0, 60.0, False) == gr.skip()


def test_points_become_the_lane_s_text_and_back() -> None:
    points = [{"at_s": 42, "prompt": "thunder"}, {"at_s": 90.5, "prompt": "<b>birds</b> | עברית"}]
    text = timeline.as_lane(points)
    assert text == "0:42 | thunder\n1:30.5 | <b>birds</b> | עברית\n"
    assert timeline.plan("", text)["points"] == points


@pytest.mark.parametrize(
    "points", [None, "rain", [{"at_s": -1, "prompt": "x"}], [{"at_s": 1, "prompt": ""}], [1]]
)
def test_what_is_no_lane_changes_nothing(points: Any) -> None:
    assert timeline.as_lane(points) == gr.skip()
