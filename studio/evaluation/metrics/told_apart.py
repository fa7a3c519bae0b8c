"""Can two kinds of sound be told apart? A logistic regression tries, on what it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch.nn import functional as F

from studio.evaluation.metrics.summary import Figure, bootstrap

FOLDS = 5
PENALTY = 1e-2  # on the squared weights, over standardised features
_ROUNDS = 60


def area_under_curve(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """How often a positive one [n] scores above another, ties as halves: 0.5 by chance."""
    ranks = rankdata(scores)
    many, few = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * few))


def fold_of(groups: Sequence[str], folds: int = FOLDS, seed: int = 0) -> NDArray[np.intp]:
    """Each row's fold [n], rows of one group in the same, groups spread as evenly as they go."""
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    folded = {names[name]: place % folds for place, name in enumerate(order)}
    return np.array([folded[group] for group in groups])


def held_out_scores(
    vectors: NDArray[np.floating],
    positive: NDArray[np.bool_],
    folds: NDArray[np.intp],
    taught: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Logits [n] of vectors [n, D], each by a regression that saw none of its fold.

    It learns from those alone that are `taught` [n], all where none are named; the others are asked about.
    """
    scores = np.zeros(len(vectors))
    for fold in np.unique(folds):
        held = folds == fold
        seen = ~held if taught is None else ~held & taught
        scores[held] = _fit(vectors[seen], positive[seen])(vectors[held])
    return scores


def told_apart(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    groups: tuple[Sequence[str], Sequence[str]],
    folds: int = FOLDS,
) -> Figure:
    """The area under the curve by which `second` [m, D] is told from `first` [n, D], with its interval.

    Args:
        first: vectors of one kind.
        second: of the other.
        groups: of the rows of both, such as their prompts: a group is never learned from and asked about.
        folds: how often a share of the groups is held out.

    Raises:
        ValueError: fewer than two groups.
    """
    names = [*groups[0], *groups[1]]
    if len(set(names)) < 2:
        raise ValueError("telling apart what was not seen needs two groups")
    vectors = np.concatenate([first, second]).astype(np.float64)
    positive = np.arange(len(vectors)) >= len(first)
    scores = held_out_scores(vectors, positive, fold_of(names, min(folds, len(set(names)))))
    rows = np.stack([scores, positive.astype(float)], axis=1)
    return bootstrap(_area, rows, within=(0.0, 1.0))


def _area(rows: NDArray[np.floating]) -> float:
    """Of scores and truths [n, 2]; chance where a draw holds one kind only."""
    positive = rows[:, 1] > 0
    return area_under_curve(rows[:, 0], positive) if 0 < positive.sum() < len(rows) else 0.5


def _fit(
    vectors: NDArray[np.floating], positive: NDArray[np.bool_]
) -> Callable[[NDArray[np.floating]], NDArray[np.float64]]:
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    seen = torch.from_numpy((vectors - mean) / scale)
    wanted = torch.from_numpy(positive.astype(np.float64))
    weight = torch.zeros(vectors.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(seen @ weight[:-1] + weight[-1], wanted)
        loss = loss + PENALTY * weight[:-1].square().sum()
        loss.backward()
        return loss

    with torch.inference_mode(False), torch.enable_grad():
        optimizer.step(closure)
    solved = weight.detach().numpy()
    return lambda asked: (asked - mean) / scale @ solved[:-1] + solved[-1]
