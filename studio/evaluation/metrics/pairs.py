"""Clips side by side: what a classifier hears in each of a pair, and how near a sound is to its caption."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax, xlogy

from studio.evaluation.metrics.distance import Floats
from studio.evaluation.metrics.summary import Figure, bootstrap

_EPSILON = 1e-6  # added to the generated clip's shares, as audioldm_eval does


def kl_softmax(generated: Floats, reference: Floats) -> NDArray[np.float64]:
    """KL(reference ‖ generated) of each pair of logits [n, classes], by softmax → [n].

    As audioldm_eval has it (Liu et al. 2023), which follows AudioGen: Σ q (ln q − ln(p + 10⁻⁶)).
    """
    return _kl(softmax(_wide(generated), axis=1), softmax(_wide(reference), axis=1))


def kl_sigmoid(generated: Floats, reference: Floats) -> NDArray[np.float64]:
    """The same sum over each class's own share by sigmoid [n]: audioldm_eval's KL_σ, for clips of several.

    The shares of a clip do not add up to 1, so that it may fall below 0.
    """
    return _kl(expit(_wide(generated)), expit(_wide(reference)))


def cosine(a: Floats, b: Floats) -> NDArray[np.float64]:
    """The cosine of each pair of vectors [n, d] → [n]: CLAP's score, where a is of sounds and b of captions.

    A vector without length has none with any other: 0.
    """
    a, b = _wide(a), _wide(b)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a * b).sum(1) / np.where(lengths > 0, lengths, 1.0)


def mean_figure(rows: Floats) -> Figure:
    """The mean of one number a clip [n], with its interval. Raises `ValueError` for none."""
    return bootstrap(lambda drawn: float(drawn.mean()), rows)


def _kl(p: Floats, q: Floats) -> NDArray[np.float64]:
    return (xlogy(q, q) - q * np.log(p + _EPSILON)).sum(axis=1)


def _wide(rows: Floats) -> Floats:
    return np.asarray(rows, np.float64)
