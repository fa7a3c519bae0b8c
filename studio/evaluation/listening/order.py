"""Who hears what when: balanced Latin squares over raters, one square for the items, one for their versions.

A test of `n` items in `s` versions (systems, or pairs of them) has `s` passes; in each pass every item is
heard once. Over the raters, numbered from 0:

- each item stands equally often at each place of a pass,
- each version of an item is heard equally often in each pass, and, over `s` raters (2s where s is odd), comes
  equally often straight after each other version of the item;

"equally" up to one, however many raters there are, and within a pass all versions are heard equally often,
up to one. (E. J. Williams, "Experimental designs balanced for the estimation of residual effects of
treatments", 1949.)
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

_ATTEMPTS = 50
_ARRANGEMENTS = (
    (0, 0),
    (1, 1),
    (0, 1),
    (1, 0),
)  # of ABX: whether A and B change places, and which of them is X


@dataclass(frozen=True)
class Trial:
    """One sound to rate: its item, its version, and whether it was heard and rated before."""

    item: int
    version: int
    repeat: bool = False


@dataclass(frozen=True)
class AbxTrial:
    """Three sounds, each an item and a version; `x_is_b` tells which of the two X is.

    A `catch` compares two different items: who listens can't miss it.
    """

    a: tuple[int, int]
    b: tuple[int, int]
    x_is_b: bool
    catch: bool = False

    @property
    def x(self) -> tuple[int, int]:
        """The item and version that X is."""
        return self.b if self.x_is_b else self.a


def williams_row(size: int, row: int) -> list[int]:
    """A row of the balanced square [size, size], of odd size followed by the same square read backwards.

    Every `size` rows, each number stands in each column once; over all rows (`size` if even, else twice that)
    each follows each other one equally often.
    """
    first = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(size)]
    shifted = [(value + row) % size for value in first]
    return shifted[::-1] if size % 2 and row // size % 2 else shifted


def schedule(items: int, versions: int, rater: int, seed: int) -> list[tuple[int, int]]:
    """(item, version) in the order in which a rater hears them, `versions` passes of `items`."""
    labels = random.Random(f"labels {seed}")
    item_of, version_of, offset_of = (_shuffled(labels, size) for size in (items, versions, items))
    step = 1 if items > 3 else 0  # from pass to pass; with so few items a step would let one follow itself
    order = []
    for turn in range(versions):
        row = rater // items * items + (rater + turn * step) % items
        for place in williams_row(items, row):
            version = williams_row(
                versions, rater // versions * versions + (rater + offset_of[place]) % versions
            )[turn]
            order.append((item_of[place], version_of[version]))
    return order


def repeats_in(count: int, wanted: int) -> int:
    """How many of `count` sounds can be heard again: those of the first half at most, in the second."""
    return min(wanted, count // 2)


def ratings(items: int, versions: int, rater: int, seed: int, repeats: int) -> list[Trial]:
    """What a rater rates: everything once, and `repeats` sounds of the first half again in the second.

    Which ones is drawn for each rater, so that beside a repeated sound stands no other version of its item,
    where there is such a draw.
    """
    once = [Trial(*cell) for cell in schedule(items, versions, rater, seed)]
    count = repeats_in(len(once), repeats)
    draw = random.Random(f"repeats {seed} {rater}")
    order = once
    for _ in range(_ATTEMPTS):
        again = sorted(draw.sample(range(len(once) // 2), count))
        order = _with_repeats(once, again)
        if not any(one.item == other.item and (one.repeat or other.repeat) for one, other in pairwise(order)):
            break
    return order


def comparisons(
    items: int, pairs: list[tuple[int, int]], rater: int, seed: int, catches: int, alike: list[int]
) -> list[AbxTrial]:
    """What a rater compares: each item in each pair of versions once, and `catches` spread among them.

    Over four raters each comparison is made in its four arrangements (which sound is A, which of them X);
    a rater meets each arrangement equally often, up to one.

    Args:
        alike: per item, a number that items of the same text share; a catch is of two that don't.
    """
    cells = [(item, pair) for item in range(items) for pair in range(len(pairs))]
    place_of = dict(zip(cells, _shuffled(random.Random(f"arrangements {seed}"), len(cells)), strict=True))
    trials = []
    for item, pair in schedule(items, len(pairs), rater, seed):
        swapped, x_is_b = _ARRANGEMENTS[(place_of[item, pair] + rater) % len(_ARRANGEMENTS)]
        a, b = pairs[pair][::-1] if swapped else pairs[pair]
        trials.append(AbxTrial((item, a), (item, b), bool(x_is_b)))
    unlike = [(one, other) for one in range(items) for other in range(items) if alike[one] != alike[other]]
    draw = random.Random(f"catches {seed} {rater}")
    count = min(catches, len(trials)) if unlike else 0
    for number in range(count, 0, -1):  # from the last on, so that earlier places stay where they are
        one, other = draw.choice(unlike)
        version = draw.choice(draw.choice(pairs))
        catch = AbxTrial((one, version), (other, version), draw.random() < 0.5, catch=True)
        trials.insert(draw.randint((number - 1) * len(trials) // count, number * len(trials) // count), catch)
    return trials


def _with_repeats(once: list[Trial], again: list[int]) -> list[Trial]:
    """The sounds at places `again`, of the first half, spread evenly over the second, in their order."""
    half, rest = len(once) // 2, len(once) - len(once) // 2
    order = list(once)
    for number in range(len(again), 0, -1):
        heard = once[again[number - 1]]
        place = half - (-number * rest // len(again))
        order.insert(place, Trial(heard.item, heard.version, repeat=True))
    return order


def _shuffled(draw: random.Random, size: int) -> list[int]:
    numbers = list(range(size))
    draw.shuffle(numbers)
    return numbers
