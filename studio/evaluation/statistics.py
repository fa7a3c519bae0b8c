"""Figures over sets of numbers: shares with their uncertainty, and distances between sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

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
    root = linalg.sqrtm(cov_a @ cov_b)
    # Rounding leaves a small imaginary part where the product is nearly singular.
    trace = float(np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(np.real(root)))
    return float(np.sum((mean_a - mean_b) ** 2)) + max(trace, 0.0)


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
