"""Takes at 48 kHz: the same latents, three samples for one, by every sampler and from every start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from studio.core.errors import InvalidRequestError
from studio.core.events import AudioChunk
from studio.core.preset import Source
from studio.core.request import GenerationRequest, parse_request
from studio.pipeline.batch import render_clips
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import KeptLatents, RenderEvent, SavePoint, made_of
from studio.pipeline.collect import render_samples
from studio.pipeline.continuation import FADE_S
from studio.pipeline.recording import Recording, check_continuation
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FRESH, AsRing, FromCheckpoint, FromRecording, Start
from studio.testing import FakeBackend

SAMPLERS: dict[str, dict[str, Any]] = {
    "endless": {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3},
    "clip": {"kind": "clip", "steps": 4},
    "concat": {"kind": "concat", "steps": 3, "clip_s": 0.64, "crossfade_s": 0.08},
}


def wanted(sampler: str = "endless", **values: Any) -> GenerationRequest:
    told = {"prompt": "rain", "seed": 7, "duration_s": 2.5, "bandwidth": "48k", "sampler": SAMPLERS[sampler]}
    return parse_request(**{**told, **values})


def events(request: GenerationRequest, start: Start = FRESH) -> list[RenderEvent]:
    return list(Renderer()(request, FakeBackend(), CancelToken(), None, start))


def sound(told: Sequence[RenderEvent]) -> np.ndarray:
    chunks = [event for event in told if isinstance(event, AudioChunk)]
    assert {chunk.sample_rate for chunk in chunks} == {48000}
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.mark.parametrize("stereo", ["mono", "wide", "twin"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_makes_the_take_at_48_khz(sampler: str, stereo: str) -> None:
    request = wanted(sampler, stereo=stereo)
    heard = sound(events(request))
    assert heard.shape == ((120_000,) if stereo == "mono" else (120_000, 2))
    own = render_samples(Renderer(), wanted(sampler, stereo="mono", bandwidth="16k"), FakeBackend())
    assert len(own) == 40_000
    if stereo == "wide":
        mono = sound(events(wanted(sampler)))
        np.testing.assert_allclose(heard.mean(axis=1), mono, atol=1e-6)


def test_the_latents_are_those_of_16_khz() -> None:
    both = [
        torch.cat([one.latents for one in events(wanted(bandwidth=width)) if isinstance(one, KeptLatents)], 2)
        for width in ("16k", "48k")
    ]
    torch.testing.assert_close(both[0], both[1], rtol=0, atol=0)


def test_clips_side_by_side_are_those_alone() -> None:
    requests = [wanted("clip", seed=seed) for seed in (1, 2)]
    for request, made in zip(requests, render_clips(requests, FakeBackend()), strict=True):
        np.testing.assert_allclose(made, sound(events(request)), atol=1e-5)
    with pytest.raises(InvalidRequestError, match="bandwidth differs"):
        render_clips([wanted("clip"), wanted("clip", bandwidth="16k")], FakeBackend())


def test_it_goes_on_from_a_save_point_as_if_nothing_had_been() -> None:
    whole = events(wanted())
    points = [event for event in whole if isinstance(event, SavePoint)]
    rest = events(wanted(), FromCheckpoint(points[3].checkpoint))
    np.testing.assert_array_equal(sound(rest), sound(whole)[points[3].samples :])


def test_save_points_from_before_there_were_bandwidths_go_on() -> None:
    assert "bandwidth" not in made_of(wanted(bandwidth="16k"), "").settings
    checkpoint = next(one for one in events(wanted()) if isinstance(one, SavePoint)).checkpoint
    kept = replace(checkpoint, samples=4 * 48000, made_of=made_of(wanted(), ""))
    kept.require_same(wanted(), "")
    with pytest.raises(InvalidRequestError, match=r"Its 0:04 of sound are whole"):
        kept.require_same(wanted(bandwidth="16k"), "")


def test_it_goes_on_from_a_recording_of_its_own_rate() -> None:
    field = 0.1 * np.random.default_rng(2).standard_normal(48000 * 5).astype(np.float32)
    recording = Recording(field, Source(file="a.wav", sha256="0" * 64, duration_s=5.0), sample_rate=48000)
    check_continuation(wanted(duration_s=8.0), recording)
    heard = sound(events(wanted(duration_s=8.0), FromRecording(recording)))
    begun = recording.silent_samples  # all but four seconds go to the file unheard
    assert begun == 48000
    until = len(field) - round(FADE_S * 48000) - begun
    np.testing.assert_array_equal(heard[:until], field[begun : begun + until])
    assert len(heard) == 8 * 48000 - begun
    with pytest.raises(InvalidRequestError, match="read it at the take's rate"):
        check_continuation(wanted(bandwidth="16k", duration_s=8.0), recording)


def test_a_ring_is_exact_in_samples_of_48_khz() -> None:
    ring = sound(events(wanted("clip", duration_s=1.6000208), AsRing()))
    assert len(ring) == 76_801


@pytest.mark.parametrize("width", ["44.1k", "96k", "8k", 48000])
def test_other_bandwidths_end_in_one_sentence(width: object) -> None:
    with pytest.raises(InvalidRequestError, match="Bandwidth must be one of 16k or 48k"):
        wanted(bandwidth=width)
