"""A detector of one kind of sound among another, and how well it ranks them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata

Floats = NDArray[np.float64]
_STEPS = 300
_RANK = 1e-6  # singular values below this share of the largest are none


def auc(positive: Floats, negative: Floats) -> float:
    """The chance that a positive's score [p] is above a negative's [n], ties counting half (Mann-Whitney).

    Raises:
        ValueError: there are none of either.
    """
    if not len(positive) or not len(negative):
        raise ValueError("an AUC needs scores of both kinds")
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)].sum()
    over = ranks - len(positive) * (len(positive) + 1) / 2
    return float(over / (len(positive) * len(negative)))


@dataclass(frozen=True)
class Detector:
    """A logistic regression over rows that are brought to one deviation."""

    mean: Floats
    deviation: Floats
    weights: Floats
    bias: float

    @classmethod
    def learnt(cls, rows: Floats, positive: NDArray[np.bool_], trust: float = 0.01) -> Detector:
        """Learn from rows [n, D], of which some are positive; both kinds weigh alike, however many there are.

        Args:
            rows: one a window.
            positive: which [n].
            trust: how much the rows' losses weigh beside half the weights' squares (C of LIBLINEAR).

        Raises:
            ValueError: there are none of either kind.
        """
        if not positive.any() or positive.all():
            raise ValueError("a detector learns from both kinds")
        mean = rows.mean(axis=0)
        deviation = rows.std(axis=0) + 1e-3 * rows.std() + 1e-12
        # There are fewer rows than features, so that the weights lie in the rows' own space.
        left, sizes, turn = np.linalg.svd((rows - mean) / deviation, full_matrices=False)
        kept = sizes > _RANK * max(sizes[0], 1e-12)
        places = left[:, kept] * sizes[kept]
        sign = np.where(positive, 1.0, -1.0)
        each = np.where(positive, 0.5 / positive.sum(), 0.5 / (~positive).sum()) * len(rows) * trust

        def loss(held: Floats) -> tuple[float, Floats]:
            weights, margin = held[:-1], sign * (places @ held[:-1] + held[-1])
            slope = -each * sign / (1 + np.exp(np.clip(margin, -50, 50)))
            cost = float((each * np.logaddexp(0, -margin)).sum() + 0.5 * weights @ weights)
            return cost, np.append(places.T @ slope + weights, slope.sum())

        start = np.zeros(places.shape[1] + 1)
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
        return cls(mean, deviation, turn[kept].T @ found[:-1], float(found[-1]))

    def scores(self, rows: Floats) -> Floats:
        """Rows [n, D] → the logits of their being positive [n]."""
        found: Floats = (rows - self.mean) / self.deviation @ self.weights + self.bias
        return found


def across_folds(
    rows: Floats,
    positive: NDArray[np.bool_],
    taught: NDArray[np.bool_],
    folds: NDArray[np.int64],
    trust: float = 0.01,
) -> Floats:
    """Each row's score [n] by a detector that was learnt from the other folds' `taught` rows alone.

    Raises:
        ValueError: the other folds of one have no rows of one kind.
    """
    scores = np.zeros(len(rows))
    for fold in np.unique(folds):
        own, others = folds == fold, (folds != fold) & taught
        scores[own] = Detector.learnt(rows[others], positive[others], trust).scores(rows[own])
    return scores
