"""The same prompts at several lengths, dense and sparse, told apart by the judge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from studio.evaluation.classifier import Classifier
from studio.evaluation.suites.lengths import LengthPlan, measure_lengths
from studio.evaluation.suites.pocket import HeldOut
from studio.modules.patches.lite_focus import ratio_for
from tests.pipeline.test_attention import Unet

pytestmark = pytest.mark.slow

FAMILIES = ["rain", "wind"]


class Listener(Classifier):
    """Hears rain in the first window of a clip, and wind in all others."""

    def __init__(self) -> None:
        super().__init__(FAMILIES)

    def predict(self, samples: Any) -> tuple[torch.Tensor, torch.Tensor]:
        logits = torch.zeros(len(samples), 2)
        logits[0, 0], logits[1:, 1] = 9.0, 1.0
        return logits, torch.zeros(len(samples), 64)


HELD_OUT = HeldOut(
    np.zeros((4, 16), np.float32), ["a", "b", "c", "d"], [["rain"], ["wind"], ["rain"], ["wind"]]
)


def test_a_row_for_each_length_method_and_ratio() -> None:
    plan = LengthPlan((1.0, 12.0), ("dense", "balanced", "tome"), (0.1, None), clips=4, steps=2)
    said: list[str] = []
    backend = Unet()
    rows = measure_lengths(backend, Listener(), HELD_OUT, plan, said.append)
    named = [(row["seconds"], row["method"], row["ratio"]) for row in rows]
    assert named == [
        (length, method, ratio)
        for length in (1.0, 12.0)
        for method, ratio in (
            ("dense", None), ("balanced", 0.1), ("balanced", ratio_for(length)), ("tome", 0.5)
        )
    ]  # fmt: skip
    assert {row["family_acc"] for row in rows} == {0.5}
    assert {row["worst_acc"] for row in rows} == {0.5}
    assert all(row["clips"] == 4 and row["clip_s"] >= 0 for row in rows)
    assert any("r = 0.1" in line for line in said)
    assert {"_Processor" in kinds for kinds in backend.seen} == {True, False}


def test_a_row_for_each_way_of_resting_which_sounds_otherwise() -> None:
    plan = LengthPlan(
        (1.0,), ("balanced",), clips=2, steps=4, reuse=("off", "two_of_three"), guided=(0.0, 0.9)
    )
    heard: list[np.ndarray] = []

    class Keeping(Listener):
        def predict(self, samples: Any) -> tuple[torch.Tensor, torch.Tensor]:
            heard.append(np.array(samples))
            return super().predict(samples)

    rows = measure_lengths(Unet(), Keeping(), HELD_OUT, plan, lambda _: None)
    assert [row["reuse"] for row in rows] == ["off", "two_of_three"]
    assert np.abs(heard[0] - heard[2]).max() > 0
    assert plan.sampler("off").guided_to == 0.9


@pytest.mark.parametrize("method", ["balanced", "uniform", "tome"])
def test_the_same_seed_makes_the_same_clips(method: Any) -> None:
    plan = LengthPlan((1.0,), (method,), clips=2, steps=2)
    heard: list[np.ndarray] = []

    class Keeping(Listener):
        def predict(self, samples: Any) -> tuple[torch.Tensor, torch.Tensor]:
            heard.append(np.array(samples))
            return super().predict(samples)

    for _ in range(2):
        measure_lengths(Unet(), Keeping(), HELD_OUT, plan, lambda _: None)
    np.testing.assert_array_equal(heard[0], heard[2])
    assert np.abs(heard[0] - heard[1]).max() > 0, "prompts have seeds of their own"
