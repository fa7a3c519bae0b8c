"""How a bridge of any length is cut into windows: each frame once, beside what is known by then."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from studio.pipeline.edits.windows import KNOWN_FRAMES, MOST_FRAMES, windows


@settings(max_examples=200, deadline=None)
@given(
    frames=st.integers(1, 900), left=st.integers(0, 60), right=st.integers(0, 60),
    multiple=st.sampled_from([1, 2, 4, 8]),
)  # fmt: skip
def test_each_frame_is_made_once_beside_what_is_known(frames, left, right, multiple):
    known = [True] * left + [False] * frames + [True] * right
    for window in windows(frames, left, right, multiple):
        start, stop = left + window.start, left + window.stop
        assert 0 < stop - start <= MOST_FRAMES
        assert not any(known[start:stop])
        assert all(known[start - window.before : start])
        assert all(known[stop : stop + window.after])
        assert stop + window.after <= len(known)
        assert window.before <= min(start, KNOWN_FRAMES)
        assert window.after <= KNOWN_FRAMES
        assert window.frames % multiple == 0
        assert not (window.spare and window.before and window.after)
        known[start:stop] = [True] * (stop - start)
    assert all(known)


def test_a_bridge_hears_both_sides_and_a_long_one_leads_to_the_right():
    (short,) = windows(32, 48, 48, 4)
    assert (short.before, short.after, short.spare) == (48, 48, 0)
    long = windows(400, 48, 48, 4)
    assert [(one.before, one.after) for one in long] == [(48, 0), (48, 0), (48, 48)]
    back = windows(400, 0, 48, 4)
    assert [(one.start, one.after) for one in back] == [(272, 48), (144, 48), (0, 48)]
