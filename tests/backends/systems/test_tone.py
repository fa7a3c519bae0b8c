"""The backend without weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from studio.backends.base import Backend, Conditioning, Tokens
from studio.backends.systems.tone import ToneBackend, clean_latents, tone


def test_is_a_backend() -> None:
    assert isinstance(ToneBackend(), Backend)
    assert ToneBackend().attention_layers() == ()


def test_noise_is_the_exact_one_per_item_and_per_frame() -> None:
    backend = ToneBackend()
    conditioning = backend.encode_text(["rain", ""])
    clean = clean_latents(backend.geometry, 100, 8).float()
    noise = torch.randn(2, 8, 8, 16, generator=torch.Generator().manual_seed(0))
    for timesteps in (torch.tensor([981, 41]), torch.arange(1, 801, 100).expand(2, 8)):
        alpha_bar = backend.schedule.alpha_bar(timesteps).float()
        shape = (2, 1, 1, 1) if timesteps.dim() == 1 else (2, 1, 8, 1)
        alpha_bar = alpha_bar.reshape(shape)
        noisy = alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise
        torch.testing.assert_close(
            backend.predict_noise(noisy, timesteps, 100, conditioning), noise, atol=1e-4, rtol=0
        )


def test_pieces_join_to_one_sine() -> None:
    backend = ToneBackend()
    stream = backend.stream_decoder()
    parts = [stream.push(torch.zeros(1, 8, frames, 16)) for frames in (3, 1, 40, 7)]
    whole = backend.decode(torch.zeros(1, 8, 51, 16))
    np.testing.assert_array_equal(np.concatenate([*parts, stream.flush()]), whole)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(whole)) / 16000)
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    np.testing.assert_array_equal(tone(16000 * 3600 * 20 + 5, 10, 16000), tone(5, 10, 16000))


def test_prompts_differ() -> None:
    pooled = ToneBackend().encode_text(["rain", "wind", ""]).pooled
    assert pooled is not None
    assert len(pooled.unique(dim=0)) == 3


def test_what_was_said_to_another_kind_of_model_has_no_vector() -> None:
    with pytest.raises(ValueError, match="another system's"):
        _ = Conditioning(text=(Tokens(torch.zeros(1, 2, 3)),)).vector


def test_tokens_without_a_mask_all_count() -> None:
    assert torch.equal(Tokens(torch.zeros(2, 3, 4)).counted, torch.ones(2, 3, dtype=torch.long))
    mask = torch.tensor([[1, 0]])
    assert Tokens(torch.zeros(1, 2, 4), mask).counted is mask


def test_a_draft_is_taken_along_with_its_text() -> None:
    text = Conditioning(text=(Tokens(torch.arange(3.0)[:, None, None]),))
    heard = text.with_acoustic(Tokens(10 + torch.arange(3.0)[:, None, None]))
    assert text.acoustic is None
    chosen = heard.take(torch.tensor([2, 0]))
    assert chosen.text[0].states.flatten().tolist() == [2, 0]
    assert chosen.acoustic is not None
    assert chosen.acoustic.states.flatten().tolist() == [12, 10]
