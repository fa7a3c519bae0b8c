"""How far raters agree: Krippendorff's alpha and the intraclass correlation, in closed form."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Metric = Literal["nominal", "interval"]


def krippendorff_alpha(ratings: Values, metric: Metric = "interval") -> float:
    """Krippendorff's alpha of `ratings` [raters, units], NaN where a rater said nothing of a unit.

    1 is perfect agreement, 0 what chance gives, below it less than that. Not a number where no unit has two
    ratings, or all ratings are one and the same. (K. Krippendorff, "Computing Krippendorff's
    Alpha-Reliability", 2011: alpha = 1 − D_observed / D_expected over the values that can be paired.)
    """
    units = [unit[~np.isnan(unit)] for unit in ratings.T]
    units = [unit for unit in units if len(unit) > 1]
    if not units:
        return np.nan
    paired = np.concatenate(units)
    within = sum(_differences(unit, metric) / (len(unit) - 1) for unit in units)
    among = _differences(paired, metric) / (len(paired) - 1)
    return float(1 - within / among) if among > 0 else np.nan


def icc_of_means(ratings: Values) -> float:
    """ICC(2, k) of complete `ratings` [raters, units]: how reliable the mean over these raters is.

    Raters count as drawn from many. Not a number for fewer than two raters or units, where a rating is
    missing, or where all are one and the same. (P. E. Shrout and J. L. Fleiss, "Intraclass correlations",
    1979, case 2.)
    """
    raters, units = ratings.shape
    if min(raters, units) < 2 or np.isnan(ratings).any():
        return np.nan
    mean = ratings.mean()
    between_units = raters * np.square(ratings.mean(axis=0) - mean).sum() / (units - 1)
    between_raters = units * np.square(ratings.mean(axis=1) - mean).sum() / (raters - 1)
    rest = ratings - ratings.mean(axis=0) - ratings.mean(axis=1)[:, None] + mean
    residual = np.square(rest).sum() / ((raters - 1) * (units - 1))
    whole = between_units + (between_raters - residual) / units
    return float((between_units - residual) / whole) if whole > 0 else np.nan


def _differences(values: Values, metric: Metric) -> float:
    """The sum of the metric's differences over all ordered pairs of `values` [n]."""
    if metric == "nominal":
        _, counts = np.unique(values, return_counts=True)
        return float(len(values) ** 2 - np.square(counts).sum())
    return float(2 * len(values) * np.square(values - values.mean()).sum())
