"""Agreement against published examples and against the definitions, written out."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from studio.evaluation.listening.agreement import icc_of_means, krippendorff_alpha

_ = np.nan
# Four observers, twelve units, some missing: K. Krippendorff, 2011, part C.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
)
# Four judges, six targets: P. E. Shrout and J. L. Fleiss, "Intraclass correlations", table 2.
SHROUT = np.array([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]], float)


def test_alpha_of_the_published_example() -> None:
    assert krippendorff_alpha(PUBLISHED, "nominal") == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(PUBLISHED, "interval") == pytest.approx(0.849, abs=5e-4)


def test_icc_of_the_published_example() -> None:
    assert icc_of_means(SHROUT) == pytest.approx(0.62, abs=5e-3)


def by_definition(ratings: np.ndarray, metric: str) -> float:
    """Alpha by its coincidence matrix, pair by pair."""
    values = np.unique(ratings[~np.isnan(ratings)])
    coincidences = np.zeros((len(values), len(values)))
    for unit in ratings.T:
        said = unit[~np.isnan(unit)]
        for one, other in permutations(said, 2):
            coincidences[np.searchsorted(values, one), np.searchsorted(values, other)] += 1 / (len(said) - 1)
    totals = coincidences.sum(axis=1)
    apart = values[:, None] - values
    distance = (apart != 0).astype(float) if metric == "nominal" else apart**2
    expected = (np.outer(totals, totals) * distance).sum() / (totals.sum() - 1)
    return float(1 - (coincidences * distance).sum() / expected) if expected > 0 else np.nan


TABLES = arrays(
    float,
    st.tuples(st.integers(2, 5), st.integers(1, 6)),
    elements=st.sampled_from([1.0, 2.0, 4.0, 5.0, np.nan]),
)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("metric", ["nominal", "interval"])
@given(ratings=TABLES)
def test_alpha_is_its_definition(metric: str, ratings: np.ndarray) -> None:
    alpha = krippendorff_alpha(ratings, metric)  # type: ignore[arg-type]
    paired = ratings[:, (~np.isnan(ratings)).sum(axis=0) > 1]
    wanted = by_definition(paired, metric) if paired.size else np.nan
    assert alpha == pytest.approx(wanted, abs=1e-9, nan_ok=True)
    assert krippendorff_alpha(ratings[::-1], metric) == pytest.approx(alpha, nan_ok=True)  # type: ignore[arg-type]
    assert krippendorff_alpha(ratings[:, ::-1] * 3 - 7, metric) == pytest.approx(alpha, nan_ok=True)  # type: ignore[arg-type]


def test_perfect_and_random_agreement() -> None:
    rng = np.random.default_rng(0)
    same = np.tile(rng.integers(1, 6, 40).astype(float), (6, 1))
    assert krippendorff_alpha(same) == icc_of_means(same) == pytest.approx(1)
    noise = rng.integers(1, 6, (20, 300)).astype(float)
    assert abs(krippendorff_alpha(noise)) < 0.02
    assert abs(icc_of_means(noise)) < 0.3


def test_where_there_is_nothing_to_agree_on_it_is_no_number() -> None:
    assert np.isnan(krippendorff_alpha(np.full((3, 4), 2.0)))
    assert np.isnan(krippendorff_alpha(np.array([[1.0, np.nan], [np.nan, 2.0]])))
    assert np.isnan(icc_of_means(np.full((3, 4), 2.0)))
    assert np.isnan(icc_of_means(SHROUT[:1]))
    assert np.isnan(icc_of_means(PUBLISHED))
