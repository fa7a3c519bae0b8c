"""Two sets of embeddings, clip by clip: how far apart they are, with intervals over clips.

A clip may have several windows. The windows are the rows of the metrics, as their authors have it; what is
drawn anew for the interval are the clips, since windows of one clip are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.metrics.distance import Floats, frechet_distance, frechet_infinity
from studio.evaluation.metrics.summary import Figure, bootstrap, spread

KAD_SCALE = 100.0  # kernel distances are small numbers; kadtk prints a hundredfold
NEIGHBOURS = 3  # k of recall and precision (Kynkäänniemi et al. 2019)
_MAX_PAIRS = 4_000_000  # distances of which the median is taken


@dataclass(frozen=True)
class Clips:
    """Windows of clips: rows [n, d], and the clip [n] that each is of, counted from 0."""

    rows: NDArray[np.float64]
    owner: NDArray[np.int64]

    @classmethod
    def of(cls, clips: Sequence[Floats]) -> Clips:
        """One array [windows, d] a clip. Raises `ValueError` where there is none."""
        owner = np.repeat(np.arange(len(clips)), [len(clip) for clip in clips])
        return cls(np.concatenate([np.asarray(clip, np.float64) for clip in clips]), owner)

    def __len__(self) -> int:
        """How many clips."""
        return int(self.owner[-1]) + 1

    def draw(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """The rows of some clips, one after the other, again for a clip that is chosen again."""
        return np.concatenate([self.rows[self.owner == clip] for clip in chosen])

    def weights(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """How often each row is there when these clips are chosen [n]."""
        return np.bincount(chosen, minlength=len(self)).astype(np.float64)[self.owner]

    def halves(self, seed: int = 0) -> tuple[Clips, Clips]:
        """Two halves of the clips, drawn by chance, for a floor. Raises `ValueError` for fewer than four."""
        if len(self) < 4:
            raise ValueError("halves of two clips or more need four")
        order = np.random.default_rng(seed).permutation(len(self))
        first, second = order[: len(self) // 2], order[len(self) // 2 :]
        return self._only(np.sort(first)), self._only(np.sort(second))

    def _only(self, chosen: NDArray[np.int64]) -> Clips:
        return Clips.of([self.rows[self.owner == clip] for clip in chosen])


def frechet(a: Clips, b: Clips, rounds: int = 200) -> Figure:
    """Fréchet distance of the windows of a and of b. Raises `ValueError` as `frechet_distance`."""
    return _drawn(frechet_distance, a, b, rounds)


def frechet_inf(a: Clips, b: Clips, rounds: int = 40) -> Figure:
    """FAD∞: `frechet_infinity`, which may fall below 0 by chance. Raises as `frechet_distance`."""
    return _drawn(frechet_infinity, a, b, rounds)


def _drawn(distance: Callable[[Floats, Floats], float], a: Clips, b: Clips, rounds: int) -> Figure:
    def of(chosen_a: NDArray[np.int64], chosen_b: NDArray[np.int64]) -> float:
        return distance(a.draw(chosen_a), b.draw(chosen_b))

    floor = 0.0 if distance is frechet_distance else -np.inf
    return bootstrap(of, np.arange(len(a)), np.arange(len(b)), rounds=rounds, within=(floor, np.inf))


def median_distance(rows: Floats, seed: int = 0) -> float:
    """The median Euclidean distance of two different rows [n, d], of a part of them where they are many."""
    most = int(np.sqrt(2 * _MAX_PAIRS))
    if len(rows) > most:
        rows = rows[np.random.default_rng(seed).permutation(len(rows))[:most]]
    return float(np.median(np.sqrt(_squared(rows, rows)[np.triu_indices(len(rows), 1)])))


def kernel_distance(a: Clips, b: Clips, rounds: int = 1000, seed: int = 0) -> Figure:
    """KAD of a to the reference b (Chung et al. 2025), a hundredfold, as kadtk prints it.

    The unbiased estimate of MMD² by the kernel exp(−‖x − y‖² / 2σ²), σ the median distance of b's rows. It
    may fall below 0 by chance, as whatever is unbiased about 0 must.

    Raises:
        ValueError: fewer than two rows on either side, or rows of b that are all alike.
    """
    if len(a.rows) < 2 or len(b.rows) < 2:
        raise ValueError("a kernel distance needs two rows or more on either side")
    bandwidth = median_distance(b.rows)
    if bandwidth <= 0:
        raise ValueError("the reference's rows are all alike")
    scale = 2 * bandwidth**2
    aa, bb, ab = (np.exp(-_squared(x.rows, y.rows) / scale) for x, y in ((a, a), (b, b), (a, b)))

    def of(wa: NDArray[np.float64], wb: NDArray[np.float64]) -> float:
        m, n = wa.sum(), wb.sum()
        within_a = (wa @ aa @ wa - wa.sum()) / (m * (m - 1))
        within_b = (wb @ bb @ wb - wb.sum()) / (n * (n - 1))
        return float(KAD_SCALE * (within_a + within_b - 2 * (wa @ ab @ wb) / (m * n)))

    rng = np.random.default_rng(seed)
    value = of(np.ones(len(a.rows)), np.ones(len(b.rows)))
    draws = [of(*(x.weights(rng.integers(0, len(x), len(x))) for x in (a, b))) for _ in range(rounds)]
    low, high = spread(np.array(draws))
    return Figure(value, value + low, value + high, len(a))


def recall_and_precision(a: Clips, b: Clips, k: int = NEIGHBOURS) -> tuple[Figure, Figure]:
    """How much of the reference b is covered by a, and how much of a lies in b (Kynkäänniemi et al. 2019).

    A row is covered by a set where it lies within a ball about one of the set's rows that reaches to that
    row's k-th nearest other. The intervals are over the clips that are judged; the balls stay as they are.

    Raises:
        ValueError: a set has no more than k rows.
    """
    if min(len(a.rows), len(b.rows)) <= k:
        raise ValueError(f"recall and precision need more than {k} rows on either side")
    across = _squared(a.rows, b.rows)
    in_b = np.any(across <= _radii(b.rows, k)[None], axis=1)
    in_a = np.any(across <= _radii(a.rows, k)[:, None], axis=0)
    return _share(in_a, b), _share(in_b, a)


def _radii(rows: Floats, k: int) -> NDArray[np.float64]:
    """The squared distance of each row's k-th nearest other."""
    squared = _squared(rows, rows)
    np.fill_diagonal(squared, np.inf)
    return np.partition(squared, k - 1, axis=1)[:, k - 1]


def _share(covered: NDArray[np.bool_], clips: Clips) -> Figure:
    """The share of rows, drawn clip by clip."""
    sums = np.bincount(clips.owner, weights=covered)
    pairs = np.stack([sums, np.bincount(clips.owner)], axis=1)
    return bootstrap(lambda rows: rows[:, 0].sum() / rows[:, 1].sum(), pairs, within=(0.0, 1.0))


def _squared(a: Floats, b: Floats) -> NDArray[np.float64]:
    """Squared distances [n, m] of rows, none below 0."""
    a, b = a - b.mean(0), b - b.mean(0)  # what is far from 0 would round
    products = a @ b.T
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * products, 0.0)
