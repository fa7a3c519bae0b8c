"""The fake that speaks: what it says is in its latents, at its place where it has a band."""

from __future__ import annotations

import pytest
import torch

from studio.backends.base import Backend, Conditioning, Tokens, speaks
from studio.samplers.ddim import ddim_sample
from studio.testing import FakeBackend, FakeSpeakingBackend


@pytest.fixture(params=[8, None], ids=["band", "published"])
def backend(request: pytest.FixtureRequest) -> FakeSpeakingBackend:
    return FakeSpeakingBackend(content_band=request.param)


def noise(frames: int) -> torch.Tensor:
    return torch.randn(1, 8, frames, 16, generator=torch.Generator().manual_seed(0))


def saying(backend: FakeSpeakingBackend, content: torch.Tensor) -> Conditioning:
    return Conditioning(backend.encode_text(["rain"]).pooled, (Tokens(content),))


def test_it_speaks_and_the_other_does_not(backend: FakeSpeakingBackend) -> None:
    assert isinstance(backend, Backend)
    assert speaks(backend)
    assert not speaks(FakeBackend())


def test_a_sentence_lasts_as_its_letters_and_ends_in_silence(backend: FakeSpeakingBackend) -> None:
    said = backend.encode_speech(["go", "stop", ""])
    assert said.mask is None
    assert said.states.shape == (3, 8, 16)
    assert torch.equal(said.states[0, :4], backend.speech_frames("go"))
    assert torch.equal(said.states[0, 4:], backend.silence.expand(4, -1))
    assert torch.equal(said.states[1], backend.speech_frames("stop"))
    assert torch.equal(backend.encode_speech(["_"]).states, backend.encode_speech([""]).states)
    nothing = backend.speech_frames("")
    assert len(nothing) == (0 if backend.content_band else 2)
    assert backend.encode_text(["rain", "wind"]).text[0].states.shape[0] == 2


def test_what_is_said_is_heard(backend: FakeSpeakingBackend) -> None:
    at, latents = torch.tensor([300]), noise(12)
    said = torch.cat([backend.speech_frames("ab"), backend.silence.expand(8, -1)])[None]
    other = torch.cat([backend.speech_frames("ac"), backend.silence.expand(8, -1)])[None]
    first, second = (backend.predict_noise(latents, at, 5, saying(backend, each)) for each in (said, other))
    changed = ((first - second).abs().amax(dim=(0, 1, 3)) > 1e-3).nonzero()[:, 0].tolist()
    assert changed == (
        [1, 2, 3, 4] if backend.content_band else list(range(12))
    )  # a frame leans on its neighbours


def test_clean_latents_are_around_the_scene_and_the_words() -> None:
    backend = FakeSpeakingBackend()
    content = backend.encode_speech(["the storm will reach the coast"]).states
    text = saying(backend, content)
    made = ddim_sample(
        lambda *told: backend.predict_noise(*told, text),
        backend.schedule,
        noise(content.shape[1]),
        30,
        None,
        9,
    )
    mean = backend.mean(text.vector, 9, content.shape[1])
    with_words = (made - mean - backend.said(content, content.shape[1])).square().mean()
    assert with_words < (made - mean).square().mean()


def test_one_frame_of_content_is_that_frame_everywhere(backend: FakeSpeakingBackend) -> None:
    one = backend.speech_frames("a")[None, :1]
    at, latents = torch.tensor([300]), noise(12)
    first, second = (
        backend.predict_noise(latents, at, 5, saying(backend, each)) for each in (one, one.expand(-1, 12, -1))
    )
    torch.testing.assert_close(first, second)


def test_content_of_another_length_is_refused_where_there_is_a_band() -> None:
    content = FakeSpeakingBackend().encode_speech(["five."]).states
    with pytest.raises(ValueError, match="10 content frames for 12 frames"):
        FakeSpeakingBackend().predict_noise(
            noise(12), torch.tensor([300]), 5, saying(FakeSpeakingBackend(), content)
        )
    free = FakeSpeakingBackend(content_band=None)
    free.predict_noise(noise(12), torch.tensor([300]), 5, saying(free, content))
