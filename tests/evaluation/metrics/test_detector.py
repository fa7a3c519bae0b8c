"""A detector that learns what there is to learn, and says nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

from studio.evaluation.metrics.detector import Detector, across_folds, auc


def test_auc_counts_pairs_and_halves_ties() -> None:
    positive, negative = np.array([3.0, 1.0, 2.0]), np.array([2.0, 0.0])
    pairs = [(a > b) + 0.5 * (a == b) for a in positive for b in negative]
    assert auc(positive, negative) == pytest.approx(np.mean(pairs))
    assert auc(negative, positive) == pytest.approx(1 - np.mean(pairs))
    with pytest.raises(ValueError, match="both kinds"):
        auc(positive, np.zeros(0))


def drawn(seed: int, count: int = 60, width: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = np.arange(count) % 3 == 0
    rows = rng.normal(size=(count, width)) * rng.uniform(0.01, 100, width)
    return rows, positive


def test_weights_are_where_the_loss_has_no_slope() -> None:
    rows, positive = drawn(0, width=7)
    found = Detector.learnt(rows, positive, trust=0.05)
    standard = (rows - rows.mean(axis=0)) / found.deviation
    share = 1 / (1 + np.exp(-(standard @ found.weights + found.bias)))
    each = np.where(positive, 0.5 / positive.sum(), 0.5 / (~positive).sum()) * len(rows) * 0.05
    np.testing.assert_allclose(standard.T @ (each * (share - positive)) + found.weights, 0, atol=1e-4)
    assert (each * (share - positive)).sum() == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(found.scores(rows), standard @ found.weights + found.bias)


def test_a_shift_of_one_kind_is_found_across_folds_and_noise_is_not() -> None:
    rows, positive = drawn(1, count=600, width=20)
    folds = np.arange(len(rows)) // 3 % 5
    noise = across_folds(rows, positive, np.ones(len(rows), bool), folds)
    assert auc(noise[positive], noise[~positive]) == pytest.approx(0.5, abs=0.1)
    rows[positive] += 1.5 * rows.std(axis=0)
    found = across_folds(rows, positive, np.ones(len(rows), bool), folds)
    assert auc(found[positive], found[~positive]) > 0.95


def test_a_fold_is_judged_by_the_others_and_by_what_is_taught_alone() -> None:
    rows, positive = drawn(2, count=40, width=5)
    rows[positive] += 3 * rows.std(axis=0)
    folds, taught = np.arange(40) % 2, np.arange(40) < 30
    before = across_folds(rows, positive, taught, folds)

    def after(changed: np.ndarray) -> np.ndarray:
        return across_folds(np.where(changed[:, None], -5 * rows, rows), positive, taught, folds)

    np.testing.assert_allclose(after(~taught)[taught], before[taught])
    own = Detector.learnt(rows[taught & (folds == 1)], positive[taught & (folds == 1)])
    np.testing.assert_allclose(before[folds == 0], own.scores(rows[folds == 0]))
    with pytest.raises(ValueError, match="both kinds"):
        across_folds(rows, positive & (folds == 0), taught, folds)
