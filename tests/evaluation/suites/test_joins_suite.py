"""The table of `longwave eval seams`, of sounds whose joins are known."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.evaluation.benchmarks.seams import Prompt, Sounds
from studio.evaluation.metrics.summary import bootstrap
from studio.evaluation.metrics.told_apart import area_under_curve
from studio.evaluation.suites.joins import KINDS, _Heard, _ranked, measure_families, measure_joins

RATE, LENGTH = 16000, 3 * 33280
BRIDGE = round(1.28 * RATE)


class Bands:
    """Hears how loud each of eight bands is, in eleven moments."""

    name, sample_rate, version = "bands", RATE, "1"
    heard = 0

    def course(self, samples: np.ndarray) -> np.ndarray:
        self.heard += 1
        power = np.abs(np.fft.rfft(np.array_split(samples[: 11 * 2900], 11), axis=1)) ** 2
        return np.log([[part.sum() for part in np.array_split(row, 8)] for row in power]).astype(np.float32)


class Families:
    """Takes what is loud for rain."""

    def predict(self, samples: np.ndarray) -> tuple[torch.Tensor, None]:
        loud = torch.tensor(np.abs(samples).max(axis=1) > 0.5)
        return torch.stack([loud, ~loud], dim=1).float(), None

    def top(self, logits: torch.Tensor) -> list[list[str]]:
        return [[("rain", "wind")[int(row.argmax())]] for row in logits]


def coloured(seed: int) -> np.ndarray:
    """Noise of a colour that is the prompt's own."""
    rng = np.random.default_rng(seed)
    sound = np.fft.rfft(rng.normal(size=LENGTH))
    shape = np.interp(np.arange(len(sound)), np.linspace(0, len(sound), 5), _colour(seed // 10))
    found = np.fft.irfft(sound * shape, LENGTH)
    return (0.05 * found / found.std()).astype(np.float32)


def _colour(seed: int) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, 1.5, 5))


def sounds(number: int, *, dull: bool) -> Sounds:
    """A repaint whose bridge is another colour where it is `dull`, else the same; a loop likewise."""
    first, other = coloured(10 * number), coloured(10 * number + 1)
    bridge = coloured(10 * (number + 500)) if dull else other
    third = LENGTH // 3
    repaint = np.concatenate([first[:third], bridge[third : 2 * third], first[2 * third :]])
    loop = np.concatenate([first[:-BRIDGE], bridge[-BRIDGE:]])
    return Sounds(first, other, repaint, loop, other)


def measured(folder: Path, ears: Bands, *, dull: bool, count: int = 15) -> dict[str, Any]:
    made = [
        (Prompt(number, str(number), ("rain", "wind")[number % 2]), sounds(number, dull=dull))
        for number in range(count)
    ]
    return measure_joins(made, ears, Families(), folder)


@pytest.mark.slow
def test_what_differs_across_a_join_is_found_and_what_does_not_is_not(tmp_path: Path) -> None:
    ears = Bands()
    found = measured(tmp_path, ears, dull=True)
    joins = found["joins"]
    assert list(joins) == list(KINDS)
    assert found["counts"]
    assert joins["hard"]["auc"]["value"] > 0.95
    assert joins["hard"]["auc_own"] is joins["loop into"]["auc_own"] is None
    assert joins["hard"]["step"]["value"] > 0.8
    for name in ("loop", "repaint"):
        assert joins[name]["auc"]["value"] > 0.9
        assert joins[name]["auc_own"]["value"] > 0.9
        assert joins[name]["windows"] == 30
        assert joins[name]["auc"]["n"] == 15  # of prompts, which are drawn anew
    for name in ("hard same", "played round", "ring"):
        assert joins[name]["auc"]["value"] == pytest.approx(0.5, abs=0.25)
        assert joins[name]["auc"]["low"] < 0.5 < joins[name]["auc"]["high"]
    assert found["prompts"] == 15
    assert found["families"] == 2
    assert found["whole_windows"] == 60

    heard = ears.heard
    same = measured(tmp_path, ears, dull=False)
    assert ears.heard - heard == 15 * 4  # the bridges alone are new
    assert same["joins"]["hard"]["auc"]["value"] == joins["hard"]["auc"]["value"]
    for name in ("loop", "repaint"):
        assert same["joins"][name]["auc"]["value"] == pytest.approx(0.5, abs=0.2)


@pytest.mark.slow
def test_a_detector_that_misses_hard_joins_does_not_count(tmp_path: Path) -> None:
    class Deaf(Bands):
        name = "deaf"

        def course(self, samples: np.ndarray) -> np.ndarray:
            return super().course(samples[::-1]) * 0 + np.random.default_rng(self.heard).normal(size=(11, 8))

    found = measured(tmp_path, Deaf(), dull=False, count=10)
    assert not found["counts"]


def test_ranks_are_those_of_all_pairs_and_prompts_are_drawn_whole() -> None:
    rng = np.random.default_rng(5)
    prompts = np.repeat(np.arange(6), 7)
    kinds = np.tile(["whole"] * 4 + ["ring"] * 3, 6)
    scores = rng.integers(0, 9, 42) + 2.0 * (kinds == "ring")
    heard = _Heard(scores[:, None], scores, kinds, prompts, prompts % 5)
    found = _ranked(scores, heard, ("ring",))
    assert found.value == pytest.approx(area_under_curve(scores, kinds == "ring"))

    def over_drawn(drawn: np.ndarray) -> float:
        rows = np.concatenate([np.flatnonzero(prompts == number) for number in drawn])
        return area_under_curve(scores[rows], kinds[rows] == "ring")

    wanted = bootstrap(over_drawn, np.arange(6), within=(0.0, 1.0))
    assert astuple(found) == pytest.approx(astuple(wanted))
    alike = _Heard(scores[:, None], scores, kinds, np.zeros(42, int), prompts % 5)
    assert _ranked(scores, alike, ("ring",)).low == pytest.approx(found.value)


def test_families_are_told_inside_and_outside() -> None:
    third = LENGTH // 3

    def repainted(*levels: float) -> Sounds:
        sound = np.repeat(np.float32(levels), third)
        return Sounds(sound, sound, sound, sound, sound)

    rows = [repainted(0.9, 0.9, 0.9), repainted(0.9, 0.1, 0.9), repainted(0.9, 0.1, 0.1)]
    found = measure_families([(Prompt(i, "", "rain"), row) for i, row in enumerate(rows)], Families())
    assert found["inside"]["value"] == pytest.approx(1 / 3)
    assert found["outside"]["value"] == pytest.approx(2.5 / 3)
    assert found["share"]["value"] == pytest.approx(1 / 2.5)
    assert found["share"]["n"] == 3
    never = measure_families([(Prompt(0, "", "wind"), rows[0])], Families())
    assert never["share"] is None
