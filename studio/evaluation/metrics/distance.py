"""Figures over sets of numbers: shares with their uncertainty, and distances between sets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def frechet_distance(a: Floats, b: Floats) -> float:
    """Fréchet distance of two sets of embeddings [n, d] taken as Gaussians (Heusel et al. 2017; FAD, FD).

    ‖μₐ − μ_b‖² + tr(Σₐ + Σ_b − 2 (Σₐ Σ_b)^½). With A and B the centred rows over √(n − 1), the trace of the
    root is the sum of the singular values of A Bᵀ: no covariance is formed, so none need be regular.

    Raises:
        ValueError: fewer than two rows, or widths that differ.
    """
    return gaussian_distance(Gaussian.of(a), Gaussian.of(b))


class Gaussian(NamedTuple):
    """A set's mean [d], and R [≤ d, d] with RᵀR its covariance."""

    mean: Floats
    root: Floats

    @classmethod
    def of(cls, rows: Floats) -> Gaussian:
        """The Gaussian of rows [n, d]. Raises `ValueError` for fewer than two."""
        if len(rows) < 2:
            raise ValueError("a Fréchet distance needs sets of two rows or more")
        rows = rows.astype(np.float64)
        mean = rows.mean(0)
        centred = (rows - mean) / np.sqrt(len(rows) - 1)
        if len(rows) <= rows.shape[1]:
            return cls(mean, centred)
        values, vectors = np.linalg.eigh(centred.T @ centred)
        return cls(mean, np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)


def gaussian_distance(a: Gaussian, b: Gaussian) -> float:
    """The Fréchet distance of two Gaussians. Raises `ValueError` for widths that differ."""
    if len(a.mean) != len(b.mean):
        raise ValueError("a Fréchet distance needs two sets of one width")
    cross = np.linalg.svd(a.root @ b.root.T, compute_uv=False).sum()
    distance = np.sum((a.mean - b.mean) ** 2) + np.sum(a.root**2) + np.sum(b.root**2) - 2 * cross
    return max(float(distance), 0.0)


def frechet_infinity(a: Floats, b: Floats, steps: int = 15, seed: int = 0) -> float:
    """The Fréchet distance of a to b [n, d] that endless rows of a would have (Gui et al. 2024, FAD∞).

    A finite set's distance is too large by about a constant over its count (Chong and Forsyth 2020): the
    distances of parts of a, of half of its rows and more, are laid on a line over 1 / n, which is read at 0.
    The set b stays whole. With fewer rows than some times the width the line is not yet straight, and reads
    too low.

    Raises:
        ValueError: as `frechet_distance`.
    """
    rng, whole = np.random.default_rng(seed), Gaussian.of(b)
    counts = np.unique(np.linspace(max(2, len(a) // 2), len(a), steps).astype(int))
    distances = [gaussian_distance(Gaussian.of(a[rng.permutation(len(a))[:n]]), whole) for n in counts]
    if len(counts) < 2:
        return distances[-1]
    return float(np.polyfit(1 / counts, distances, 1)[1])


def bootstrap_interval(groups: Floats, rounds: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of one value a group (a take), drawing groups with replacement."""
    rng = np.random.default_rng(seed)
    draws = groups[rng.integers(0, len(groups), (rounds, len(groups)))].mean(1)
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(low), float(high)


def kl_divergence(p: Floats, q: Floats) -> float:
    """Mean KL(p ‖ q) over rows of class probabilities [n, classes] that each sum to 1."""
    eps = 1e-8
    return float(np.mean(np.sum(p * (np.log(p + eps) - np.log(q + eps)), axis=1)))
