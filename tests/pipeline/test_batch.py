"""Clips side by side sound as they do alone, whatever their prompts, seeds, drafts and attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.backends.base import Conditioning, Tokens
from studio.backends.systems import audioldm, audioldm2, dcldm, tango, voiceldm
from studio.backends.systems.tone import ToneBackend
from studio.core.errors import CancelledError, InvalidRequestError
from studio.core.request import GenerationRequest, parse_request
from studio.pipeline.batch import Clip, clip_events, render_clips
from studio.pipeline.cancel import CancelToken
from studio.pipeline.collect import render_samples
from studio.pipeline.drafts import AcousticModelPool, Drafts
from studio.pipeline.renderer import Renderer
from studio.testing import FakeBackend
from tests.backends.conftest import make_dcldm, make_pipeline, make_pipeline2, make_tango, make_voiceldm, wake
from tests.pipeline.drafting_fakes import FakeDrafter
from tests.pipeline.test_attention import LITE, MERGING, Unet

PROMPTS = ("rain", "a dog and a heavy rain", "wind")
CLIP = {"kind": "clip", "steps": 3}


class Counting(FakeBackend):
    """Counts the items of each forward."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def predict_noise(
        self, latents: torch.Tensor, timesteps: torch.Tensor, start_frame: int, conditioning: Conditioning
    ) -> torch.Tensor:
        self.batches.append(len(latents))
        return super().predict_noise(latents, timesteps, start_frame, conditioning)


def heard(latents: torch.Tensor) -> np.ndarray:
    """An untrained vocoder says the same to all: hear the latents."""
    return latents.flatten().numpy()


def wanted(**values: Any) -> list[GenerationRequest]:
    """One request a prompt, alike in `values`."""
    start = {"duration_s": 0.64, "sampler": CLIP, "guidance_scale": 3.0}
    return [
        parse_request(**{**start, "prompt": prompt, "seed": seed, **values})
        for seed, prompt in enumerate(PROMPTS, start=3)
    ]


def alone(requests: list[GenerationRequest], backend: Any, drafts: Drafts | None = None) -> list[np.ndarray]:
    return [render_samples(Renderer(drafts), request, backend) for request in requests]


def assert_alike(batch: list[np.ndarray], singles: list[np.ndarray]) -> None:
    assert len(batch) == len(singles)
    for number, (one, other) in enumerate(zip(batch, singles, strict=True)):
        np.testing.assert_allclose(one, other, atol=2e-4)
        assert all(np.abs(one - next_).max() > 0.01 for next_ in batch[number + 1 :]), "each its own"


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_clip_of_a_batch_is_the_clip_alone(scale: float) -> None:
    backend, requests = Counting(), wanted(guidance_scale=scale)
    batch = render_clips(requests, backend)
    assert backend.batches == [3 if scale == 1.0 else 6] * 3, "one forward a step"
    assert_alike(batch, alone(requests, backend))


def test_each_draws_by_its_own_seed_where_steps_add_noise() -> None:
    ancestral = {**CLIP, "method": "ddpm"}
    requests = wanted(sampler=ancestral)
    batch = render_clips(requests, Counting())
    assert_alike(batch, alone(requests, Counting()))
    for one, plain in zip(batch, render_clips(wanted(), Counting()), strict=True):
        assert np.abs(one - plain).max() > 0.01
    backend = Counting()
    shape = (1, backend.geometry.channels, backend.geometry.frames(0.64), backend.geometry.bands)
    begun = torch.cat([torch.randn(shape, generator=torch.Generator().manual_seed(3 + n)) for n in range(3)])
    for one, other in zip(batch, render_clips(requests, backend, latents=begun), strict=True):
        np.testing.assert_array_equal(one, other, "what steps draw does not follow from who drew the start")


def test_clips_of_two_samplers_are_not_made_side_by_side() -> None:
    requests = [wanted()[0], wanted(sampler={**CLIP, "method": "ddpm"})[1]]
    with pytest.raises(InvalidRequestError, match="sampler differs"):
        render_clips(requests, Counting())


def test_a_lane_is_followed_by_each() -> None:
    lane = [{"at_s": 0.2, "prompt": "thunder"}]
    requests = wanted(lane=lane, lane_blend_s=0.2)
    assert_alike(render_clips(requests, Counting()), alone(requests, Counting()))
    assert np.abs(render_clips(requests, Counting())[0] - render_clips(wanted(), Counting())[0]).max() > 0.01


@pytest.mark.parametrize("attention", [LITE, MERGING])
def test_each_attends_sparsely_by_its_own_seed(attention: dict[str, Any]) -> None:
    requests = wanted(attention=attention)
    assert_alike(render_clips(requests, Unet()), alone(requests, Unet()))


