"""Several takes made in one go: their seeds, what the page is told, and who ends them."""

from __future__ import annotations

from typing import Any

import pytest

from studio.core.binding import opening
from studio.core.request import parse_request
from studio.core.values import MAX_SEED
from studio.service.studio import Studio
from studio.ui.panels import batches
from studio.ui.panels.batches import varied
from studio.ui.tabs.infinite import Handlers
from studio.ui.tabs.take_tab import Shared
from tests.waiting import until


@pytest.fixture
def shared(studio: Studio) -> Shared:
    return Shared.of(studio)


@pytest.fixture
def handlers(shared: Shared) -> Handlers:
    return Handlers(shared, "infinite")


def form(**changes: Any) -> dict[str, Any]:
    return opening("infinite", **{"prompt": "rain", "model": "tone", "duration_s": 1.0, **changes})


def test_a_chosen_seed_is_followed_by_the_next_ones() -> None:
    request = parse_request(prompt="x", seed=MAX_SEED - 1)
    seeds = [one.seed for one in varied(request, 4, seeded=True)]
    assert seeds == [MAX_SEED - 1, MAX_SEED, 0, 1]
    drawn = [one.seed for one in varied(request, 4, seeded=False)]
    assert len(set(drawn)) == 4
    assert request.seed not in drawn


@pytest.mark.parametrize(("typed", "wanted"), [("7", [7, 8]), ("", None), ("-1", None), (-1, None)])
def test_takes_differ_in_their_seeds_alone(
    handlers: Handlers, studio: Studio, typed: Any, wanted: Any
) -> None:
    *_, _ = handlers.generate(**form(variations="2", seed=typed, endless=True))
    takes = sorted(studio.library.takes(), key=lambda take: take.record.settings["seed"])
    first, second = (dict(take.record.settings) for take in takes)
    seeds = [first.pop("seed"), second.pop("seed")]
    assert first == second
    assert first["duration_s"] == 1.0, "without an end there would be no second one"
    assert seeds == wanted if wanted else len(set(seeds)) == 2


def test_the_page_is_told_of_each_as_it_is_whole(handlers: Handlers, shared: Shared) -> None:
    steps = list(handlers.generate(**form(variations="4", endless=False)))
    states, strips = [step[0] for step in steps], [step[4] for step in steps if isinstance(step[4], dict)]
    assert states[0]["token"] == ""
    assert states[-1]["phase"] == "finished"
    assert states[-1]["message"].startswith("All 4 takes are made")
    told = [len(strip["takes"]) for strip in strips if "takes" in strip]
    assert told == sorted(told)
    assert told[-1] == 4
    last = next(strip for strip in reversed(strips) if "takes" in strip)
    paths = [shared.offers.path(take["token"]) for take in last["takes"]]
    assert len(set(paths)) == 4
    assert all(
        path is not None and path.name == take["file"]
        for path, take in zip(paths, last["takes"], strict=True)
    )
    assert [take["length_s"] for take in last["takes"]] == [1.0] * 4


def test_one_that_is_stopped_keeps_what_is_whole(handlers: Handlers, studio: Studio) -> None:
    run = handlers.generate(**form(variations="2", duration_s=3600.0, endless=False))
    job = studio.job(next(run)[3])
    until(lambda: job.file is not None)
    handlers.stop(job.id)
    *_, last = run
    assert "0 of 2 takes are made" in last[0]["message"]
    assert handlers.ready(job.id)["interactive"] is True


def test_variations_of_audio_are_refused_with_a_way_out(handlers: Handlers) -> None:
    (refused,) = handlers.generate(**form(variations="2", continue_from="field.wav"))
    assert "remove it, or make one at a time" in refused[0]["message"]


def test_a_page_that_is_loaded_again_follows_its_batch(
    handlers: Handlers, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "GRACE_S", 600.0)
    run = handlers.generate(**form(variations="2", duration_s=3600.0, endless=False))
    job = shared.studio.job(next(run)[3])
    assert shared.batches.alone("infinite") is None, "somebody looks on"
    run.close()
    assert shared.batches.alone("sparse") is None
    again = handlers.reattach()
    assert next(again)[3] == job.id
    handlers.stop(job.id)
    list(again)


def test_one_that_nobody_looks_at_ends(
    handlers: Handlers, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "GRACE_S", 0.6)
    run = handlers.generate(**form(variations="2", duration_s=3600.0, endless=False))
    job = studio.job(next(run)[3])
    run.close()
    until(lambda: job.ended)
    assert job.cancel.reason == "Nobody looked on any more, so the takes were ended."
    kept = handlers.generate(**form(variations="2", duration_s=3600.0, endless=False, keep_running=True))
    other = studio.job(next(kept)[3])
    kept.close()
    assert not other.cancel.is_set()
    handlers.stop(other.id)


def test_what_ended_unseen_is_told_once(handlers: Handlers, shared: Shared) -> None:
    run = handlers.generate(**form(variations="2", endless=False))
    job = shared.studio.job(next(run)[3])
    run.close()
    until(lambda: job.ended)
    *_, last = handlers.reattach()
    assert last[0]["message"].startswith("All 2 takes are made")
    assert shared.batches.alone("infinite") is None
