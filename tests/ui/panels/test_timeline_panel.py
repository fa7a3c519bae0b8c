from __future__ import annotations

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
