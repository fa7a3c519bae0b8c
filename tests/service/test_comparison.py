"""What is compared: one prompt and seed, every strategy, and joined clips with their joins."""

from __future__ import annotations

import pytest

from studio.core.errors import InvalidRequestError
from studio.core.request import ConcatSampler, EndlessSampler, parse_request
from studio.service.comparison import variants


def test_all_are_of_one_prompt_seed_and_number_of_steps() -> None:
    request = parse_request(
        prompt="rain", seed=7, duration_s=None, sampler={"kind": "endless", "base_steps": 12}
    )
    *endless, joined = variants(request, 15.0)
    samplers = [variant.request.sampler for variant in endless]
    assert [s.strategy for s in samplers if isinstance(s, EndlessSampler)] == [
        "equal", "initial", "middle", "last",
    ]  # fmt: skip
    assert {s.base_steps for s in samplers if isinstance(s, EndlessSampler)} == {12}
    assert isinstance(joined.request.sampler, ConcatSampler)
    assert joined.request.sampler.steps == samplers[0].steps == 8
    assert joined.joins_s == pytest.approx((5.12, 10.24))
    assert not any(variant.joins_s for variant in endless)
    for variant in (*endless, joined):
        about = variant.request
        assert (about.prompt, about.seed, about.duration_s) == ("rain", 7, 15.0)


def test_a_clip_that_is_just_long_enough_has_no_join() -> None:
    assert variants(parse_request(prompt="rain"), 5.12)[-1].joins_s == ()


@pytest.mark.parametrize("seconds", [None, 0, -1, 121, float("nan")])
def test_lengths_that_can_t_be_compared(seconds: float | None) -> None:
    with pytest.raises(InvalidRequestError, match="up to 120 seconds"):
        variants(parse_request(prompt="rain"), seconds)


def test_a_lane_can_t_be_compared() -> None:
    lane = [{"at_s": 3, "prompt": "wind"}]
    with pytest.raises(InvalidRequestError, match="prompt lane"):
        variants(parse_request(prompt="rain", lane=lane), 10)
