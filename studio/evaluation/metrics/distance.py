"""Figures over sets of numbers: shares with their uncertainty, and distances between sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def frechet_distance(a: Floats, b: Floats) -> float:
    """Fréchet distance of two sets of embeddings [n, d] taken as Gaussians (Heusel et al. 2017; FAD, FD).

    ‖μₐ − μ_b‖² + tr(Σₐ + Σ_b − 2 (Σₐ Σ_b)^½).

    Raises:
        ValueError: fewer than two rows, or widths that differ.
    """
    if len(a) < 2 or len(b) < 2 or a.shape[1] != b.shape[1]:
        raise ValueError("a Fréchet distance needs two sets of two rows or more and one width")
    mean_a, mean_b = a.mean(0, dtype=np.float64), b.mean(0, dtype=np.float64)
    cov_a = np.cov(a.astype(np.float64), rowvar=False)
    cov_b = np.cov(b.astype(np.float64), rowvar=False)
    # The trace of (Σₐ Σ_b)^½, from a symmetric matrix with the same eigenvalues: stable where Σ is singular.
    values, vectors = np.linalg.eigh(cov_a)
    root_a = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root_a @ cov_b @ root_a), 0.0)).sum()
    distance = float(np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)
    return max(distance, 0.0)


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
