"""One pass measured beside two: where folding is exact nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.core.errors import InvalidRequestError
from studio.evaluation.classifier import Classifier
from studio.evaluation.suites.passes import PassesPlan, measure_passes
from studio.recipes import evaluate
from tests.evaluation.suites.test_sound import FAMILIES, held_out  # noqa: F401 - a fixture
from tests.pipeline.test_folded_guidance import Folding

PLAN = PassesPlan(clips=4, takes=1, windows=2, steps=2, scales=(2.0, 9.0), batch=2)


def test_a_row_for_each_scale_and_kind(held_out: Any) -> None:  # noqa: F811
    torch.manual_seed(0)
    judge, one = Classifier(FAMILIES).eval(), Folding()
    rows = measure_passes({"two": Folding(None), "one": one}, judge, held_out, PLAN)
    assert [(row["scale"], row["passes"]) for row in rows] == [
        (2.0, "two"), (2.0, "one"), (9.0, "two"), (9.0, "one"),
    ]  # fmt: skip
    for two, folded in (rows[:2], rows[2:]):
        assert two["apart_db"] == 0
        assert folded["apart_db"] < 1e-3, "the same prompts from the same seeds"
        for name in ("clips_right", "takes_right", "fd_clips", "fd_takes"):
            assert folded[name] == pytest.approx(two[name], abs=1e-3)
        assert min(folded["clips_rtf"], folded["takes_rtf"]) > 0
    assert {scale for _, scale in one.calls} == {2.0, 1.0}, "9 is beyond what it learned"


def test_a_model_of_two_passes_alone_is_told(tmp_path: Any) -> None:
    with pytest.raises(InvalidRequestError, match="two passes alone"):
        evaluate.evaluate_passes(tmp_path, tmp_path, lambda _: Folding(None), PLAN)
