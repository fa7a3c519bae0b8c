"""A lane changed while it plays: the past stays, the present comes in once, the future is the new one's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.core.request import MAX_LANE_POINTS, PromptPoint
from studio.pipeline.control import TakeControl, changed

WORDS = st.sampled_from(["rain", "wind", "sea"])


def lanes() -> st.SearchStrategy[tuple[PromptPoint, ...]]:
    times = st.lists(st.integers(0, 400).map(lambda n: n / 4), unique=True, max_size=6).map(sorted)
    return times.flatmap(
        lambda at: st.tuples(*(WORDS.map(lambda word, t=t: PromptPoint(at_s=t, prompt=word)) for t in at))
    )


def heard(lane: tuple[PromptPoint, ...], opening: str, at_s: float) -> str:
    return ([opening] + [point.prompt for point in lane if point.at_s <= at_s])[-1]


@given(
    played=lanes(), wanted=lanes(), opening=WORDS, prompt=WORDS, at_s=st.integers(0, 400).map(lambda n: n / 4)
)
def test_before_it_is_the_old_lane_and_after_it_the_new(
    played: tuple[PromptPoint, ...],
    wanted: tuple[PromptPoint, ...],
    opening: str,
    prompt: str,
    at_s: float,
) -> None:
    lane = changed(played, opening, prompt, wanted, at_s)
    assert [point.at_s for point in lane] == sorted({point.at_s for point in lane})
    for moment in (n / 8 for n in range(808)):
        was, will = heard(played, opening, moment), heard(wanted, prompt, moment)
        assert heard(lane, opening, moment) == (was if moment < at_s else will)


def test_what_stays_the_same_is_no_change() -> None:
    lane = (PromptPoint(at_s=5, prompt="wind"),)
    assert changed(lane, "rain", "rain", lane, 7.0) == lane


def test_the_same_lane_comes_back_until_somebody_steers() -> None:
    control = TakeControl("rain", (PromptPoint(at_s=9, prompt="wind"),))
    first = control.apply_pending(1.0)
    assert control.apply_pending(2.0) is first
    control.request_change("sea", ())
    assert control.apply_pending(3.0) == (PromptPoint(at_s=3.0, prompt="sea"),)


def test_a_take_that_cannot_change_says_so() -> None:
    control = TakeControl("rain")
    control.refuse("This one can't.")
    with pytest.raises(InvalidRequestError, match="can't"):
        control.request_change("sea", ())


def test_a_lane_stays_within_what_a_sidecar_may_hold() -> None:
    control = TakeControl("rain")
    many = tuple(PromptPoint(at_s=float(n), prompt="sea") for n in range(MAX_LANE_POINTS))
    with pytest.raises(InvalidRequestError, match="start a new one"):
        control.request_change("sea", many)
