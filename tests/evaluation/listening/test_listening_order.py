"""Orders are balanced over raters, whatever the sizes, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.evaluation.listening.order import (
    comparisons,
    ratings,
    repeats_in,
    schedule,
    williams_row,
)

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 6))
SEEDS = st.integers(0, 2**31)


def even(counts: Iterable[int], possible: int) -> bool:
    """Whether counts over `possible` things, those that never came among them, differ by one at most."""
    found = list(counts)
    return max(found) - (min(found) if len(found) == possible else 0) <= 1


@pytest.mark.parametrize("size", range(1, 12))
def test_a_williams_square_is_latin_and_every_number_follows_every_other_equally_often(size: int) -> None:
    rows = [williams_row(size, row) for row in range(size if size % 2 == 0 else 2 * size)]
    for block in (rows[:size], rows[-size:]):
        for column in zip(*block, strict=True):
            assert sorted(column) == list(range(size))
    followed = Counter(pair for row in rows for pair in pairwise(row))
    assert len(followed) == size * (size - 1)
    assert len(set(followed.values())) <= 1


@given(SIZES, st.integers(0, 40), SEEDS)
def test_a_rater_hears_everything_once_in_passes(sizes: tuple[int, int], rater: int, seed: int) -> None:
    items, versions = sizes
    order = schedule(items, versions, rater, seed)
    assert len(set(order)) == len(order) == items * versions
    for turn in range(versions):
        heard = order[turn * items : (turn + 1) * items]
        assert {item for item, _ in heard} == set(range(items))
        assert even(Counter(version for _, version in heard).values(), versions) or items < versions
    if items > 1:
        assert all(one != other for (one, _), (other, _) in pairwise(order))


@given(SIZES, st.integers(1, 25), SEEDS)
@settings(max_examples=60)
def test_places_are_shared_evenly_by_any_number_of_raters(
    sizes: tuple[int, int], raters: int, seed: int
) -> None:
    items, versions = sizes
    orders = [schedule(items, versions, rater, seed) for rater in range(raters)]
    for place in range(items * versions):
        assert even(Counter(order[place][0] for order in orders).values(), items)
    turns = [{cell: at // items for at, cell in enumerate(order)} for order in orders]
    for item in range(items):
        for version in range(versions):
            assert even(Counter(turn[item, version] for turn in turns).values(), versions)


@given(st.integers(1, 6), st.integers(2, 6), SEEDS)
@settings(max_examples=40)
def test_over_a_square_of_raters_each_version_follows_each_other_equally_often(
    items: int, versions: int, seed: int
) -> None:
    raters = versions if versions % 2 == 0 else 2 * versions
    for item in range(items):
        followed: Counter[tuple[int, int]] = Counter()
        for rater in range(raters):
            heard = [version for one, version in schedule(items, versions, rater, seed) if one == item]
            followed.update(pairwise(heard))
        assert len(followed) == versions * (versions - 1)
        assert len(set(followed.values())) == 1


@given(SIZES, st.integers(0, 30), SEEDS, st.integers(0, 8))
def test_repeats_are_of_the_first_half_and_come_in_the_second(
    sizes: tuple[int, int], rater: int, seed: int, wanted: int
) -> None:
    items, versions = sizes
    order = ratings(items, versions, rater, seed, wanted)
    cells = [(trial.item, trial.version) for trial in order]
    once = [cell for cell, trial in zip(cells, order, strict=True) if not trial.repeat]
    assert once == schedule(items, versions, rater, seed)
    again = [place for place, trial in enumerate(order) if trial.repeat]
    assert len(again) == repeats_in(items * versions, wanted) == min(wanted, items * versions // 2)
    for place in again:
        first = cells.index(cells[place])
        assert first < len(once) // 2 < place
        assert place - first > 1


def test_no_other_version_stands_beside_a_repeat() -> None:
    for rater in range(20):
        for one, other in pairwise(ratings(12, 3, rater, 5, 5)):
            assert one.item != other.item


def test_the_seed_and_the_rater_alone_make_the_order() -> None:
    assert ratings(6, 3, 2, 7, 4) == ratings(6, 3, 2, 7, 4)
    assert ratings(6, 3, 2, 7, 4) != ratings(6, 3, 2, 8, 4)
    assert ratings(6, 3, 2, 7, 4) != ratings(6, 3, 3, 7, 4)
    pairs = [(0, 1)]
    assert comparisons(6, pairs, 2, 7, 4, list(range(6))) == comparisons(6, pairs, 2, 7, 4, list(range(6)))


@given(st.integers(1, 7), st.integers(2, 4), SEEDS, st.integers(0, 6))
@settings(max_examples=50)
def test_comparisons_come_in_all_four_arrangements(items: int, systems: int, seed: int, wanted: int) -> None:
    pairs = list(combinations(range(systems), 2))
    found: Counter[tuple[int, tuple[int, int], bool]] = Counter()
    for rater in range(4):
        order = comparisons(items, pairs, rater, seed, wanted, list(range(items)))
        real = [trial for trial in order if not trial.catch]
        catches = [trial for trial in order if trial.catch]
        assert len(real) == items * len(pairs)
        assert len(catches) == (min(wanted, len(real)) if items > 1 else 0)
        assert all(trial.a[0] != trial.b[0] for trial in catches)
        assert all(trial.a[0] == trial.b[0] and trial.a[1] != trial.b[1] for trial in real)
        arranged = Counter((trial.a[1] > trial.b[1], trial.x_is_b) for trial in real)
        assert even(arranged.values(), 4)
        found.update((trial.a[0], (trial.a[1], trial.b[1]), trial.x_is_b) for trial in real)
    assert len(found) == items * len(pairs) * 4
    assert set(found.values()) == {1}


def test_a_catch_is_never_of_two_items_of_one_text() -> None:
    alike = [0, 0, 2, 0]
    for rater in range(10):
        for trial in comparisons(4, [(0, 1)], rater, 3, 3, alike):
            assert not trial.catch or alike[trial.a[0]] != alike[trial.b[0]]
    assert not any(trial.catch for trial in comparisons(3, [(0, 1)], 0, 3, 3, [0, 0, 0]))
