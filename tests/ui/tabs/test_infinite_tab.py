from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import soundfile as sf

from studio.app import build_studio
from studio.backends.systems.tone import tone
from studio.core.binding import opening
from studio.core.preset import load_preset
from studio.core.settings import Settings
from studio.service.jobs.job import Job
from studio.service.studio import Studio
from studio.ui.tabs.infinite import Handlers
from studio.ui.tabs.take_tab import Shared


@pytest.fixture
def handlers(studio: Studio) -> Handlers:
    return Handlers(Shared.of(studio), "infinite")


def form(**changes: Any) -> dict[str, Any]:
    """The fields as the page opens, on the model without weights."""
    return opening("infinite", **{"prompt": "rain", "model": "tone", **changes})


def made(studio: Studio) -> Path:
    """The file of the only take there is."""
    (take,) = studio.library.takes()
    return take.path


def test_a_take_goes_from_form_to_file(handlers: Handlers, studio: Studio) -> None:
    steps = list(handlers.generate(**form(duration_s=2.0, endless=False, seed=7.0)))
    first, last = steps[0], steps[-1]
    assert first[0]["token"] == last[0]["token"]
    assert first[0]["seed"] == "7"
    assert first[1]["interactive"] is False
    assert last[0]["phase"] == "finished"
    assert last[2] == gr.update(link=f"take/{last[0]['token']}?format=.flac", interactive=True)
    assert made(studio).suffix == ".flac"
    assert studio.job(first[3]).request.duration_s == 2.0


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "rain" * 5000}, "prompt"),
        ({"duration_s": -5.0}, "length (seconds)"),
        ({"duration_s": None}, "length (seconds)"),
        ({"duration_s": float("nan")}, "length (seconds)"),
        ({"seed": -7}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"guidance_scale": float("nan")}, "guidance"),
        ({"guidance_scale": None}, "guidance"),
        ({"negative_prompt": "x" * 10_000}, "negative prompt"),
        ({"lane": "wind from the north"}, "prompt lane"),
        ({"lane": "0:10 | wind", "lane_blend_s": -1}, "blend (seconds)"),
        ({"skip_factor": 0}, "skip factor p must be a whole number"),
        ({"base_steps": None}, "base steps n"),
        ({"strategy": "best"}, "curve"),
        ({"base_steps": 1000, "skip_factor": 1, "group_size": 32}, "asks for a window"),
        ({"model": ""}, "model"),
        ({"model": "nonesuch"}, "no model"),
    ],
)
def test_bad_values_become_one_sentence(handlers: Handlers, changes: dict[str, Any], word: str) -> None:
    *_, last = handlers.generate(**form(**{"endless": False, **changes}))
    assert last[0]["phase"] == "failed"
    assert word in last[0]["message"].lower()
    assert "\n" not in last[0]["message"]


def hear(job: Job) -> None:
    """Play the job's stream as fast as it comes, in a thread."""

    def listen() -> None:
        heard = 0
        while job.stream is not None and (part := job.stream.read()) is not None:
            heard += len(part)
            job.stream.acknowledge(heard / 16000)

    threading.Thread(target=listen, daemon=True).start()


def test_a_take_goes_on_from_a_file_dropped_in(handlers: Handlers, studio: Studio, tmp_path: Path) -> None:
    sf.write(tmp_path / "field.wav", tone(0, 5 * 16000, 16000), 16000)
    field = str(tmp_path / "field.wav")
    first, *_, last = handlers.generate(**form(duration_s=6.0, endless=False, continue_from=field))
    assert first[0]["offset_s"] == 1.0, "what is heard begins shortly before the join"
    assert last[0]["phase"] == "finished"
    assert sf.info(made(studio)).duration == 6.0
    refused = list(handlers.generate(**form(duration_s=4.0, endless=False, continue_from=field)))
    assert "ask for more seconds" in refused[0][0]["message"]
    (tmp_path / "field.wav").write_text("no sound")
    refused = list(handlers.generate(**form(duration_s=6.0, endless=False, continue_from=field)))
    assert "no sound file" in refused[0][0]["message"]


def test_a_take_fades_out_and_is_finished(handlers: Handlers, studio: Studio) -> None:
    run = handlers.generate(**form(duration_s=None))
    job = studio.job(next(run)[3])
    hear(job)
    handlers.finish("")
    while job.file is None:
        time.sleep(0.01)
    handlers.finish(job.id)
    *_, last = run
    assert last[0]["phase"] == "finished"
    assert sf.info(made(studio)).duration >= 3


