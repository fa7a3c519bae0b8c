"""Clips joined end to end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.samplers.concat import Crossfade, clip_latents, crossfade_join


@given(
    lengths=st.lists(st.integers(10, 40), min_size=1, max_size=5),
    crossfade=st.integers(0, 5),
)
def test_lengths_add_up_and_nothing_else_is_touched(lengths, crossfade):
    clips = [np.full(length, index + 1, dtype=np.float32) for index, length in enumerate(lengths)]
    joined = np.concatenate(list(crossfade_join(clips, crossfade)))
    assert joined.dtype == np.float32
    assert len(joined) == sum(lengths) - (len(lengths) - 1) * crossfade
    start = 0
    for index, length in enumerate(lengths):
        inner = joined[start + crossfade : start + length - crossfade]
        assert np.all(inner == index + 1)
        start += length - crossfade


def test_a_crossfade_of_unlike_sounds_keeps_their_power():
    rng = np.random.default_rng(0)
    clips = [rng.standard_normal(60_000).astype(np.float32) for _ in range(2)]
    joined = np.concatenate(list(crossfade_join(clips, 20_000)))
    assert joined[40_000:60_000].std() == pytest.approx(1.0, abs=0.02)


def test_a_crossfade_leads_from_the_old_to_the_new_along_a_quarter_wave():
    old, new = np.full(12, 2.0, np.float32), np.full(12, -3.0, np.float32)
    joined = np.concatenate(list(crossfade_join([old, new], 4)))
    phase = np.pi / 2 * np.array([1, 3, 5, 7]) / 8
    np.testing.assert_allclose(joined[8:12], 2.0 * np.cos(phase) - 3.0 * np.sin(phase), atol=1e-6)
    assert np.all(old == 2.0)
    assert np.all(new == -3.0)  # who made a clip may still hold it


def test_no_piece_is_empty_or_keeps_its_clip_alive():
    clips = [np.ones(10, np.float32) for _ in range(3)]
    for crossfade in (0, 3, 5):
        for piece in crossfade_join(clips, crossfade):
            assert len(piece)
            assert not any(np.shares_memory(piece, clip) for clip in clips)


def test_a_flushed_crossfade_is_as_new():
    joined = Crossfade(2)
    assert len(joined.push(np.ones(10, np.float32))) == 8
    assert len(joined.flush()) == 2
    assert len(joined.flush()) == 0
    np.testing.assert_array_equal(joined.push(np.ones(10, np.float32)), np.ones(8))


def test_samples_leave_as_soon_as_they_are_settled():
    joined = crossfade_join(iter([np.ones(10, np.float32), np.ones(10, np.float32)]), 2)
    assert len(next(joined)) == 8


def test_no_clips_no_sound():
    assert list(crossfade_join([], 3)) == []


def test_refuses_a_crossfade_longer_than_half_a_clip():
    with pytest.raises(InvalidRequestError, match="half a clip"):
        list(crossfade_join([np.zeros(9, np.float32)], 5))


def test_clips_are_independent_placed_and_counted(schedule):
    starts, told, heard = [], [], []

    def denoise(latents, timesteps, start_frame):
        starts.append(start_frame)
        heard.append(latents)
        return torch.tanh(latents)

    def make():
        return clip_latents(
            denoise,
            schedule,
            torch.Generator().manual_seed(0),
            shape=(1, 2, 8, 4),
            steps=2,
            count=3,
            overlap_frames=1,
            on_step=lambda step, total, latents: told.append((step, total)),
        )

    clips = list(make())
    generator = torch.Generator().manual_seed(0)
    for first in heard[::2]:  # each clip's first step sees its noise
        assert torch.equal(first, torch.randn(1, 2, 8, 4, generator=generator))
    assert starts == [0, 0, 7, 7, 14, 14]
    assert told == [(step, 6) for step in range(1, 7)]
    assert [clip.shape for clip in clips] == [(1, 2, 8, 4)] * 3
    assert not torch.equal(clips[0], clips[1])
    assert all(torch.equal(a, b) for a, b in zip(clips, make(), strict=True))


def test_a_clip_is_made_when_it_is_asked_for(schedule):
    calls = []

    def denoise(latents, timesteps, start_frame):
        calls.append(start_frame)
        return latents

    generator = torch.Generator().manual_seed(0)
    clips = clip_latents(denoise, schedule, generator, shape=(1, 2, 8, 4), steps=2, count=3)
    assert calls == []
    next(clips)
    assert calls == [0, 0]
