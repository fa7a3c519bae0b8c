"""How far loops lie apart, and which are kept."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.core.kit import parse_kit
from studio.service.kit.apart import Variations, distance, distances, heard, least

RATE = 16000


def ring(seed: int, seconds: float = 3.0) -> NDArray[np.float32]:
    """Noise whose level rises and falls in its own way, without ends."""
    draws = np.random.default_rng(seed)
    frames = round(seconds * 25)
    level = np.repeat(10 ** draws.uniform(-2, -0.5, frames), round(seconds * RATE) // frames)
    return (0.3 * level * draws.standard_normal(len(level))).astype(np.float32)


def test_the_same_loop_turned_or_louder_is_at_no_distance() -> None:
    first = heard(ring(1), RATE)
    assert distance(first, heard(np.roll(ring(1), 17 * 160), RATE)) == pytest.approx(0, abs=1e-6)
    assert distance(first, heard(ring(1) / 2, RATE)) == pytest.approx(0, abs=1e-3)
    assert distance(first, heard(np.stack([ring(1), ring(1)], axis=1), RATE)) == pytest.approx(0, abs=1e-6)


def test_two_loops_of_their_own_are_far_apart_and_a_mixture_lies_between() -> None:
    one, other = ring(1), ring(2)
    far = distance(heard(one, RATE), heard(other, RATE))
    near = distance(heard(one, RATE), heard((one + other / 4).astype(np.float32), RATE))
    assert far > 0.6
    assert 0 < near < far / 2


def test_at_another_rate_it_is_heard_alike() -> None:
    from studio.pipeline.ring import stretched

    up = stretched(ring(1), 3 * len(ring(1)))
    assert distance(heard(ring(1), RATE), heard(up, 3 * RATE)) < 0.02


def test_where_nothing_happens_nothing_is_apart() -> None:
    still = heard(np.zeros(RATE, np.float32), RATE)
    assert distance(still, still) == 0


def test_what_is_too_near_is_kept_only_where_nothing_better_comes() -> None:
    plan = parse_kit(variations=2, distance=0.5, tries=2)
    bed, copy, own = heard(ring(1), RATE), heard(np.roll(ring(1), 800), RATE), heard(ring(2), RATE)
    known = Variations(plan, bed)
    for one in (copy, own):
        assert known.wanting
        known.offer(one)
    assert known.wanting  # one is kept so far
    known.offer(heard(ring(3), RATE))
    assert not known.wanting
    assert [one.index for one in known.chosen()] == [1, 2]

    poor = Variations(plan, bed)
    while poor.wanting:
        poor.offer(copy)
    assert poor.made == plan.variations + plan.tries
    assert len(poor.chosen()) == plan.variations


def test_the_table_of_distances() -> None:
    table = distances([heard(ring(seed), RATE) for seed in (1, 1, 2)])
    assert table[0][1] == 0
    assert least(table) == 0
    assert least([[0.0]]) is None
