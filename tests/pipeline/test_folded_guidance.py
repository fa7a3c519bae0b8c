"""Guidance that a model folds into one prediction: when it is asked so, and that the take is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.backends.base import Conditioning
from studio.core.events import AudioChunk
from studio.core.request import GenerationRequest, parse_request
from studio.pipeline.batch import render_clips
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import SavePoint
from studio.pipeline.collect import render_samples
from studio.pipeline.plan import resolve_plan
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FromCheckpoint
from studio.samplers.guidance import guided
from studio.testing import FakeBackend

CLIP = {"kind": "clip", "steps": 4}
ENDLESS = {
    "kind": "endless", "strategy": "equal", "base_steps": 6, "group_size": 4, "buffer_frames": 4,
    "warmup_steps": 3,
}  # fmt: skip


class Folding(FakeBackend):
    """Says at once what guidance makes of two predictions; keeps the items and the scale of each forward."""

    def __init__(self, folded: tuple[float, float] | None = (1.0, 8.0)) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, folded=folded)
        self.calls: list[tuple[int, float]] = []

    def predict_noise(
        self, latents: Tensor, timesteps: Tensor, start_frame: int, conditioning: Conditioning
    ) -> Tensor:
        self.calls.append((len(latents), conditioning.scale))
        predict = super().predict_noise
        if conditioning.scale == 1:
            return predict(latents, timesteps, start_frame, conditioning)
        pooled = conditioning.vector
        nothing = self.encode_text([""]).vector.reshape(1, *(1,) * (pooled.ndim - 2), -1).expand_as(pooled)
        both = Conditioning(torch.cat([nothing.expand(len(latents), *pooled.shape[1:]),
                                       pooled.expand(len(latents), *pooled.shape[1:])]))  # fmt: skip
        denoise = guided(lambda x, t, at: predict(x, t, at, both), conditioning.scale)
        return denoise(latents, timesteps, start_frame)


def wanted(**values: Any) -> GenerationRequest:
    usual = {"prompt": "rain", "seed": 3, "duration_s": 1.28, "guidance_scale": 4.0, "sampler": CLIP}
    return parse_request(**{**usual, **values})


def heard(request: GenerationRequest, folded: tuple[float, float] | None = (1.0, 8.0)) -> np.ndarray:
    return render_samples(Renderer(), request, Folding(folded))


@pytest.mark.parametrize(
    ("values", "calls"),
    [
        ({}, {(1, 4.0)}),
        ({"guidance_scale": 1.0}, {(1, 1.0)}),
        ({"negative_prompt": "a dog"}, {(2, 1.0)}),
        ({"guidance_scale": 9.0}, {(2, 1.0)}),
        ({"guidance_scale": 0.5}, {(2, 1.0)}),
        ({"stereo": "twin"}, {(2, 4.0)}),
        ({"sampler": {**CLIP, "guided_from": 0.5}}, {(1, 4.0), (1, 1.0)}),
        ({"sampler": ENDLESS}, {(1, 4.0)}),
        ({"sampler": {"kind": "concat", "steps": 2, "clip_s": 0.64}}, {(1, 4.0)}),
    ],
)
def test_one_forward_a_step_where_it_can_be(values: dict[str, Any], calls: set[tuple[int, float]]) -> None:
    backend = Folding()
    render_samples(Renderer(), wanted(**values), backend)
    assert set(backend.calls) == calls


def test_who_can_t_be_told_is_asked_twice() -> None:
    backend = Folding(None)
    render_samples(Renderer(), wanted(), backend)
    assert set(backend.calls) == {(2, 1.0)}
    assert resolve_plan(wanted(), backend).guidance.passes == 2
    assert resolve_plan(wanted(), Folding()).guidance.passes == 1


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"stereo": "twin"},
        {"sampler": {**CLIP, "guided_to": 0.7}},
        {"sampler": ENDLESS, "duration_s": 2.56},
        {"sampler": ENDLESS, "duration_s": 2.56, "lane": [{"at_s": 0.5, "prompt": "wind"}]},
    ],
)
def test_the_take_is_the_one_of_two_passes_where_folding_is_exact(values: dict[str, Any]) -> None:
    np.testing.assert_allclose(heard(wanted(**values)), heard(wanted(**values), None), atol=1e-4)


def test_clips_with_and_without_a_negative_prompt_are_made_side_by_side() -> None:
    backend = Folding()
    requests = [wanted(prompt=name, negative_prompt=away) for name, away in
                [("rain", ""), ("wind", "a dog"), ("sea", "")]]  # fmt: skip
    together = render_clips(requests, backend)
    assert set(backend.calls) == {(2, 4.0), (2, 1.0)}, "two at once, and one that takes two"
    for request, made in zip(requests, together, strict=True):
        np.testing.assert_allclose(made, next(iter(render_clips([request], Folding()))), atol=1e-5)


def test_an_endless_take_goes_on_from_where_it_stopped() -> None:
    request = wanted(sampler=ENDLESS, duration_s=3.84)
    whole = heard(request)
    assert np.array_equal(whole, heard(request)), "the same seed, the same samples"
    events = list(Renderer()(request, Folding(), CancelToken()))
    point = next(event for event in events if isinstance(event, SavePoint) and event.samples > 16_000)
    going_on = Renderer()(request, Folding(), CancelToken(), None, FromCheckpoint(point.checkpoint))
    rest = np.concatenate([event.samples for event in going_on if isinstance(event, AudioChunk)])
    np.testing.assert_allclose(rest, whole[point.samples :], atol=1e-5)