def test_a_new_take_stops_the_old_and_has_its_own_seed(handlers: Handlers, studio: Studio) -> None:
    run = handlers.generate(**form(duration_s=None, seed=5))
    old = studio.job(next(run)[3])
    again = handlers.again(old.id, **form(duration_s=1.0, endless=False, seed=5))
    new = studio.job(next(again)[3])
    assert list(run) == [], "the old one's end says nothing about the new one"
    *_, last = again
    assert last[0]["phase"] == "finished"
    assert old.status == "stopped"
    assert new.request.seed != 5
    assert new.request.prompt == old.request.prompt


def test_a_form_that_makes_no_take_leaves_the_playing_one(handlers: Handlers, studio: Studio) -> None:
    run = handlers.generate(**form(duration_s=None))
    job = studio.job(next(run)[3])
    (refused,) = handlers.again(job.id, **form(prompt=""))
    assert "Prompt is empty" in refused[0]["message"]
    assert not job.cancel.is_set()
    assert handlers.ready(job.id)["interactive"] is False
    assert handlers.ready("")["interactive"] is True
    handlers.stop(job.id)
    *_, last = run
    assert last[0]["phase"] == "stopped"
    assert handlers.ready(job.id)["interactive"] is True


@pytest.mark.slow
def test_a_closed_page_ends_its_take(handlers: Handlers, studio: Studio) -> None:
    run = handlers.generate(**form(duration_s=None, seed=None))
    job = studio.job(next(run)[3])
    run.close()
    deadline = time.monotonic() + 40
    while not job.ended and time.monotonic() < deadline:
        time.sleep(0.05)
    assert job.status == "stopped"


def test_a_page_that_comes_back_follows_its_take(handlers: Handlers, studio: Studio) -> None:
    assert next(handlers.reattach())[0] == gr.skip(), "nothing runs yet"
    run = handlers.generate(**form(duration_s=None, seed=None))
    job = studio.job(next(run)[3])
    while job.status == "queued":  # one that waits is withdrawn when its page goes
        time.sleep(0.01)
    run.close()
    again = handlers.reattach()
    first = next(again)
    assert (first[0]["token"], first[3]) == (job.stream.token, job.id)  # type: ignore[union-attr]
    handlers.stop(job.id)
    *_, last = again
    assert last[0]["phase"] == "stopped"


def test_where_strangers_come_no_take_is_handed_over(tmp_path: Path) -> None:
    studio = build_studio(Settings(outputs=tmp_path, model_id="tone", host="0.0.0.0"))
    handlers = Handlers(Shared.of(studio), "infinite")
    run = handlers.generate(**form(duration_s=None, seed=None))
    next(run)
    run.close()
    assert next(handlers.reattach())[0] == gr.skip()
    studio.close()


def test_a_lane_changes_while_it_plays(handlers: Handlers, studio: Studio) -> None:
    wanted = form(duration_s=None, seed=None)
    assert "press Generate" in handlers.steer("", **wanted)
    run = handlers.generate(**wanted)
    job = studio.job(next(run)[3])
    assert job.stream is not None
    assert "Line 1" in handlers.steer(job.id, **(wanted | {"lane": "sea"}))
    assert "Taken up" in handlers.steer(job.id, **(wanted | {"prompt": "sea", "lane": "100:00 | wind"}))
    deadline = time.monotonic() + 20
    while not (job.control.points and job.stream.buffered_s) and time.monotonic() < deadline:
        time.sleep(0.05)
    handlers.stop(job.id)
    list(run)
    assert [point.prompt for point in job.control.points] == ["sea", "wind"]
    played = load_preset(made(studio).with_suffix(".json"))
    assert played.request().lane == job.control.points
    assert "over" in handlers.steer(job.id, **wanted)


def test_unloading_tells_what_it_freed_but_never_under_a_take(handlers: Handlers) -> None:
    run = handlers.generate(**form(duration_s=None, seed=None))
    job_id = next(run)[3]
    next(run)
    assert "stop it" in handlers.unload()
    handlers.stop(job_id)
    list(run)
    assert "MB freed" in handlers.unload()


def test_stop_ends_the_take_and_means_nothing_without_one(handlers: Handlers, studio: Studio) -> None:
    run = handlers.generate(**form(duration_s=None, seed=None))
    handlers.stop(next(run)[3])
    *_, last = run
    assert last[0]["phase"] == "stopped"
    handlers.stop("")
    handlers.stop("forgotten")
