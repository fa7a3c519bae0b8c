"""The EnCodec recipe: audiocraft opens what it writes, and transformers hears the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from studio.backends.acoustic.audiocraft_shim import MISSING, is_installed
from studio.backends.acoustic.codec import FOLDER, load
from studio.backends.checkpoint import AUDIOGEN_FILES
from studio.recipes.data.clips import build_corpus
from studio.recipes.networks.encodec import (
    CODEBOOKS,
    CONFIG,
    build_encodec,
    save_audiocraft,
    train_encodec,
    transformers_config,
)
from studio.training.loop import LoopOptions

pytestmark = [pytest.mark.skipif(not is_installed(), reason=MISSING), pytest.mark.slow]


def sound(seconds: float = 1.0) -> torch.Tensor:
    samples = round(seconds * 16000)
    return 0.1 * torch.randn(2, 1, samples, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def codec() -> torch.nn.Module:
    """Random weights, codebooks drawn from what the encoder says."""
    torch.manual_seed(0)
    model = build_encodec().train()
    model(sound(4.0))
    return model.eval()


def test_the_recipe_runs_resumes_and_uses_its_codes(tmp_path: Path) -> None:
    corpus = build_corpus(tmp_path / "corpus", 12, workers=1)
    first = train_encodec(corpus, LoopOptions(tmp_path / "run", steps=5, log_every=1))
    made = first(sound()).codes
    assert made.shape == (2, CODEBOOKS, 50)
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert '"codes"' in log
    assert '"judge"' in log
    again = train_encodec(corpus, LoopOptions(tmp_path / "run", steps=5, log_every=1))
    assert torch.equal(again(sound()).codes, made)


def test_audiocraft_opens_the_file(codec: torch.nn.Module, tmp_path: Path) -> None:
    from audiocraft.models.loaders import load_compression_model

    save_audiocraft(codec, CONFIG, tmp_path / "compression_state_dict.bin")
    opened = load_compression_model(tmp_path, device="cpu")
    assert (opened.frame_rate, opened.sample_rate, opened.num_codebooks) == (50, 16000, CODEBOOKS)
    halved = build_encodec()
    halved.load_state_dict({name: value.half().float() for name, value in codec.state_dict().items()})
    codes = opened.encode(sound())[0]
    assert torch.equal(codes, halved.eval().encode(sound())[0])
    assert opened.decode_latent(codes).shape == (2, 128, 50)


@pytest.mark.parametrize("seconds", [1.0, 0.73])
def test_transformers_hears_the_same(codec: torch.nn.Module, tmp_path: Path, seconds: float) -> None:
    save_audiocraft(codec, CONFIG, tmp_path / AUDIOGEN_FILES[1])
    transformers_config().save_pretrained(tmp_path / FOLDER)
    theirs = load(tmp_path, "cpu")._model
    halved = {name: value.half().float() for name, value in codec.state_dict().items()}
    codec = build_encodec()
    codec.load_state_dict(halved)
    codec.eval()
    with torch.no_grad():
        codes = codec.encode(sound(seconds))[0]
        encoded = theirs.encode(sound(seconds), bandwidth=theirs.config.target_bandwidths[-1])
        assert torch.equal(encoded.audio_codes[0], codes)
        latents = theirs.quantizer.decode(codes.transpose(0, 1))
        torch.testing.assert_close(latents, codec.decode_latent(codes), atol=1e-5, rtol=1e-5)
        heard = theirs.decode(encoded.audio_codes, encoded.audio_scales)[0]
        torch.testing.assert_close(heard, codec.decode(codes), atol=1e-5, rtol=1e-4)
