"""Figures of pairs, as audioldm_eval has them, by their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import kl_div

from studio.evaluation.metrics.pairs import cosine, kl_sigmoid, kl_softmax, mean_figure


def test_kl_is_what_torch_makes_of_the_formula() -> None:
    generated, reference = np.random.default_rng(0).normal(0, 3, (2, 5, 11))
    p, q = torch.from_numpy(generated), torch.from_numpy(reference)
    soft = kl_div((p.softmax(1) + 1e-6).log(), q.softmax(1), reduction="none").sum(1)
    np.testing.assert_allclose(kl_softmax(generated, reference), soft.numpy(), rtol=1e-10)
    sigmoid = kl_div((p.sigmoid() + 1e-6).log(), q.sigmoid(), reduction="none").sum(1)
    np.testing.assert_allclose(kl_sigmoid(generated, reference), sigmoid.numpy(), rtol=1e-10)


def test_kl_of_what_is_the_same_is_nothing_and_the_way_round_counts() -> None:
    logits = np.array([[0.0, np.log(3.0)]])
    even = np.zeros((1, 2))
    assert kl_softmax(logits, logits) == pytest.approx(0.0, abs=1e-5)
    # the reference's shares weigh: 1/4 ln(1/4 ÷ 1/2) + 3/4 ln(3/4 ÷ 1/2)
    assert kl_softmax(even, logits) == pytest.approx(0.25 * np.log(0.5) + 0.75 * np.log(1.5), abs=1e-5)
    assert kl_softmax(logits, even) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3), abs=1e-5)


def test_a_class_that_the_generated_clip_never_has_is_bounded() -> None:
    assert np.isfinite(kl_softmax(np.array([[0.0, -1000.0]]), np.array([[-1000.0, 0.0]]))).all()


def test_cosines_are_of_directions() -> None:
    a = np.array([[1.0, 0.0], [2.0, 2.0], [0.0, 0.0]])
    b = np.array([[5.0, 0.0], [0.0, 7.0], [1.0, 0.0]])
    np.testing.assert_allclose(cosine(a, b), [1.0, np.sqrt(0.5), 0.0])
    np.testing.assert_allclose(cosine(3 * a, b), cosine(a, b))


def test_a_mean_has_its_interval() -> None:
    figure = mean_figure(np.random.default_rng(0).normal(1.0, 1.0, 100))
    assert figure.low < 1.0 < figure.high
    assert figure.n == 100
