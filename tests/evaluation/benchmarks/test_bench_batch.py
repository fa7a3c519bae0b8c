"""What clips side by side bring is measured: every way makes as many, and the best is kept."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from studio.backends.systems.tone import ToneBackend
from studio.core.errors import ModelNotFoundError, StudioError
from studio.core.request import ModelChoice, parse_request
from studio.evaluation.benchmarks import batch as module
from studio.evaluation.benchmarks.batch import Maker, Way, bench_batch, best_of
from studio.pipeline.batch_size import default_batch
from tests.test_cli import longwave, one_sentence

REQUEST = parse_request(
    mode="sparse", prompt="rain", seed=0, duration_s=0.64, model={"id": "tone"},
    sampler={"kind": "clip", "steps": 2},
)  # fmt: skip


def tone(choice: ModelChoice) -> ToneBackend:
    return ToneBackend()


def absent(choice: ModelChoice) -> ToneBackend:
    raise ModelNotFoundError("There is no such model: get it.")


def test_each_way_makes_as_many_clips_each_by_a_seed_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[list[int]] = []
    monkeypatch.setattr(module, "render_clips", lambda wanted, _: made.append([each.seed for each in wanted]))
    maker = Maker(REQUEST, tone)
    maker.make(4, 8)
    maker.make(1, 2)
    assert made == [[0, 1, 2, 3], [4, 5, 6, 7], [0], [1]]


def test_memory_is_told_and_measured() -> None:
    told, taken = Maker(REQUEST, tone).look(2)
    assert told >= 0
    assert taken >= 0


def test_the_best_is_the_smallest_that_loses_next_to_nothing() -> None:
    speed = {Way(1, 1): 60.0, Way(1, 8): 80.0, Way(2, 2): 90.0, Way(2, 4): 98.0, Way(2, 8): 100.0}
    assert best_of(speed) == Way(2, 4)
    assert best_of({**speed, Way(1, 1): 101.0}) == Way(1, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--batches", "1,x"], "commas between them"),
        (["--batches", "0,1"], "between 1 and 64"),
        (["--batches", "65"], "between 1 and 64"),
        (["--workers", "0"], "between 1 and 64"),
        (["--workers", ""], "commas between them"),
    ],
)
def test_wrong_counts_are_one_sentence(words: list[str], said: str) -> None:
    assert said in one_sentence(longwave("bench", "batch", *words))


@pytest.mark.slow
def test_a_model_that_is_not_here_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="no such model"):
        bench_batch(REQUEST, absent, batches=[1], repeats=1)


@pytest.mark.slow
def test_the_command_prints_every_way_and_keeps_the_best(tmp_path: Path) -> None:
    bench = partial(
        longwave, "bench", "batch", "--model", "tone", "--seconds", 0.64, "--steps", 2, "--batches", "1,2",
        "--repeats", 1, "--outputs", tmp_path,
    )  # fmt: skip
    result = bench("--workers", "1,2", "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert [(row["workers"], row["batch"]) for row in figures["rows"]] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert figures["rows"][0]["ratio"] == 1.0
    for row in figures["rows"]:
        assert row["clips_per_minute"] == pytest.approx(
            row["ratio"] * figures["rows"][0]["clips_per_minute"], rel=0.01
        )
    assert figures["seconds"] == 0.64
    kept = default_batch(ModelChoice(id="tone"), tmp_path)
    assert kept == figures["best"]["batch"]
