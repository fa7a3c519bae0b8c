"""A latent backend at 48 kHz: the same networks, another geometry, and what extends behind the vocoder."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from studio.backends.base import Geometry, at_bandwidth
from studio.backends.capabilities import Capabilities
from studio.backends.catalog import create_backend
from studio.backends.decode import BlockDecoder, BlockPlan, decode_whole, vocoder_context
from studio.backends.extension import FOLDER, load_extension
from studio.backends.latent import LatentBackend, SoundNetworks
from studio.backends.systems.audioldm import load
from studio.core.errors import InvalidRequestError, ModelNotFoundError
from studio.core.request import ModelChoice
from studio.core.settings import Settings
from studio.dsp.resample import decimate
from studio.testing import FakeBackend

FRAMES = 60


class Tripled:
    """Stands in for the network: a line through the samples, and above it what three mel frames on each side
    say.
    """

    @staticmethod
    def context(vocoder: int) -> int:
        return vocoder + 3

    def __call__(self, mel: Tensor, samples: Tensor) -> Tensor:
        count = 480 * mel.shape[1]
        line = functional.interpolate(samples[:, None, : count // 3], scale_factor=3, mode="nearest")[:, 0]
        around = functional.avg_pool1d(mel.mean(-1)[:, None], 7, 1, 3, count_include_pad=False)[:, 0]
        above = torch.cos(torch.pi * torch.arange(count)) * 1e-2  # the highest there is
        return line + around.repeat_interleave(480, dim=1) * above


@pytest.fixture(scope="module")
def backend(tiny_folder: Path) -> LatentBackend:
    loaded = load(tiny_folder)
    loaded.extend_by(lambda device: Tripled())
    return loaded


@pytest.fixture(scope="module")
def latents() -> Tensor:
    return torch.randn(1, 8, FRAMES, 16, generator=torch.Generator().manual_seed(4))


def test_it_is_the_same_model_with_other_samples(backend: LatentBackend, latents: Tensor) -> None:
    extended = backend.at("48k")
    multiple = backend.geometry.frame_multiple
    assert extended.geometry == Geometry(48000, hop_samples=1920, frame_multiple=multiple)
    assert extended.geometry.frame_rate == backend.geometry.frame_rate == 25
    assert extended.unet is backend.unet
    assert type(extended) is type(backend)
    assert extended.at("48k") is backend.at("48k") is extended
    assert extended.at("16k") is backend.at("16k") is backend
    sound, wide = backend.decode(latents), extended.decode(latents)
    assert len(wide) == 3 * len(sound) == 1920 * FRAMES
    np.testing.assert_allclose(wide.reshape(-1, 3).mean(axis=1), sound, atol=0.05)
    np.testing.assert_array_equal(extended.preview(latents), backend.preview(latents))


class Pointwise:
    """Decodes frame by frame, so that only what lies behind the VAE sees its neighbours."""

    def __init__(self, sound: SoundNetworks) -> None:
        self.vocode = sound.vocode

    def decode_mel(self, latents: Tensor) -> Tensor:
        frames = latents.permute(0, 2, 1, 3).reshape(1, 4 * latents.shape[2], 32)
        return frames.repeat(1, 1, 2) - 3


def joined(decoder: BlockDecoder, latents: Tensor) -> np.ndarray:
    return np.concatenate([*(decoder.push(part) for part in latents.split(5, dim=2)), decoder.flush()])


def test_its_stream_is_the_whole(backend: LatentBackend, latents: Tensor) -> None:
    extended = backend.at("48k")
    networks, plan = Pointwise(extended._sound), BlockPlan(first=2, block=4, past=2, future=1, fade=1)
    whole = decode_whole(networks, latents, 1920)
    own = vocoder_context(extended._sound.vocoder.config)
    stream = joined(BlockDecoder(networks, plan, Tripled.context(own), 1920), latents)
    np.testing.assert_allclose(stream, whole, atol=2e-5)
    assert extended.stream_decoder()._context == Tripled.context(own)
    narrow = joined(BlockDecoder(networks, plan, 2, 1920), latents)
    assert np.abs(narrow - whole).max() > 1e-4


def test_a_stream_goes_on_from_a_saved_state(backend: LatentBackend, latents: Tensor) -> None:
    first, second = (backend.at("48k").stream_decoder() for _ in range(2))
    whole = joined(backend.at("48k").stream_decoder(), latents)
    begun = first.push(latents[:, :, :50])
    second.load_state_dict(first.state_dict())
    rest = [second.push(latents[:, :, 50:]), second.flush()]
    np.testing.assert_allclose(np.concatenate([begun, *rest]), whole, atol=1e-6)


def test_what_it_hears_is_brought_down_first(backend: LatentBackend) -> None:
    """Sound of 48 kHz has the latents of the same sound at 16, whatever lies above."""
    noise = 0.1 * np.random.default_rng(1).standard_normal(1920 * 30).astype(np.float32)
    at_16k = decimate(noise, 3)
    own = backend.encode_audio(at_16k)
    high = 0.1 * np.cos(np.pi * 5 / 6 * np.arange(1920 * 30)).astype(np.float32)  # 20 kHz
    heard = backend.at("48k").encode_audio(noise + high)
    assert heard.shape == own.shape == (1, 8, 30, 16)
    inner = slice(2, -2)
    assert (heard - own)[:, :, inner].abs().mean() < 0.1 * own[:, :, inner].abs().mean()


def test_who_cannot_says_so_in_one_sentence(backend: LatentBackend, tmp_path: Path) -> None:
    one_band = FakeBackend()
    one_band.capabilities = Capabilities(text="pooled")
    assert at_bandwidth(one_band, "16k") is one_band
    with pytest.raises(InvalidRequestError, match="16 kHz alone"):
        at_bandwidth(one_band, "48k")
    with pytest.raises(ModelNotFoundError, match=r"not in pocket: reinstall Longwave, or choose 16 kHz\.$"):
        load_extension(tmp_path / FOLDER, torch.device("cpu"))


def test_a_mel_of_another_kind_is_refused(tiny_folder: Path) -> None:
    other = load(tiny_folder)
    with pytest.raises(InvalidRequestError, match="nothing here that extends"):
        other.at("48k")
    other.extend_by(lambda device: Tripled())
    other.geometry = replace(other.geometry, hop_samples=320)
    with pytest.raises(InvalidRequestError, match="mel being of another kind"):
        other.at("48k")


def test_unloaded_it_keeps_nothing(tiny_folder: Path) -> None:
    gone = load(tiny_folder)
    gone.extend_by(lambda device: Tripled())
    vocoder = weakref.ref(gone.at("48k")._sound.vocoder)
    gone.unload()
    gc.collect()
    assert vocoder() is None


def test_the_catalog_says_where_the_network_lies(tiny_folder: Path, tmp_path: Path) -> None:
    loaded = create_backend(ModelChoice(id=str(tiny_folder)), Settings(assets=tmp_path))
    with pytest.raises(ModelNotFoundError, match="What extends sound"):
        at_bandwidth(loaded, "48k")
