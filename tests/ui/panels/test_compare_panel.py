"""The comparison's rows as they come, its refusals, and its end when the page goes."""

from __future__ import annotations

import re

import gradio as gr

from studio.core.binding import opening
from studio.service.studio import Studio
from studio.ui.forms import read_form
from studio.ui.panels.compare import Comparison, strategies

FORM = opening("infinite", model="tone", prompt="<i>rain", seed=4, base_steps=6, warmup_steps=2)
SLOW = FORM | {"base_steps": 300, "group_size": 1, "buffer_frames": 0}  # thousands of steps


def test_every_way_is_a_row_and_joins_are_marked(studio: Studio) -> None:
    answers = list(Comparison(studio, strategies(studio)).run(seconds=6.0, **FORM))
    rows = [rows for _, rows, _ in answers if isinstance(rows, str) and rows]
    assert [shown.count("<figure") for shown in rows] == [1, 2, 3, 4, 5], "one more with each take"
    assert len(studio.jobs()) == 1, "all of them are one job"
    last = rows[-1]
    assert last.count("<figure") == last.count("<audio") == last.count("data:image/png") == 5
    assert re.findall(r"left:([\d.]+)%", last) == ["85.33"]
    assert answers[-1][0].startswith("All 5 made")
    assert len(list(studio.library.takes("rain"))) == 5


def test_what_can_t_be_compared_is_told(studio: Studio) -> None:
    comparison = Comparison(studio, strategies(studio))
    assert list(comparison.run(seconds=None, **FORM)) == [
        ("Compare takes of up to 120 seconds.", gr.skip(), "")
    ]
    (said, *_), *rest = comparison.run(seconds=5.0, **FORM | {"prompt": ""})
    assert "Prompt is empty" in said
    assert not rest
    (said, *_), *rest = comparison.run(seconds=5.0, **FORM | {"continue_from": "field.wav"})
    assert "continue from audio" in said
    assert not rest


def test_a_failure_is_a_row_of_its_own(studio: Studio) -> None:
    rows = [
        rows
        for _, rows, _ in Comparison(studio, strategies(studio)).run(
            seconds=1.0, **FORM | {"model": "nonesuch"}
        )
    ]
    assert "no model" in str([row for row in rows if isinstance(row, str)][-1]).lower()


def test_a_closed_page_stops_what_is_being_made(studio: Studio) -> None:
    run = Comparison(studio, strategies(studio)).run(seconds=120.0, **SLOW)
    next(run)
    said, _, job_id = next(run)
    assert said.startswith("1 of 5, Endless, equal")
    run.close()
    (job,) = studio.jobs()
    assert job.id == job_id
    assert job.cancel.is_set()


def test_one_may_stop_and_keep_what_there_is(studio: Studio) -> None:
    comparison = Comparison(studio, strategies(studio))
    comparison.stop("")
    told = []
    for said, _, job_id in comparison.run(seconds=120.0, **SLOW):
        told.append(said)
        comparison.stop(job_id)
    assert told[-1].startswith("Stopped")
    assert len(studio.jobs()) == 1


def test_one_that_waits_says_so(studio: Studio) -> None:
    playing = studio.submit(read_form("infinite", SLOW | {"endless": True}, studio))
    told = []
    for said, *_ in Comparison(studio, strategies(studio)).run(seconds=1.0, **FORM):
        told.append(said)
        if "Waiting" in said:
            studio.stop(playing.id)
    assert any("Waiting: 1 take before this one" in said for said in told)
    assert told[-1].startswith("All 5 made")
