"""What the page says of sets: what one of a form would be, how one stands, and how the Library shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.core.binding import opening
from studio.pipeline.cancel import CancelToken
from studio.service.batch.folder import SetFolder
from studio.service.batch.listing import About, write_rows
from studio.service.batch.plans import Plan
from studio.service.batch.standing import Summary
from studio.service.batch.work import work
from studio.service.studio import Studio
from studio.ui.panels import sets
from studio.ui.panels.library_view import Asked, LibraryView
from tests.service.batch.set_fakes import make_tone, rows, units
from tests.waiting import until


def ask(studio: Studio, action: str = "plan", count: Any = 3, **changes: Any) -> dict[str, Any]:
    values = opening("infinite", **{"prompt": "rain", "model": "tone", "duration_s": 0.2, **changes})
    return sets.asked(studio, "infinite", {"action": action, "count": count, "asked": 7}, values)


def test_a_form_is_told_what_its_set_would_be_and_begins_it(studio: Studio) -> None:
    answer = ask(studio, duration_s=2.0, endless=True)
    assert answer["said"].startswith("3 takes of 0:02, 0:06 of sound. ")
    assert "0.2 MB on disk" in answer["said"]
    assert answer["asked"] == 7
    set_id = ask(studio, "begin", seed="41")["id"]
    until(lambda: studio.sets.summary(set_id).phase == "done")
    look = studio.sets.look(set_id)
    assert [(row.request.seed, row.line) for row in look.rows] == [(41, 1), (42, 2), (43, 3)]
    assert look.summary.about.name == "rain"


@pytest.mark.parametrize("count", [1, sets.MOST + 1, 2.5, None, "3"])
def test_no_other_number_makes_a_set(studio: Studio, count: Any) -> None:
    assert ask(studio, "begin", count)["wrong"].startswith("Choose 2 to 500 takes.")
    assert studio.sets.all() == []


def test_what_is_wrong_with_the_form_is_said(studio: Studio) -> None:
    assert "prompt" in ask(studio, prompt="")["wrong"].lower()
    assert "continue from audio" in ask(studio, continue_from="x.wav")["wrong"]


def test_a_plan_in_words() -> None:
    wanted = rows(2, seconds=10.0)
    plan = Plan(2, 20.0, 640_000, 5 * 10**10, 40.0)
    said = (
        "2 takes of 0:10, 0:20 of sound. About 40 s to make. Up to 0.6 MB on disk, where 50.00 GB are free."
    )
    assert sets.told_of_plan(plan, wanted) == said
    assert sets.duration(600) == "10 min"
    assert sets.duration(9000) == "2.5 h"


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (("making", 1234, 0, 300.0), "1,234 of 5,000 made · about 5 min left"),
        (("waiting", 0, 0, None), "0 of 5,000 made · waiting for its turn"),
        (("stopped", 20, 2, None), "20 of 5,000 made · 2 failed · stopped"),
        (("failed", 4999, 1, None), "4,999 of 5,000 made · 1 failed"),
    ],
)
def test_how_a_set_stands_in_words(standing: tuple[Any, ...], said: str) -> None:
    phase, made, failed, left_s = standing
    about = About("rain", "2026-01-31T12:00:00", 5000, 1)
    assert sets.told(Summary("rain", about, phase, made, failed, left_s)) == said


def test_the_library_shows_the_beginning_of_a_large_set(studio: Studio, tmp_path: Path) -> None:
    path = studio.settings.outputs / "sets" / "rain"
    write_rows(path, "Rain & wind", rows(15, seconds=0.01), 1)
    work(SetFolder(path, rows=15), units(15, seconds=0.01), make_tone, cancel=CancelToken())
    view = LibraryView(studio)
    first = view.listing(Asked())
    assert first.count('class="lw-take"') == 12
    assert "Set · 12 of 15" in first
    assert "Rain &amp; wind" in first
    assert 'href="sets/rain/zip"' in first
    assert 'data-set="rain"' in first
    assert "Show 3 more" in first
    assert view.listing(Asked(most=120)).count('class="lw-take"') == 15
