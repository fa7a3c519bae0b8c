"""Clips joined end to end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.samplers.concat import clip_latents, crossfade_join


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


def test_samples_leave_as_soon_as_they_are_settled():
    joined = crossfade_join(iter([np.ones(10, np.float32), np.ones(10, np.float32)]), 2)
    assert len(next(joined)) == 8


def test_no_clips_no_sound():
    assert list(crossfade_join([], 3)) == []


def test_refuses_a_crossfade_longer_than_half_a_clip():
    with pytest.raises(InvalidRequestError, match="half a clip"):
        list(crossfade_join([np.zeros(9, np.float32)], 5))


def test_clips_are_independent_placed_and_counted(schedule):
    starts, told = [], []

    def denoise(latents, timesteps, start_frame):
        starts.append(start_frame)
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
    assert starts == [0, 0, 7, 7, 14, 14]
    assert told == [(step, 6) for step in range(1, 7)]
    assert [clip.shape for clip in clips] == [(1, 2, 8, 4)] * 3
    assert not torch.equal(clips[0], clips[1])
    assert all(torch.equal(a, b) for a, b in zip(clips, make(), strict=True))
