"""Which captions a table is made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.core.errors import InvalidRequestError
from studio.evaluation.papers.subset import choose, keep_list, read_list
from tests.evaluation.papers.paper_fakes import examples

SET = examples(20).examples


def names(chosen) -> list[str]:  # type: ignore[no-untyped-def]
    return [each.name for each in chosen.examples]


def test_the_lowest_fifth_is_left_out_and_the_rest_drawn_by_the_seed() -> None:
    scores = {each.name: float(each.number) for each in SET}
    chosen = choose(SET, 100, 0, scores, 0.2)
    assert (names(chosen), chosen.dropped) == ([f"e{number}" for number in range(4, 20)], 4)
    some = choose(SET, 6, 1, scores, 0.2)
    assert len(some.examples) == 6
    assert set(names(some)) <= set(names(chosen))
    assert names(some) == names(choose(SET, 6, 1, scores, 0.2))
    assert names(some) != names(choose(SET, 6, 2, scores, 0.2))
    assert set(names(choose(SET, 3, 1, scores, 0.2))) < set(names(some)), "a larger draw holds the smaller"


def test_a_list_is_kept_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "captions.json"
    assert read_list(path, SET) is None
    chosen = choose(SET, 5)
    keep_list(path, chosen, {"seed": 0})
    assert read_list(path, SET) == chosen
    assert json.loads(path.read_text())["examples"][0]["caption"] == chosen.examples[0].caption
    with pytest.raises(InvalidRequestError, match="remove it"):
        read_list(path, SET[:1])
    path.write_text("[]")
    with pytest.raises(InvalidRequestError, match="remove it"):
        read_list(path, SET)
