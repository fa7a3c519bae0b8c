"""VoiceLDM's takes: its guidance as published, and every way of sampling, with a band and without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from studio.backends.base import Conditioning, Tokens
from studio.backends.systems import voiceldm
from studio.backends.systems.voiceldm import VoiceLDMBackend
from studio.core.events import AudioChunk
from studio.core.request import GenerationRequest, parse_request
from studio.pipeline.batch import render_clips
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import EndlessCheckpoint, SavePoint
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FRESH, FromCheckpoint, FromRecording, Start
from studio.samplers.ddim import ddim_sample
from tests.backends.conftest import make_voiceldm
from tests.pipeline.test_drafts import recording

CLIP = {"kind": "clip", "steps": 3}
CONCAT = {"kind": "concat", "steps": 3, "clip_s": 1.28, "crossfade_s": 0.32}
FIFO = {
    "kind": "endless", "base_steps": 9, "group_size": 2, "buffer_frames": 4, "warmup_steps": 2,
    "strategy": "equal",
}  # fmt: skip
DENSE = {"kind": "dense"}
ATTENTIONS = (DENSE, {"kind": "lite_focus"}, {"kind": "token_merging"})
STRATEGIES = ("equal", "initial", "middle", "last", "auto")
LANE = ({"at_s": 1.0, "prompt": "wind"},)
WORDS = "go"


@pytest.fixture(scope="module", params=[None, 4], ids=["published", "band"])
def backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VoiceLDMBackend]:
    folder = make_voiceldm(tmp_path_factory.mktemp("voice") / "tiny", band=request.param)
    loaded = voiceldm.load(folder, "cpu", "float32")
    yield loaded
    loaded.unload()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> VoiceLDMBackend:
    return voiceldm.load(make_voiceldm(tmp_path_factory.mktemp("voice") / "tiny"), "cpu", "float32")


def asked(text: str = "", **values: Any) -> GenerationRequest:
    first = {"prompt": "rain", "seed": 3, "duration_s": 2.56, "guidance_scale": 5.0, "sampler": CLIP}
    return parse_request(**{**first, **values}, speech={"text": text})


def sound(request: GenerationRequest, backend: VoiceLDMBackend, start: Start = FRESH) -> np.ndarray:
    made = Renderer()(request, backend, CancelToken(), None, start)
    return np.concatenate([event.samples for event in made if isinstance(event, AudioChunk)])


def words_for(backend: VoiceLDMBackend, sampler: dict[str, Any]) -> str:
    """What can be said there: in endless takes a published model says nothing, and joined clips never do."""
    mute = sampler["kind"] == "concat" or (sampler["kind"] == "endless" and backend.content_band is None)
    return "" if mute else WORDS


@pytest.mark.parametrize("scale", [None, 7.0])
def test_a_clip_is_sampled_as_its_authors_do(published: VoiceLDMBackend, scale: float | None) -> None:
    """The four-way form and the single one, written out."""
    request = parse_request(
        prompt="rain", seed=3, duration_s=2.56, guidance_scale=5.0, sampler=CLIP,
        speech={"text": WORDS, "scale": scale},
    )  # fmt: skip
    noise = torch.randn(1, 8, 64, 16, generator=torch.Generator().manual_seed(0))
    scene, said = published.encode_text(["rain", ""]).vector, published.encode_speech(["_", WORDS]).states
    pairs = [(0, 1), (0, 0), (1, 1), (1, 0)] if scale is not None else [(0, 1), (1, 0)]

    def authors(latents: torch.Tensor, at: torch.Tensor, start: int) -> torch.Tensor:
        told = Conditioning(
            torch.stack([scene[d] for d, _ in pairs]),
            (Tokens(torch.stack([said[c] for _, c in pairs])),),
        )
        n = published.predict_noise(
            latents.expand(len(pairs), -1, -1, -1), at.expand(len(pairs)), start, told
        )
        if scale is None:
            return (n[1] + 5.0 * (n[0] - n[1]))[None]
        return (n[0] + 5.0 * (n[1] - n[3]) + scale * (n[2] - n[3]))[None]

    expected = published.decode(ddim_sample(authors, published.schedule, noise, 3))
    [made] = render_clips([request], published, latents=noise)
    np.testing.assert_allclose(made, expected, atol=2e-4)


def test_without_words_two_forwards_are_the_four(backend: VoiceLDMBackend) -> None:
    """n₁ = n₂ and n₃ = n₄ where nothing is said, so ε = n₁ + w_d (n₁ − n₄): scale w_d + 1, of two."""
    noise = torch.randn(1, 8, 32, 16, generator=torch.Generator().manual_seed(0))
    told, at = backend.encode_text(["rain", "rain", "", ""]), torch.tensor([700])
    n1, n2, n3, n4 = backend.predict_noise(noise.expand(4, -1, -1, -1), at.expand(4), 0, told)
    four = n1 + 9.0 * (n2 - n4) + 1.0 * (n3 - n4)
    both = backend.predict_noise(
        noise.expand(2, -1, -1, -1), at.expand(2), 0, backend.encode_text(["rain", ""])
    )
    torch.testing.assert_close(both[0] + 9.0 * (both[0] - both[1]), four, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("attention", ATTENTIONS, ids=lambda attention: attention["kind"])
@pytest.mark.parametrize("sampler", [CLIP, CONCAT, FIFO], ids=lambda sampler: sampler["kind"])
def test_every_sampler_and_attention_combine(
    backend: VoiceLDMBackend, sampler: dict[str, Any], attention: dict[str, Any]
) -> None:
    request = asked(words_for(backend, sampler), sampler=sampler, attention=attention)
    made = sound(request, backend)
    assert made.shape == (round(2.56 * 16000),)
    assert np.isfinite(made).all()
    np.testing.assert_array_equal(made, sound(request, backend))
    other = asked(words_for(backend, sampler), sampler=sampler, attention=attention, prompt="a dog")
    assert np.abs(made - sound(other, backend)).max() > 1e-4, "the scene counts"
    if request.speech.text:
        silent = asked(sampler=sampler, attention=attention)
        assert np.abs(made - sound(silent, backend)).max() > 1e-4, "the words count"
    if attention is not DENSE:
        dense = asked(request.speech.text, sampler=sampler)
        assert np.abs(made - sound(dense, backend)).max() > 1e-5


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_curve_samples_it(backend: VoiceLDMBackend, strategy: str) -> None:
    sampler = {**FIFO, "strategy": strategy}
    made = sound(asked(words_for(backend, sampler), sampler=sampler), backend)
    assert made.shape == (round(2.56 * 16000),)
    assert np.isfinite(made).all()


@pytest.mark.parametrize("sampler", [FIFO, CLIP], ids=lambda sampler: sampler["kind"])
def test_scenes_change_along_a_lane(backend: VoiceLDMBackend, sampler: dict[str, Any]) -> None:
    text = words_for(backend, sampler)
    made = sound(asked(text, sampler=sampler, lane=LANE, lane_blend_s=0.5, guidance_scale=60.0), backend)
    plain = sound(asked(text, sampler=sampler, guidance_scale=60.0), backend)
    assert np.abs(made - plain).max() > 1e-4


def test_a_take_goes_on_from_its_save_point(backend: VoiceLDMBackend) -> None:
    request = asked(words_for(backend, FIFO), sampler=FIFO, duration_s=4.0)
    made, points = [], []
    for event in Renderer()(request, backend, CancelToken()):
        if isinstance(event, AudioChunk):
            made.append(event.samples)
        elif isinstance(event, SavePoint):
            points.append(event.checkpoint)
    whole, point = np.concatenate(made), points[len(points) // 2]
    again = EndlessCheckpoint.from_dict(point.to_dict())
    np.testing.assert_array_equal(sound(request, backend, FromCheckpoint(again)), whole[point.samples :])


def test_a_take_goes_on_from_a_recording(backend: VoiceLDMBackend) -> None:
    request = asked(words_for(backend, FIFO), sampler=FIFO, duration_s=5.0)
    made = sound(request, backend, FromRecording(recording(2.0)))
    assert np.isfinite(made).all()
    assert len(made) > 2 * 16000
