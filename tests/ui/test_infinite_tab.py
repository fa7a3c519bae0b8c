from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.app import build_studio
from studio.core.settings import Settings
from studio.service.jobs import Studio
from studio.ui.infinite import Handlers
from studio.ui.live import LiveViews


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = build_studio(Settings(outputs=tmp_path, model_id="tone", device="cpu"))
    yield studio
    studio.close()


@pytest.fixture
def handlers(studio: Studio) -> Handlers:
    return Handlers(studio, LiveViews())


def test_a_take_goes_from_form_to_file(handlers: Handlers, studio: Studio) -> None:
    steps = list(handlers.generate("rain", 2.0, False, 7.0, "tone"))
    first, last = steps[0], steps[-1]
    assert first[0]["token"] == last[0]["token"]
    assert first[0]["seed"] == "7"
    assert first[1]["interactive"] is False
    assert last[0]["phase"] == "finished"
    assert Path(last[2]["value"]).is_file()
    assert studio.job(first[3]).request.duration_s == 2.0


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (("", 5.0, False, -1, "tone"), "prompt"),
        (("rain", -5.0, False, -1, "tone"), "duration_s"),
        (("rain", None, False, -1, "tone"), "duration_s"),
        (("rain", float("nan"), False, -1, "tone"), "duration_s"),
        (("rain", 5.0, False, -7, "tone"), "seed"),
        (("rain", 5.0, False, 1.5, "tone"), "seed"),
        (("rain" * 5000, 5.0, False, -1, "tone"), "prompt"),
        (("rain", 5.0, False, -1, ""), "model"),
        (("rain", 5.0, False, -1, "nonesuch"), "no model"),
    ],
)
def test_bad_values_become_one_sentence(handlers: Handlers, values: tuple, word: str) -> None:
    *_, last = handlers.generate(*values)
    assert last[0]["phase"] == "failed"
    assert word in last[0]["message"].lower()
    assert "\n" not in last[0]["message"]


def test_a_closed_page_ends_its_take(handlers: Handlers, studio: Studio) -> None:
    run = handlers.generate("rain", None, True, None, "tone")
    job = studio.job(next(run)[3])
    run.close()
    deadline = time.monotonic() + 20
    while not job.ended and time.monotonic() < deadline:
        time.sleep(0.05)
    assert job.status == "stopped"


def test_stop_ends_the_take_and_means_nothing_without_one(handlers: Handlers, studio: Studio) -> None:
    run = handlers.generate("rain", None, True, None, "tone")
    handlers.stop(next(run)[3])
    *_, last = run
    assert last[0]["phase"] == "stopped"
    handlers.stop("")
    handlers.stop("forgotten")
