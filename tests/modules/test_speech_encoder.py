"""SpeechT5's text encoder: transformers' own up to its table's end, and the same sinusoids beyond."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import SpeechT5Config
from transformers.models.speecht5.modeling_speecht5 import SpeechT5EncoderWithTextPrenet

from studio.modules.speech_encoder import MAX_TOKENS, SpeechEncoder, sinusoids

WIDTH = 12


def config(**others: int) -> SpeechT5Config:
    return SpeechT5Config(
        vocab_size=20, hidden_size=WIDTH, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=16,
        encoder_max_relative_position=6, max_text_positions=40, **others,
    )  # fmt: skip


@pytest.fixture
def encoder() -> SpeechEncoder:
    torch.manual_seed(0)
    encoder = SpeechEncoder(config()).eval()
    with torch.no_grad():
        encoder.prenet.encode_positions.alpha.fill_(0.7)
    return encoder


def test_positions_are_sinusoids_up_to_a_thousand():
    table = sinusoids(MAX_TOKENS, 8)
    assert table.shape == (1000, 8)
    for place in (0, 1, 17, 600, 999):
        for pair in range(4):
            angle = place / 10000 ** (2 * pair / 8)
            assert table[place, 2 * pair] == pytest.approx(math.sin(angle), abs=1e-4)
            assert table[place, 2 * pair + 1] == pytest.approx(math.cos(angle), abs=1e-4)


@torch.no_grad()
def test_it_is_transformers_own(encoder):
    own = SpeechT5EncoderWithTextPrenet(config()).eval()
    assert set(own.state_dict()) == set(encoder.state_dict())
    own.load_state_dict(encoder.state_dict(), strict=True)
    ids = torch.arange(30).reshape(2, 15) % 16 + 2
    mask = torch.ones(2, 15, dtype=torch.long)
    mask[1, 9:] = 0
    expected = own(ids, attention_mask=mask, return_dict=True).last_hidden_state
    torch.testing.assert_close(encoder(ids, mask), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_long_texts_are_read_where_transformers_own_gives_up(encoder):
    ids = torch.arange(900)[None] % 16 + 2
    mask = torch.ones_like(ids)
    made = encoder(ids, mask)
    assert made.shape == (1, 900, WIDTH)
    own = SpeechT5EncoderWithTextPrenet(config()).eval()
    with pytest.raises(RuntimeError):
        own(ids, attention_mask=mask)
    stretched = config()
    stretched.max_text_positions = MAX_TOKENS
    own = SpeechT5EncoderWithTextPrenet(stretched).eval()
    own.load_state_dict(encoder.state_dict(), strict=True)
    expected = own(ids, attention_mask=mask, return_dict=True).last_hidden_state
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_padding_is_not_read(encoder):
    ids = torch.arange(9)[None] + 2
    alone = encoder(ids, torch.ones_like(ids))
    padded = torch.cat([ids, torch.full((1, 5), 7)], dim=1)
    beside = encoder(padded, (torch.arange(14) < 9).long()[None])
    torch.testing.assert_close(beside[:, :9], alone, atol=1e-5, rtol=0)


def test_gradients_reach_every_weight(encoder):
    ids = torch.arange(9)[None] + 2
    encoder(ids, torch.ones_like(ids)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_it_has_the_published_size():
    with torch.device("meta"):
        encoder = SpeechEncoder(SpeechT5Config(vocab_size=81))
    assert sum(parameter.numel() for parameter in encoder.parameters()) / 1e6 == pytest.approx(
        85.14, abs=5e-3
    )
    assert encoder.wrapped_encoder.embed_positions.pe_k.weight.shape == (320, 64)
