"""Edits over a model whose sound tells everything: what stays, what is made, how long it is, what is read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.backends.base import Geometry
from studio.core.edit import parse_edit
from studio.core.errors import CancelledError, InvalidRequestError
from studio.core.request import parse_request
from studio.pipeline.cancel import CancelToken
from studio.pipeline.edits.layout import Kept, Made, lay_out
from studio.pipeline.edits.make import FADE_S
from studio.pipeline.edits.render import BLOCK_FRAMES, blended
from studio.pipeline.prompts import prompt_weights
from studio.testing import FakeBackend
from tests.pipeline.edits_fakes import HOP, RATE, TakeInMemory, edited, take_of

FADE = round(FADE_S * RATE)


@pytest.fixture(scope="module")
def backend() -> FakeBackend:
    return FakeBackend()


def _edit(kind, **values):
    return parse_edit(kind, **{"seed": 3, "steps": 4, **values})


@pytest.mark.parametrize("kept", [True, False])
def test_a_repaint_leaves_the_rest_to_the_sample(backend, kept):
    take = take_of(backend, extra=100, kept=kept)
    samples, told, latents = edited(_edit("repaint", start_s=3.01, end_s=5), [take], backend)
    changed = np.flatnonzero(samples != take.sound)
    start, end = 75 * HOP, 125 * HOP
    assert len(samples) == take.samples
    assert start - FADE <= changed.min() <= start
    assert end - 1 <= changed.max() < end + FADE
    assert np.abs(samples[start:end] - take.sound[start:end]).mean() > 0.01
    assert [(part.take, part.samples) for part in told.parts] == [
        (0, start), (None, end - start), (0, take.samples - end),
    ]  # fmt: skip
    assert told.encoded is not kept
    if kept:  # what is made says again what is known, but for the frames that lap over what is new
        fades = np.r_[start - FADE : start - 2 * HOP, end + 2 * HOP : end + FADE]
        np.testing.assert_allclose(samples[fades], take.sound[fades], atol=0.01)
        whole = torch.cat([latents[at] for at in sorted(latents)], dim=2)
        assert whole.shape[2] == 300
        assert torch.equal(whole[:, :, :75], take.latents(0, 75))
        assert torch.equal(whole[:, :, 125:], take.latents(125, 175))


def test_the_same_edit_is_the_same_and_another_seed_another(backend):
    take = take_of(backend)
    made = [edited(_edit("repaint", start_s=3, end_s=5, seed=seed), [take], backend)[0] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


def test_a_prompt_of_its_own_is_heard_in_the_span_alone(backend):
    take = take_of(backend)
    plain, _, _ = edited(_edit("repaint", start_s=3, end_s=7), [take], backend)
    other, told, _ = edited(_edit("repaint", start_s=3, end_s=7, prompt="a dog"), [take], backend)
    assert not np.allclose(plain[4 * RATE : 6 * RATE], other[4 * RATE : 6 * RATE], atol=1e-3)
    np.testing.assert_array_equal(plain[: 3 * RATE - FADE], other[: 3 * RATE - FADE])
    assert [part.prompt for part in told.parts] == ["", "a dog", ""]


def test_strength_none_is_the_take_to_the_bit_and_little_is_near_it(backend):
    take = take_of(backend, extra=7)
    span = {"start_s": 3, "end_s": 5, "steps": 10}
    same, told, _ = edited(_edit("repaint", **span, strength=0), [take], backend)
    np.testing.assert_array_equal(same, take.sound)
    assert [part.take for part in told.parts] == [0]
    off = [
        np.abs(edited(_edit("repaint", **span, strength=part), [take], backend)[0] - take.sound).mean()
        for part in (0.2, 0.6, 1.0)
    ]
    assert off[0] < off[1] < off[2]


def test_all_of_a_take_can_be_repainted(backend):
    take = take_of(backend, frames=30, extra=100)
    samples, _, latents = edited(_edit("repaint", start_s=0, end_s=30 * 0.04 - 0.00625), [take], backend)
    assert len(samples) == take.samples
    assert {at: one.shape[2] for at, one in latents.items()} == {0: 30}


@pytest.mark.parametrize(("left_s", "right_s"), [(1.0, 0.0), (0.0, 9.3), (7.0, 0.5)])
def test_extending_keeps_all_of_the_take(backend, left_s, right_s):
    take = take_of(backend, extra=100)
    samples, _, _ = edited(_edit("extend", left_s=left_s, right_s=right_s), [take], backend)
    before, after = (-(-round(s * RATE) // HOP) * HOP for s in (left_s, right_s))
    assert len(samples) == before + take.samples + after
    own = samples[before : before + take.samples]
    start, end = FADE if before else 0, take.samples - (FADE if after else 0)
    np.testing.assert_array_equal(own[start:end], take.sound[start:end])
    for made in (samples[:before], samples[len(samples) - after :] if after else samples[:0]):
        assert not len(made) or np.abs(made).mean() > 0.01


def test_a_splice_is_both_takes_and_a_bridge(backend):
    first, second = take_of(backend), take_of(backend, frames=200, seed=5, kept=False)
    edit = _edit("splice", bridge_s=2, leave_s=6.01, enter_s=1)
    samples, told, _ = edited(edit, [first, second], backend)
    leave, enter = 150 * HOP, RATE
    assert len(samples) == leave + 2 * RATE + second.samples - enter
    np.testing.assert_array_equal(samples[: leave - FADE], first.sound[: leave - FADE])
    rest = second.sound[enter + FADE :]
    np.testing.assert_array_equal(samples[len(samples) - len(rest) :], rest)
    assert [part.take for part in told.parts] == [0, None, 1]
    assert told.encoded


@pytest.mark.parametrize("kept", [True, False])
def test_a_loop_is_exact_and_leads_from_its_last_sample_to_its_first(backend, kept):
    take = take_of(backend, kept=kept)
    samples, told, _ = edited(_edit("loop", start_s=1, bpm=133, bars=3), [take], backend)
    wanted = round(3 * 4 * 60 / 133 * RATE)
    assert len(samples) == wanted
    assert told.ring
    bridge = 32 * HOP
    own = take.sound[RATE : RATE + wanted - bridge]
    np.testing.assert_array_equal(samples[FADE : len(own) - FADE], own[FADE : len(own) - FADE])
    # Around the end everything is as smooth as inside: the step to the first sample is no click.
    steps = np.abs(np.diff(np.r_[samples, samples[:2]]))
    assert steps[-2:].max() <= np.quantile(steps, 0.999)


def test_a_loop_of_a_loop_is_itself_to_the_bit(backend):
    take = take_of(backend)
    samples, _, _ = edited(_edit("loop"), [take], backend)
    looped = TakeInMemory(samples, loop=(0, len(samples)))
    again, told, _ = edited(_edit("loop", seed=8), [looped], backend)
    np.testing.assert_array_equal(again, samples)
    assert told.ring
    assert [part.take for part in told.parts] == [0]


def test_a_long_take_is_read_in_blocks(backend):
    rng = np.random.default_rng(0)
    take = TakeInMemory(rng.uniform(-0.5, 0.5, 90 * RATE).astype(np.float32))
    samples, _, _ = edited(_edit("repaint", start_s=40, end_s=41), [take], backend)
    assert len(samples) == take.samples
    assert take.largest <= BLOCK_FRAMES * HOP


def test_nothing_is_written_of_an_edit_that_is_stopped(backend):
    cancel = CancelToken()
    cancel.set()
    with pytest.raises(CancelledError):
        edited(_edit("repaint", start_s=3, end_s=5), [take_of(backend)], backend, cancel)


def test_what_can_not_be_is_told_in_a_sentence(backend):
    take = take_of(backend)  # 12 s
    for edit, sentence in (
        (_edit("repaint", start_s=13, end_s=14), "The span begins beyond the take's end"),
        (_edit("repaint", start_s=3, end_s=12.5), "The span ends beyond the take's end"),
        (_edit("loop", start_s=1, end_s=2.5), "too short for a bridge of 1.28 s"),
        (_edit("loop", bpm=60, bars=4), "The loop is to last 16.00 s and the take has 12.00"),
        (_edit("splice", leave_s=12), "The take is left beyond"),
        (_edit("splice", leave_s=0.01), "Nothing is left of one of the takes"),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            edited(edit, [take, take], backend)
    other = TakeInMemory(take.sound)
    other.sample_rate = 44100
    with pytest.raises(InvalidRequestError, match="44100 Hz"):
        edited(_edit("extend", left_s=1), [other], backend)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), length=st.integers(3 * RATE, 15 * RATE))
def test_any_span_gives_parts_that_follow_each_other(data, length):
    take = TakeInMemory(np.zeros(length, np.float32))
    start_s = data.draw(st.floats(0, length / RATE - 0.01))
    end_s = data.draw(st.floats(start_s + 0.001, length / RATE))
    layout = lay_out(_edit("repaint", start_s=start_s, end_s=end_s), [take], Geometry())
    assert sum(part.samples for part in layout.parts) == length
    position = 0
    for part in layout.parts:
        if isinstance(part, Kept):
            assert part.start == position
        else:
            assert part.frames * HOP - part.samples in range(HOP)
            assert position <= round(start_s * RATE)
            assert position + part.samples >= min(round(end_s * RATE), length)
            assert (part.left is None) == (position == 0)
        position += part.samples


@settings(max_examples=40, deadline=None)
@given(
    bpm=st.floats(20, 400), bars=st.integers(1, 20), start_s=st.floats(0, 4), bridge_s=st.floats(0.2, 4),
    length=st.integers(5 * RATE, 60 * RATE),
)  # fmt: skip
def test_any_loop_has_its_length_to_the_sample_or_is_refused(bpm, bars, start_s, bridge_s, length):
    take = TakeInMemory(np.zeros(length, np.float32))
    edit = _edit("loop", bpm=bpm, bars=bars, start_s=start_s, bridge_s=bridge_s)
    try:
        layout = lay_out(edit, [take], Geometry())
    except InvalidRequestError:
        return
    assert sum(part.samples for part in layout.parts) == round(bars * 240 / bpm * RATE)
    kept, made = layout.parts
    assert isinstance(kept, Kept)
    assert isinstance(made, Made)
    assert made.left is not None
    assert made.left.sample == kept.end <= length


@settings(max_examples=30, deadline=None)
@given(alike=st.floats(0, 1), count=st.integers(400, 2000))
def test_a_blend_is_as_loud_as_what_it_blends(alike, count):
    rng = np.random.default_rng(1)
    first, fresh = rng.standard_normal((2, count)).astype(np.float32)
    second = (alike * first + np.sqrt(1 - alike**2) * fresh).astype(np.float32)
    mixed = blended(first, second)
    assert mixed.std() == pytest.approx(1, abs=0.2)
    if alike == 1:
        np.testing.assert_allclose(mixed, first, atol=1e-5)


def test_a_variation_is_the_take_of_its_seed_nearly(backend):
    request = parse_request(
        prompt="rain", seed=5, duration_s=4, sampler={"kind": "clip", "steps": 4}, mode="sparse"
    )
    take = TakeInMemory(np.zeros(4 * RATE, np.float32), request)
    made = {
        share: edited(parse_edit("vary", share=share, seed=9), [take], backend)[0]
        for share in (0, 0.2, 0.6, 1)
    }
    other = TakeInMemory(take.sound, request.model_copy(update={"seed": 9}))
    as_it_was, another = (
        edited(parse_edit("vary", share=0, seed=1), [one], backend)[0] for one in (take, other)
    )
    np.testing.assert_array_equal(made[0], as_it_was)
    np.testing.assert_array_equal(made[1], another)
    off = [np.abs(made[share] - made[0]).mean() for share in (0.2, 0.6, 1)]
    assert 0 < off[0] < off[1] < off[2]


def test_an_endless_take_is_varied_along_all_of_it(backend):
    sampler = {"kind": "endless", "strategy": "equal", "base_steps": 6, "group_size": 4, "warmup_steps": 3}
    request = parse_request(prompt="rain", seed=5, duration_s=6, sampler=sampler)
    take = TakeInMemory(np.zeros(6 * RATE, np.float32), request)
    made = {
        share: edited(parse_edit("vary", share=share, seed=9), [take], backend)[0] for share in (0, 0.3, 1)
    }
    for second in range(6):
        span = slice(second * RATE, (second + 1) * RATE)
        near, far = (np.abs(made[share][span] - made[0][span]).mean() for share in (0.3, 1))
        assert 0 < near < far


def test_a_span_s_prompt_gives_way_within_it():
    take = TakeInMemory(np.zeros(10 * RATE, np.float32))
    layout = lay_out(_edit("repaint", start_s=3, end_s=7, prompt="a dog"), [take], Geometry())
    (made,) = [part for part in layout.parts if isinstance(part, Made)]
    weights = prompt_weights(
        made.prompts.points, made.prompts.blend_s, torch.tensor([2.9, 3.5, 6.5, 7.0], dtype=torch.float64)
    )
    assert made.prompts.opening == "rain"
    assert weights[:, 1].tolist() == pytest.approx([0, 1, 1, 0])
