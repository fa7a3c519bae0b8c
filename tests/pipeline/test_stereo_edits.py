"""Edits of takes of two channels: mono's at width 0, untouched beside what is new, whole round a loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.core.edit import parse_edit
from studio.core.errors import InvalidRequestError
from studio.core.request import parse_request
from studio.pipeline.edits.make import FADE_S
from studio.testing import FakeBackend
from tests.pipeline.edits_fakes import HOP, RATE, TakeInMemory, edited, take_of

FADE = round(FADE_S * RATE)
KINDS = (
    ("repaint", {"start_s": 1.5, "end_s": 2.5}),
    ("extend", {"left_s": 0.6, "right_s": 0.8}),
    ("splice", {"leave_s": 2.0, "enter_s": 1.0, "bridge_s": 0.8}),
    ("loop", {"start_s": 0.5, "bpm": 133, "bars": 1, "bridge_s": 0.6}),
)


@pytest.fixture(scope="module")
def backend() -> FakeBackend:
    return FakeBackend()


def asked(kind, **values):
    return parse_edit(kind, **{"seed": 3, "steps": 3, **values})


def stereo(kind="wide", width=0.7):
    return parse_request(prompt="rain", seed=1, stereo=kind, width=width)


def both(sound):
    return np.stack([sound, sound], axis=1)


@pytest.mark.parametrize(("kind", "values"), KINDS)
@pytest.mark.parametrize("sort", ["wide", "twin"])
@pytest.mark.parametrize("kept", [True, False])
def test_at_width_nought_it_is_the_mono_edit_to_the_bit(backend, kind, values, sort, kept):
    def made(wanted):
        takes = [take_of(backend, 100, seed, kept=kept, request=wanted) for seed in (0, 5)]
        return edited(asked(kind, **values), takes[: 1 + (kind == "splice")], backend)[0]

    np.testing.assert_array_equal(made(stereo(sort, 0)), both(made(parse_request(prompt="rain", seed=1))))


@pytest.mark.parametrize(("kind", "values"), KINDS)
def test_the_mean_of_a_wide_edit_is_the_mono_edit(backend, kind, values):
    def made(wanted):
        takes = [take_of(backend, 100, seed, request=wanted) for seed in (0, 5)]
        return edited(asked(kind, **values), takes[: 1 + (kind == "splice")], backend)[0]

    wide = made(stereo())
    np.testing.assert_allclose(wide.mean(axis=1), made(parse_request(prompt="rain", seed=1)), atol=1e-4)
    assert np.abs(wide[:, 0] - wide[:, 1]).max() > 0.01


@pytest.mark.parametrize("sort", ["wide", "twin"])
@pytest.mark.parametrize("kept", [True, False])
def test_a_repaint_leaves_both_channels_to_the_sample(backend, sort, kept):
    take = take_of(backend, 150, extra=100, kept=kept, request=stereo(sort))
    samples, told, latents = edited(asked("repaint", start_s=2, end_s=4), [take], backend)
    start, end = 50 * HOP, 100 * HOP
    assert samples.shape == take.sound.shape
    np.testing.assert_array_equal(samples[: start - FADE], take.sound[: start - FADE])
    np.testing.assert_array_equal(samples[end + FADE :], take.sound[end + FADE :])
    for channel in (0, 1):
        assert np.abs(samples[start:end, channel] - take.sound[start:end, channel]).mean() > 0.01
    new = samples[start:end]
    assert np.abs(new[:, 0] - new[:, 1]).mean() > 0.002
    assert np.asarray(np.corrcoef(new.T))[0, 1] > 0.5
    assert told.encoded is not kept
    if kept:
        channels = 2 if sort == "twin" else 1
        assert {one.shape[0] for one in latents.values()} == {channels}
        assert sum(one.shape[2] for one in latents.values()) == 150


@pytest.mark.parametrize("sort", ["wide", "twin"])
def test_what_is_made_joins_what_is_kept_in_both_channels(backend, sort):
    """Where the two say the same, they do so in both channels: what the spread remembers comes from there."""
    take = take_of(backend, 150, request=stereo(sort))
    samples, _, _ = edited(asked("repaint", start_s=2, end_s=4), [take], backend)
    start, end = 50 * HOP, 100 * HOP
    before = slice(start - FADE, start - 2 * HOP)
    np.testing.assert_allclose(samples[before], take.sound[before], atol=0.01)
    # Behind, what is new is heard on in the sides for as long as the spread remembers: 25 ms, and the bass.
    after = slice(end + FADE // 2, end + FADE)
    np.testing.assert_allclose(samples[after], take.sound[after], atol=0.02)


@pytest.mark.parametrize("sort", ["wide", "twin"])
def test_strength_nought_and_a_loop_of_a_loop_are_the_take_to_the_bit(backend, sort):
    take = take_of(backend, 100, extra=7, request=stereo(sort))
    same, _, _ = edited(asked("repaint", start_s=1, end_s=3, strength=0), [take], backend)
    np.testing.assert_array_equal(same, take.sound)
    samples, _, _ = edited(asked("loop", bridge_s=0.6), [take], backend)
    looped = TakeInMemory(samples, stereo(sort), loop=(0, len(samples)))
    np.testing.assert_array_equal(edited(asked("loop", seed=8), [looped], backend)[0], samples)


@pytest.mark.parametrize("sort", ["wide", "twin"])
def test_a_loops_last_sample_leads_to_its_first_in_both_channels(backend, sort):
    take = take_of(backend, 150, request=stereo(sort))
    samples, told, _ = edited(asked("loop", start_s=1, bpm=133, bars=2, bridge_s=0.8), [take], backend)
    assert len(samples) == round(2 * 4 * 60 / 133 * RATE)
    assert told.ring
    steps = np.abs(np.diff(np.r_[samples, samples[:2]], axis=0))
    assert (steps[-2:].max(axis=0) <= np.quantile(steps, 0.999, axis=0)).all()
    side = samples[:, 0] - samples[:, 1]
    assert np.abs(side[:400]).max() > 0.1 * np.abs(side).max(), "the sides begin with what went before"


def test_the_channels_of_a_twin_are_bridged_by_noise_they_share(backend):
    """Wider, they part more; nearly at nought they are one."""
    made = {}
    for width in (1e-6, 0.5, 1.0):
        wanted = stereo("twin", width)
        take = take_of(backend, 100, request=wanted)
        one = take_of(backend, 100)
        take.sound = both(one.sound)
        take._latents = one._latents.repeat(2, 1, 1, 1)
        made[width] = edited(asked("extend", right_s=2), [take], backend)[0][-2 * RATE :]
    apart = [np.abs(new[:, 0] - new[:, 1]).mean() for new in made.values()]
    assert apart[0] < 0.05 * apart[1] < 0.05 * apart[2]
    mono = edited(asked("extend", right_s=2), [take_of(backend, 100)], backend)[0][-2 * RATE :]
    np.testing.assert_allclose(made[1e-6], both(mono), atol=0.02 * np.abs(mono).max())


@pytest.mark.parametrize(("first", "second"), [("wide", "twin"), ("twin", "wide")])
def test_takes_of_two_channels_are_spliced_whatever_made_them(backend, first, second):
    takes = [take_of(backend, 100, seed, request=stereo(sort)) for seed, sort in ((0, first), (5, second))]
    samples, told, _ = edited(asked("splice", leave_s=2, bridge_s=1), takes, backend)
    np.testing.assert_array_equal(samples[: 2 * RATE - FADE], takes[0].sound[: 2 * RATE - FADE])
    np.testing.assert_array_equal(samples[3 * RATE + FADE :], takes[1].sound[FADE:])
    assert told.encoded, "the other's latents are of other channels"


def test_channels_that_do_not_fit_are_told_in_a_sentence(backend):
    mono, wide = take_of(backend, 100), take_of(backend, 100, request=stereo())
    with pytest.raises(InvalidRequestError, match=r"has 1 channel and .* 2: splice takes that have as many"):
        edited(asked("splice"), [mono, wide], backend)
    exported = TakeInMemory(wide.sound, mono.request)
    with pytest.raises(InvalidRequestError, match="has 2 channels and its settings make 1"):
        edited(asked("extend", left_s=1), [exported], backend)


@settings(max_examples=12, deadline=None)
@given(
    sort=st.sampled_from(["wide", "twin"]), width=st.floats(0.05, 1), start=st.floats(0.1, 1.9),
    length=st.floats(0.05, 2.0), extra=st.integers(0, HOP - 1),
)  # fmt: skip
def test_any_span_of_both_channels_is_new_and_the_rest_is_not(sort, width, start, length, extra):
    backend = FakeBackend()
    take = take_of(backend, 100, extra=extra, request=stereo(sort, width))
    edit = asked("repaint", start_s=start, end_s=start + length, steps=1)
    samples, _, _ = edited(edit, [take], backend)
    assert samples.shape == take.sound.shape
    first, last = int(start * RATE) // HOP * HOP, -(-round((start + length) * RATE) // HOP) * HOP
    np.testing.assert_array_equal(samples[: max(0, first - FADE)], take.sound[: max(0, first - FADE)])
    np.testing.assert_array_equal(samples[last + FADE :], take.sound[last + FADE :])
