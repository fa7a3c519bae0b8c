"""Telling apart: the area under the curve, groups that never stand on both sides, chance and certainty."""

from __future__ import annotations

import numpy as np
import pytest

from studio.evaluation.metrics.told_apart import area_under_curve, fold_of, held_out_scores, told_apart

GROUPS = [f"prompt {i // 4}" for i in range(80)]


def vectors(seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((80, 6)) + shift * np.eye(6)[0]


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    scores, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert area_under_curve(scores, positive) == 0.75
    assert area_under_curve(np.zeros(4), positive) == 0.5


def test_groups_are_never_learned_from_and_asked_about() -> None:
    folds = fold_of(GROUPS)
    assert {len({folds[i] for i, name in enumerate(GROUPS) if name == group}) for group in GROUPS} == {1}
    assert sorted(np.bincount(folds)) == [16] * 5


def test_what_is_the_same_is_not_told_and_what_is_other_is() -> None:
    same = told_apart(vectors(1), vectors(2), (GROUPS, GROUPS))
    other = told_apart(vectors(1), vectors(2, 3.0), (GROUPS, GROUPS))
    assert same.low < 0.5 < same.high + 0.1
    assert same.value < 0.65
    assert other.value > 0.97
    assert (other.n, other.low <= other.value <= other.high) == (160, True)


def test_a_group_that_is_known_by_itself_does_not_help() -> None:
    """Each group has a sign of its own for what is positive: learned by heart, and of no use for others."""
    rng = np.random.default_rng(0)
    marks = np.repeat(np.eye(20), 4, axis=0)
    signs = np.repeat(rng.choice([-1.0, 1.0], 20), 4)[:, None]
    first = np.concatenate([marks, 0.1 * rng.standard_normal((80, 2))], axis=1)
    second = np.concatenate([marks * (1 + signs), 0.1 * rng.standard_normal((80, 2))], axis=1)
    found = told_apart(first, second, (GROUPS, GROUPS))
    positive = np.arange(160) >= 80
    leaking = held_out_scores(np.concatenate([first, second]), positive, np.arange(160) % 5)
    assert area_under_curve(leaking, positive) > found.value + 0.15


def test_one_group_is_refused() -> None:
    with pytest.raises(ValueError, match="two groups"):
        told_apart(vectors(1), vectors(2), (["a"] * 80, ["a"] * 80))


def test_what_is_not_taught_is_asked_about_alone() -> None:
    rows = np.concatenate([vectors(1), vectors(2, 3.0)]).astype(np.float64)
    positive, folds = np.arange(160) >= 80, np.arange(160) % 5
    taught = np.arange(160) % 3 > 0
    before = held_out_scores(rows, positive, folds, taught)
    other = np.where(taught[:, None], rows, -7 * rows)
    after = held_out_scores(other, positive, folds, taught)
    np.testing.assert_allclose(after[taught], before[taught])
    assert not np.allclose(held_out_scores(other, positive, folds)[taught], before[taught])
    assert area_under_curve(before[~taught], positive[~taught]) > 0.95
