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
from studio.pipeline.renderer import Renderer
from studio.pipeline.ring import stretched
from studio.pipeline.start import AsRing
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


def test_where_the_length_is_no_number_of_frames_no_latents_are_kept():
    assert not [event for event in _events(240 / 93) if isinstance(event, KeptLatents)]


def test_what_can_not_be_a_ring_is_told():
    for values, sentence in (
        ({"duration_s": 0.5}, "lasts 1 s at least"),
        ({"duration_s": 4, "sampler": {"kind": "concat"}}, "Only a mono clip"),
        ({"duration_s": 4, "sampler": {"kind": "clip", "method": "ddpm"}}, "Only a mono clip"),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            _events(**values)


@settings(max_examples=30, deadline=None)
@given(length=st.integers(64, 600), off=st.integers(-10, 10), tone=st.integers(1, 20))
def test_a_stretched_ring_is_the_same_wave_of_another_length(length, off, tone):
    wave = np.sin(2 * np.pi * tone * np.arange(length) / length).astype(np.float32)
    other = np.sin(2 * np.pi * tone * np.arange(length + off) / (length + off))
    np.testing.assert_allclose(stretched(wave, length + off), other, atol=1e-5)