@pytest.mark.slow
def test_real_systems_read_prompts_of_unequal_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pipeline(tmp_path).save_pretrained(tmp_path / "tiny")
    make_pipeline2(tmp_path).save_pretrained(tmp_path / "tiny2")
    for backend in (
        audioldm.load(tmp_path / "tiny", "cpu", "float32"),
        audioldm2.load(tmp_path / "tiny2", "cpu", "float32"),
        tango.load(make_tango(tmp_path / "tango"), "cpu", "float32"),
        voiceldm.load(make_voiceldm(tmp_path / "voice"), "cpu", "float32"),
        voiceldm.load(make_voiceldm(tmp_path / "band", band=4), "cpu", "float32"),
    ):
        monkeypatch.setattr(backend, "decode", heard)
        for requests in (wanted(), wanted(lane=[{"at_s": 0.2, "prompt": "thunder"}])):
            assert_alike(render_clips(requests, backend), alone(requests, backend))
        backend.unload()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoding", "own", "method"),
    [
        *((encoding, {}, "ddim") for encoding in ("AG", "AG_VAE")),
        *((encoding, {"acoustic_scale": 2.0}, "ddim") for encoding in ("AG", "AG_VAE")),
        *(("AG", {"strength": 0.5}, method) for method in ("ddim", "ddpm")),
        ("AG_VAE", {"strength": 0.5}, "ddim"),
    ],
)
def test_each_hears_its_own_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: dict[str, Any], encoding: str, method: str
) -> None:
    folder = wake(make_dcldm(make_tango(tmp_path / "tango"), tmp_path / "dual"), encoding)
    backend, drafter = dcldm.load(folder, "cpu", "float32"), FakeDrafter()
    monkeypatch.setattr(backend, "decode", heard)
    drafts = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), tmp_path)
    sampler = {**CLIP, "method": method}
    requests = wanted(mode="dual", draft={"kind": "audiogen", **own}, sampler=sampler)
    batch = render_clips(requests, backend, drafts=drafts)
    assert_alike(batch, alone(requests, backend, drafts))
    plain = render_clips(wanted(mode="dual"), backend)
    assert all((one != other).any() for one, other in zip(batch, plain, strict=True))
    backend.unload()


def test_none_is_none() -> None:
    assert render_clips([], Counting()) == []


def test_noise_may_be_given() -> None:
    backend, requests = Counting(), wanted()
    shape = (1, 8, 16, 16)
    noise = torch.cat([torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in (5, 3, 4)])
    batch = render_clips(requests, backend, latents=noise)
    moved = [
        request.model_copy(update={"seed": seed}) for request, seed in zip(requests, (5, 3, 4), strict=True)
    ]
    assert_alike(batch, alone(moved, backend))


def test_texts_take_the_prompts_place_and_may_be_empty() -> None:
    """Guided towards the empty text, from the empty text: the model without any."""
    backend = Counting()
    batch = render_clips(wanted(), backend, texts=["", "wind", "hail"])
    unconditional = alone(wanted(guidance_scale=0.0), backend)
    np.testing.assert_allclose(batch[0], unconditional[0], atol=1e-5)
    np.testing.assert_allclose(batch[1], alone(wanted(prompt="wind"), backend)[1], atol=1e-5)


def test_a_stop_is_noticed_at_the_next_step() -> None:
    cancel, backend = CancelToken(), Counting()
    events = clip_events(wanted(), backend, cancel=cancel)
    assert next(events).step == 1  # type: ignore[union-attr]
    cancel.set()
    with pytest.raises(CancelledError):
        next(events)
    assert len(backend.batches) == 1


def test_what_is_not_wanted_is_denoised_beside_the_others_and_not_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend, decoded = Counting(), []
    decode = backend.decode
    monkeypatch.setattr(backend, "decode", lambda latents: (decoded.append(1), decode(latents))[1])
    whole = render_clips(wanted(), backend)
    decoded.clear()
    [clip] = [event for event in clip_events(wanted(), backend, decoded={1}) if isinstance(event, Clip)]
    assert clip.index == 1
    assert len(decoded) == 1
    np.testing.assert_array_equal(clip.samples, whole[1])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"duration_s": 1.28}, "duration_s differs"),
        ({"guidance_scale": 2.0}, "guidance_scale differs"),
        ({"sampler": {"kind": "clip", "steps": 4}}, "sampler differs"),
        ({"draft": {"kind": "audiogen"}}, "the draft or the words steer differs"),
        ({"sampler": {"kind": "endless"}}, "clip sampler"),
    ],
)
def test_what_is_not_alike_is_refused(other: dict[str, Any], said: str) -> None:
    requests = [*wanted(), *wanted(**other)]
    with pytest.raises(InvalidRequestError, match=said):
        render_clips(requests, Counting())


def test_a_draft_that_nothing_makes_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="nothing here that makes drafts"):
        render_clips(wanted(mode="dual", draft={"kind": "audiogen"}), Counting())


@pytest.mark.parametrize("given", [{"latents": torch.zeros(2, 8, 16, 16)}, {"texts": ["rain"]}])
def test_as_many_are_given_as_there_are_clips(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="for 3 clips"):
        render_clips(wanted(), Counting(), **given)


def test_joined_tokens_are_masked_where_they_are_padded() -> None:
    short, long = torch.ones(1, 2, 3), 2 * torch.ones(2, 4, 3)
    joined = Tokens.join([Tokens(short), Tokens(long, torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]]))])
    assert joined.states[:, :, 0].tolist() == [[1, 1, 0, 0], [2] * 4, [2] * 4]
    assert joined.mask is not None
    assert joined.mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert Tokens.join([Tokens(short), Tokens(short)]).mask is None


def test_a_take_without_an_end_is_never_whole() -> None:
    endless = parse_request(prompt="rain", duration_s=None)
    with pytest.raises(InvalidRequestError, match="give seconds"):
        render_samples(Renderer(), endless, ToneBackend())
