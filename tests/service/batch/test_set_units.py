"""Units are the rows' own doing: alike rows together, the same whatever is done of them and by how many."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.defaults import usual_defaults
from studio.core.errors import InvalidRequestError
from studio.core.request import GenerationRequest, parse_request
from studio.pipeline.alike import require_alike
from studio.service.batch.asked import Reading, no_files
from studio.service.batch.identity import canonical, own_seed, row_id
from studio.service.batch.manifest import parse_manifest
from studio.service.batch.rows import Row, row_of, variations
from studio.service.batch.units import shard_of, units_of

CLIP: dict[str, object] = {"mode": "sparse", "sampler": {"kind": "clip"}, "prompt": "rain", "seed": 1}


def request(**changes: object) -> GenerationRequest:
    return parse_request(**{**CLIP, **changes})


def rows_with(*requests: GenerationRequest) -> list[Row]:
    return [row_of(one, lambda choice: "") for one in requests]


KINDS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    (
        {"duration_s": 5.0}, {"duration_s": 6.0}, {"guidance_scale": 2.0}, {"model": {"id": "tone"}},
        {"sampler": {"kind": "clip", "steps": 9}}, {"sampler": {"kind": "endless"}, "mode": "infinite"},
        {"negative_prompt": "birds"}, {"attention": {"kind": "lite_focus"}},
    )
)  # fmt: skip
MANY = st.lists(st.tuples(KINDS, st.integers(0, 5)), min_size=1, max_size=40).map(
    lambda chosen: rows_with(*(request(**{"seed": seed, **kind}) for kind, seed in chosen))
)


@given(MANY, st.integers(1, 5))
def test_units_hold_each_row_once_and_none_that_can_not_stand_together(rows: list[Row], batch: int) -> None:
    units = units_of(rows, batch)
    held = [row.id for unit in units for row in unit.rows]
    assert sorted(held) == sorted({row.id for row in rows})
    assert len({unit.id for unit in units}) == len(units)
    for unit in units:
        assert 1 <= len(unit.rows) <= batch
        if len(unit.rows) > 1:
            require_alike([row.request for row in unit.rows])
    firsts = list(dict.fromkeys(row.id for row in rows))
    begins = [firsts.index(unit.rows[0].id) for unit in units]
    assert begins == sorted(begins)
    for unit in units:  # full but for the last of its kind
        later = [other for other in units[units.index(unit) + 1 :] if len(unit.rows) < batch]
        for other in later:
            with pytest.raises(InvalidRequestError):
                require_alike([unit.rows[0].request, other.rows[0].request])


@given(MANY, st.integers(1, 4), st.integers(1, 6))
def test_shards_are_all_units_once(rows: list[Row], batch: int, count: int) -> None:
    units = units_of(rows, batch)
    parts = [shard_of(units, index, count) for index in range(1, count + 1)]
    assert sorted(unit.id for part in parts for unit in part) == sorted(unit.id for unit in units)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(("index", "count"), [(0, 2), (3, 2), (1, 0)])
def test_a_shard_that_is_none_is_refused(index: int, count: int) -> None:
    with pytest.raises(InvalidRequestError, match="no shard"):
        shard_of([], index, count)


def test_a_batch_of_none_or_of_too_many_is_refused() -> None:
    for batch in (0, 65):
        with pytest.raises(InvalidRequestError, match="1 to 64"):
            units_of([], batch)


def test_units_of_a_manifest_are_the_same_whenever_it_is_read() -> None:
    reading = Reading(usual_defaults, lambda choice: "", lambda name: pytest.fail(name), no_files)
    text = "mode,prompt,seconds,count\nsparse,rain,5,5\nsparse,hail,5,2\nsparse,wind,6,1\n"
    units = units_of(parse_manifest(text, reading), 4)
    assert [len(unit.rows) for unit in units] == [4, 3, 1]
    assert units_of(parse_manifest(text, reading), 4) == units


def test_an_id_is_of_request_and_weights_and_names_no_resolved_device() -> None:
    plain = request()
    assert row_id(plain, "w") == row_id(request(duration_s=10), "w")
    others = [row_id(request(seed=2), "w"), row_id(plain, "v"), row_id(request(model={"device": "cpu"}), "w")]
    assert len({row_id(plain, "w"), *others}) == 4
    assert '"device":"auto"' in canonical(plain)
    # As it was when sets were first made: another would make every set anew. What comes to be in a request
    # later is to be left out of `canonical` where it says nothing.
    assert row_id(plain, "w") == "4a72597deb53e2f021f51bedf95b3e8f"


def test_variations_have_seeds_of_their_own_whatever_the_seed_before() -> None:
    seeds = [one.seed for one in variations(request(seed=5), 4, seeded=False)]
    assert seeds == [one.seed for one in variations(request(seed=6), 4, seeded=False)]
    assert len(set(seeds)) == 4
    assert seeds[2] == own_seed(request(seed=99), 2)
    assert [one.seed for one in variations(request(seed=2**63 - 1), 2, seeded=True)] == [2**63 - 1, 0]
