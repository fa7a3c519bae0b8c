"""VGGish without its weights: published names and shapes, and the network and its spectrogram in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.core.errors import ModelNotFoundError
from studio.evaluation.embedders.registry import load_embedder
from studio.evaluation.embedders.vggish import OFFSET, VggishNet, log_mel
from studio.evaluation.embedders.weights import put
from tests.evaluation.embedders.float64 import conv, pool, power, random_state

SMALL = {"widths": (2, 2, 3, 2, 2, 2), "hidden": 5, "width": 3}
CONVOLUTIONS = {0: True, 3: True, 6: False, 8: True, 11: False, 13: True}  # and whether a pool follows


def test_names_and_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        state = {name: tuple(value.shape) for name, value in VggishNet().state_dict().items()}
    channels = 1
    for i, width in zip(CONVOLUTIONS, (64, 128, 256, 256, 512, 512), strict=True):
        assert state.pop(f"features.{i}.weight") == (width, channels, 3, 3)
        assert state.pop(f"features.{i}.bias") == (width,)
        channels = width
    for i, (out, into) in {0: (4096, 12288), 2: (4096, 4096), 4: (128, 4096)}.items():
        assert state.pop(f"embeddings.{i}.weight") == (out, into)
        assert state.pop(f"embeddings.{i}.bias") == (out,)
    assert not state


def test_the_network_in_float64() -> None:
    state = random_state(VggishNet(**SMALL))  # type: ignore[arg-type]
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    network = put(lambda: VggishNet(**SMALL), tensors, "VGGish", Path("a")).double()  # type: ignore[arg-type]
    mel = np.random.default_rng(1).normal(-2, 1, (96, 64))
    x = mel[None]
    for i, pooled in CONVOLUTIONS.items():
        x = np.maximum(conv(x, state[f"features.{i}.weight"], state[f"features.{i}.bias"]), 0)
        x = pool(x, "max") if pooled else x
    assert x.shape == (2, 6, 4)
    y = np.array([x[c, t, f] for t in range(6) for f in range(4) for c in range(2)])
    for i in (0, 2, 4):
        y = state[f"embeddings.{i}.weight"] @ y + state[f"embeddings.{i}.bias"]
        y = y if i == 4 else np.maximum(y, 0)
    ours = network(torch.from_numpy(mel)[None])[0].numpy()
    np.testing.assert_allclose(ours, y, rtol=1e-5, atol=1e-5)


def test_the_spectrogram_in_float64() -> None:
    """Magnitudes through HTK's triangles, which are straight in mel and reach 1."""
    samples = np.random.default_rng(0).standard_normal(2000) * 0.1
    ours = log_mel(torch.from_numpy(samples)).numpy()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    spectrum = np.sqrt(power(samples, window, 160, 512))
    assert ours.shape == (11, 64) == (len(spectrum), 64)
    mel = 1127 * np.log(1 + np.arange(257) * 16000 / 512 / 700)
    edges = np.linspace(1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700), 66)
    for band in (0, 30, 63):
        left, top, right = edges[band : band + 3]
        triangle = np.clip(np.minimum((mel - left) / (top - left), (right - mel) / (right - top)), 0, None)
        np.testing.assert_allclose(ours[:, band], np.log(spectrum @ triangle + OFFSET), atol=1e-6)


def test_examples_of_less_than_a_second(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in VggishNet().state_dict().items()}
    torch.save({name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}, tmp_path / "v.pth")
    vggish = load_embedder("vggish", weights=str(tmp_path / "v.pth"), assets=tmp_path)
    for seconds, examples in ((0.2, 1), (1.0, 1), (2.0, 2), (10.0, 10)):
        assert vggish.embed(np.zeros(round(16000 * seconds), np.float32)).shape == (examples, 128)


def test_without_weights_it_says_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ModelNotFoundError, match=r"torchvggish/releases: put vggish-10086976\.pth into"):
        load_embedder("vggish", assets=tmp_path)
