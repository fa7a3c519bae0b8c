"""Distances between sets: closed forms, another way to compute them, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from studio.evaluation.metrics.distance import frechet_distance, frechet_infinity
from studio.evaluation.metrics.sets import (
    KAD_SCALE,
    Clips,
    frechet,
    frechet_inf,
    kernel_distance,
    median_distance,
    recall_and_precision,
)


def rows(n: int, d: int = 4, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)) + shift


def clips(array: np.ndarray, windows: int = 1) -> Clips:
    return Clips.of(np.split(array, len(array) // windows))


@pytest.mark.parametrize(("n", "d"), [(50, 5), (8, 20)])
def test_frechet_distance_by_its_formula(n: int, d: int) -> None:
    a, b = rows(n, d, 0.3, 1), rows(n + 3, d, 0.0, 2) * 1.5
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    eps = 1e-12 * np.eye(d)
    root = np.real(sqrtm((cov_a + eps) @ (cov_b + eps)))
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-4)


def test_the_extrapolation_is_nearer_to_the_truth_than_the_distance() -> None:
    """Of Gaussians whose distance is known: 16 · 0.25² + 16 · 0.1²."""
    b, truth = rows(20_000, 16, seed=9), 16 * (0.25**2 + 0.1**2)
    errors = []
    for seed in range(6):
        a = rows(160, 16, seed=seed) * 1.1 + 0.25
        errors.append([frechet_distance(a, b) - truth, frechet_infinity(a, b) - truth])
    plain, extrapolated = np.mean(errors, axis=0)
    assert plain > 0.5
    assert abs(extrapolated) < plain / 3


def test_figures_of_sets_lie_in_their_intervals_and_count_clips() -> None:
    a, b = clips(rows(120, shift=1.0), 3), clips(rows(120, seed=1), 3)
    for figure in (frechet(a, b, 30), frechet_inf(a, b, 10), kernel_distance(a, b, 50)):
        assert figure.low < figure.value < figure.high
        assert figure.n == 40
    assert frechet(a, b, 1).value == frechet_distance(a.rows, b.rows)


def test_windows_of_a_clip_are_drawn_together() -> None:
    """Ten windows that are all alike say no more than one, and the interval knows it."""
    one, other = rows(40, 2), rows(40, 2, seed=1)
    plain = kernel_distance(clips(one), clips(other), 200)
    repeated = kernel_distance(clips(one.repeat(10, axis=0), 10), clips(other.repeat(10, axis=0), 10), 200)
    assert repeated.high - repeated.low > 0.8 * (plain.high - plain.low)


def test_kernel_distance_by_its_formula() -> None:
    a, b = rows(7, shift=0.5), rows(9, seed=1)
    sigma = np.median([np.linalg.norm(x - y) for i, x in enumerate(b) for y in b[:i]])
    assert median_distance(b) == pytest.approx(sigma)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.exp(-((x - y) ** 2).sum() / (2 * sigma**2)))

    within_a = sum(kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j) / (7 * 6)
    within_b = sum(kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j) / (9 * 8)
    across = sum(kernel(x, y) for x in a for y in b) / 63
    wanted = KAD_SCALE * (within_a + within_b - 2 * across)
    assert kernel_distance(clips(a), clips(b), 2).value == pytest.approx(wanted)


def test_kernel_distance_is_unbiased_about_nothing() -> None:
    values = [
        kernel_distance(clips(rows(20, seed=i)), clips(rows(20, seed=100 + i)), 1).value for i in range(60)
    ]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60)


def test_order_and_place_change_nothing() -> None:
    a, b = rows(30, shift=0.4), rows(40, seed=1)
    mixed = np.random.default_rng(3).permutation(a)
    turn = np.linalg.qr(rows(4, seed=5))[0]
    for x, y in ((mixed, b), (a @ turn + 1000, b @ turn + 1000)):
        assert frechet_distance(x, y) == pytest.approx(frechet_distance(a, b))
        assert kernel_distance(clips(x), clips(y), 1).value == pytest.approx(
            kernel_distance(clips(a), clips(b), 1).value
        )
        was, now = recall_and_precision(clips(a), clips(b)), recall_and_precision(clips(x), clips(y))
        assert [figure.value for figure in now] == [figure.value for figure in was]


def test_recall_and_precision_of_sets_that_are_known() -> None:
    b = np.concatenate([rows(50, 2), rows(50, 2, 100.0)])  # two places
    one_place, wide = rows(80, 2, seed=1) * 0.5, np.concatenate([b, rows(100, 2, -500.0)])
    recall, precision = recall_and_precision(clips(one_place), clips(b))
    assert precision.value > 0.9
    assert 0.3 < recall.value <= 0.5  # one of two places is covered
    recall, precision = recall_and_precision(clips(wide), clips(b))
    assert (recall.value, precision.value) == (1.0, 0.5)
    assert precision.low < 0.5 < precision.high
    assert recall.high == 1.0


def test_recall_by_counting() -> None:
    a, b = rows(12, shift=0.8), rows(15, seed=1)
    recall, precision = recall_and_precision(clips(a), clips(b), k=2)

    def covered(points: np.ndarray, by: np.ndarray) -> float:
        reach = [sorted(np.linalg.norm(by - y, axis=1))[2] for y in by]  # itself is the first
        inside = [any(np.linalg.norm(x - y) <= r for y, r in zip(by, reach, strict=True)) for x in points]
        return float(np.mean(inside))

    assert recall.value == pytest.approx(covered(b, a))
    assert precision.value == pytest.approx(covered(a, b))


def test_halves_are_of_whole_clips() -> None:
    whole = clips(np.arange(20.0)[:, None], 2)
    first, second = whole.halves()
    assert len(first) == len(second) == 5
    assert sorted([*first.rows.ravel(), *second.rows.ravel()]) == list(range(20))
    assert all(low % 2 == 0 and high == low + 1 for low, high in first.rows.reshape(5, 2))
    with pytest.raises(ValueError, match="need four"):
        clips(rows(3)).halves()


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="two rows"):
        frechet(clips(rows(1)), clips(rows(5)))
    with pytest.raises(ValueError, match="two rows"):
        kernel_distance(clips(rows(1)), clips(rows(5)))
    with pytest.raises(ValueError, match="all alike"):
        kernel_distance(clips(rows(4)), clips(np.ones((5, 4))))
    with pytest.raises(ValueError, match="more than 3 rows"):
        recall_and_precision(clips(rows(3)), clips(rows(9)))
