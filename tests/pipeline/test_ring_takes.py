"""Clips that are sampled as loops: exact in length, the same again, and without a place where they begin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.core.events import AudioChunk
from studio.core.request import parse_request
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import KeptLatents
from studio.pipeline.plan import StereoPlan
from studio.pipeline.renderer import Renderer
from studio.pipeline.ring import stretched
from studio.pipeline.start import AsRing
from studio.pipeline.stereo import spread_round
from studio.testing import FakeBackend

RATE = 16000


def _events(duration_s, seed=1, **values):
    request = parse_request(
        **{"prompt": "rain", "mode": "sparse", "duration_s": duration_s, "seed": seed,
           "sampler": {"kind": "clip", "steps": 4}, **values}
    )  # fmt: skip
    return list(Renderer()(request, FakeBackend(), CancelToken(), None, AsRing()))


def _loop(*args, **values):
    (chunk,) = [event for event in _events(*args, **values) if isinstance(event, AudioChunk)]
    return chunk.samples


def test_it_is_exact_and_the_same_again():
    for duration_s in (4.0, 240 / 93):
        made = _loop(duration_s)
        assert len(made) == round(duration_s * RATE)
        np.testing.assert_array_equal(made, _loop(duration_s))
        assert not np.array_equal(made, _loop(duration_s, seed=2))


def test_its_last_sample_leads_to_its_first():
    """Decoded from another place of the ring on, it is the same sound from there on."""
    events = _events(4.0)
    (latents,) = [event.latents for event in events if isinstance(event, KeptLatents)]
    made, backend = _loop(4.0), FakeBackend()
    turned = backend.decode(latents.roll(-50, dims=2))
    inside = slice(10 * 640, 90 * 640)  # away from where this one begins and ends
    np.testing.assert_allclose(np.roll(made, -50 * 640)[inside], turned[inside], atol=1e-5)


@pytest.mark.parametrize("stereo", ["wide", "twin"])
@pytest.mark.parametrize("duration_s", [2.0, 240 / 133])
def test_a_ring_of_two_channels_is_the_mono_one_in_its_middle(stereo, duration_s):
    mono = _loop(duration_s)
    none, wide = (_loop(duration_s, stereo=stereo, width=width) for width in (0, 0.7))
    np.testing.assert_array_equal(none, np.stack([mono, mono], axis=1))
    assert wide.shape == none.shape
    assert np.abs(wide[:, 0] - wide[:, 1]).max() > 0.01
    if stereo == "wide":
        np.testing.assert_allclose(wide.mean(axis=1), mono, atol=1e-6)
    else:
        assert np.asarray(np.corrcoef(wide.T))[0, 1] > 0.5
        (latents,) = [each.latents for each in _events(2.0, stereo="twin") if isinstance(each, KeptLatents)]
        assert len(latents) == 2


@pytest.mark.parametrize("kind", ["wide", "twin"])
def test_wherever_a_ring_begins_its_sides_are_the_same(kind):
    """What is spread goes round: from another place on, it is the same sound from there on."""
    shape = (RATE,) if kind == "wide" else (RATE, 2)
    ring = np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)
    heard = spread_round(ring, StereoPlan(kind, 0.8), RATE)
    assert np.abs(heard[:200, 0] - heard[:200, 1]).max() > 0.05
    turned = spread_round(np.roll(ring, 5000, axis=0), StereoPlan(kind, 0.8), RATE)
    np.testing.assert_allclose(turned, np.roll(heard, 5000, axis=0), atol=1e-6)


def test_where_the_length_is_no_number_of_frames_no_latents_are_kept():
    assert not [event for event in _events(240 / 93) if isinstance(event, KeptLatents)]


def test_what_can_not_be_a_ring_is_told():
    for values, sentence in (
        ({"duration_s": 0.5}, "lasts 1 s at least"),
        ({"duration_s": 4, "sampler": {"kind": "concat"}}, "Only a clip of text"),
        ({"duration_s": 4, "sampler": {"kind": "clip", "method": "ddpm"}}, "Only a clip of text"),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            _events(**values)


@settings(max_examples=30, deadline=None)
@given(length=st.integers(64, 600), off=st.integers(-10, 10), tone=st.integers(1, 20))
def test_a_stretched_ring_is_the_same_wave_of_another_length(length, off, tone):
    wave = np.sin(2 * np.pi * tone * np.arange(length) / length).astype(np.float32)
    other = np.sin(2 * np.pi * tone * np.arange(length + off) / (length + off))
    np.testing.assert_allclose(stretched(wave, length + off), other, atol=1e-5)
