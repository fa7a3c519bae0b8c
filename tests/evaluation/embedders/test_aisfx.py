"""aiSFX: the spectrogram that it was trained on, its network in float64, and what its authors' code says."""

from __future__ import annotations

import os
import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from studio.core.errors import ModelNotFoundError, WeightsError
from studio.evaluation.embedders.aisfx import LOUDEST, PACKAGE, AiSfxNet, blocks, log_mel
from studio.evaluation.embedders.base import knows_classes
from studio.evaluation.embedders.registry import load_embedder
from studio.evaluation.embedders.weights import put
from tests.evaluation.embedders.float64 import block, power, random_state

ASSETS = Path(__file__).resolve().parents[3] / "assets"
with_weights = pytest.mark.skipif(
    find_spec(PACKAGE) is None and os.environ.get("CI") != "true", reason="the package aisfx is not installed"
)


def sweeps(seconds: float = 4.0) -> np.ndarray:
    """A decaying sweep each second over noise, at 44.1 kHz."""
    t = np.arange(round(44100 * seconds)) / 44100
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(t))
    return (0.3 * np.sin(2 * np.pi * (200 + 300 * t) * t) * np.exp(-((t % 1) * 3)) + noise).astype(np.float32)


def test_the_spectrogram_is_essentias() -> None:
    """Numbers of Essentia 2.1 with the settings of the package's `spectrogram_essentia`."""
    mel = log_mel(torch.from_numpy(sweeps())).numpy()
    assert mel.shape == (174, 96)
    wanted = [
        [0.641564, 0.650789, 0.439867, 0.435367],
        [0.474289, 0.491966, 0.485557, 0.443212],
        [0.433334, 0.427240, 0.423364, 0.446192],
        [0.127030, 0.133696, 0.042574, 0.168816],
    ]
    np.testing.assert_allclose(mel[[0, 1, 50, 173]][:, [0, 1, 40, 95]], wanted, atol=2e-6)


def test_a_band_of_the_spectrogram_in_float64() -> None:
    """Triangles straight in HTK's mel, 2595 log₁₀(1 + f / 700), whose weights add up to 1."""
    samples = sweeps(0.3).astype(np.float64)
    ours = log_mel(torch.from_numpy(samples)).numpy()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2047)
    spectrum = power(np.pad(samples, (1024, 4096)), window, 1024)[: len(ours)]
    mel = 2595 * np.log10(1 + np.arange(1025) * 44100 / 2048 / 700)
    edges = np.linspace(0, 2595 * np.log10(1 + 22050 / 700), 98)
    for band in (0, 30, 95):
        left, top, right = edges[band : band + 3]
        weights = np.clip(np.minimum((mel - left) / (top - left), (right - mel) / (right - top)), 0, None)
        wanted = np.log10(1 + 1e4 * spectrum @ (weights / weights.sum())) / LOUDEST
        np.testing.assert_allclose(ours[:, band], wanted, atol=1e-8)


def test_the_network_in_float64() -> None:
    state = random_state(AiSfxNet(2))
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    network = put(lambda: AiSfxNet(2), tensors, "aiSFX", Path("a")).double()
    mel = np.random.default_rng(1).uniform(0, 1, (24, 16))
    x = mel[None]
    for i, size in enumerate((2, 2, 2, 1), start=1):
        x = block(x, state, f"conv_block{i}", size, "max")
    wanted = x.mean(axis=2).max(axis=1)
    ours = network(torch.from_numpy(mel)[None])[0].numpy()
    np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-6)  # the weights went through float32


def test_blocks_of_a_hundred_frames_half_anew() -> None:
    frames = torch.arange(249.0)[:, None].expand(-1, 96)
    assert blocks(frames)[:, [0, -1], 0].tolist() == [[0, 99], [50, 149], [100, 199]]
    alone = blocks(frames[:60] + 1)
    assert alone.shape == (1, 100, 96)
    assert alone[0, [59, 60], 0].tolist() == [60, 0]


@with_weights
def test_vectors_are_the_packages() -> None:
    """Of the package's own network, given Essentia's spectrogram."""
    aisfx = load_embedder("aisfx", assets=ASSETS)
    vectors = aisfx.embed(sweeps())
    assert vectors.shape == (2, aisfx.width)
    wanted = [
        [1.700800, 1.470652, 0.516773, 1.074551, 1.880025, 1.695251],
        [1.543171, 1.462794, 1.083062, 1.244339, 1.967077, 1.660496],
    ]
    np.testing.assert_allclose(vectors[:, [0, 1, 2, 100, 300, 511]], wanted, atol=1e-4)
    assert not knows_classes(aisfx)


def test_without_its_package_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.evaluation.embedders.weights.find_spec", lambda name: None)
    with pytest.raises(ModelNotFoundError, match="uv pip install --group aisfx"):
        load_embedder("aisfx", assets=ASSETS)


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"conv.weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match=r"other\.pth is not aiSFX's: it has no conv_block1"):
        load_embedder("aisfx", weights=str(path), assets=ASSETS)
    small = {f"embedding_net.{k}": v for k, v in AiSfxNet(2).state_dict().items()}
    torch.save((small, {"a": (0, np.int64(3))}), path)
    with pytest.raises(WeightsError, match=r"conv_block1\.conv1\.weight is \(2, 1, 3, 3\), not \(64"):
        load_embedder("aisfx", weights=str(path), assets=ASSETS)
    with pytest.raises(WeightsError, match="missing"):
        load_embedder("aisfx", weights=str(tmp_path / "none.pth"), assets=ASSETS)


class Harm:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_file_with_code_in_it_runs_none(tmp_path: Path) -> None:
    path, witness = tmp_path / "a.pth", tmp_path / "witness"
    torch.save({"state": Harm(witness)}, path)
    with pytest.raises(WeightsError):
        load_embedder("aisfx", weights=str(path), assets=ASSETS)
    path.write_bytes(pickle.dumps(Harm(witness)))
    with pytest.raises(WeightsError):
        load_embedder("aisfx", weights=str(path), assets=ASSETS)
    assert not witness.exists()
