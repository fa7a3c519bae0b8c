"""PANNs' Cnn14 without its weights: published names and shapes, and all of it once more in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.core.errors import ModelNotFoundError, WeightsError
from studio.evaluation.embedders.base import knows_classes
from studio.evaluation.embedders.panns import FLOOR, VARIANTS, Cnn14, log_mel
from studio.evaluation.embedders.registry import load_embedder
from studio.evaluation.embedders.weights import put
from tests.evaluation.embedders.float64 import block, norm, power, random_state

SMALL = {"widths": (2, 2, 3, 2, 2, 3), "classes": 4}


def test_names_and_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        state = {name: tuple(value.shape) for name, value in Cnn14().state_dict().items()}
    channels = 1
    for i, width in enumerate((64, 128, 256, 512, 1024, 2048), start=1):
        assert state[f"conv_block{i}.conv1.weight"] == (width, channels, 3, 3)
        assert state[f"conv_block{i}.conv2.weight"] == (width, width, 3, 3)
        assert state[f"conv_block{i}.bn2.running_var"] == (width,)
        channels = width
    assert state["bn0.weight"] == (64,)
    assert state["fc1.weight"] == (2048, 2048)
    assert state["fc_audioset.weight"] == (527, 2048)
    learnt = [np.prod(s) for name, s in state.items() if "running" not in name and "num_" not in name]
    assert sum(learnt) == 80_753_615  # as its authors count them


def test_the_network_in_float64() -> None:
    state = random_state(Cnn14(**SMALL))  # type: ignore[arg-type]
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    network = put(lambda: Cnn14(**SMALL), tensors, "PANNs", Path("a")).double()  # type: ignore[arg-type]
    mel = np.random.default_rng(1).normal(-30, 20, (45, 64))
    x = norm(mel.T, state, "bn0").T[None]
    for i in range(1, 7):
        x = block(x, state, f"conv_block{i}", 1 if i == 6 else 2, "avg")
    x = x.mean(axis=2)
    x = x.max(axis=1) + x.mean(axis=1)
    wanted = np.maximum(state["fc1.weight"] @ x + state["fc1.bias"], 0)
    embedding, logits = network(torch.from_numpy(mel)[None])
    np.testing.assert_allclose(embedding[0].numpy(), wanted, rtol=1e-5, atol=1e-5)
    scores = state["fc_audioset.weight"] @ wanted + state["fc_audioset.bias"]
    np.testing.assert_allclose(logits[0].numpy(), scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", list(VARIANTS))
def test_the_spectrogram_in_float64(name: str) -> None:
    """librosa's: power through Slaney's triangles, which have the area 1 over Hz, in dB."""
    variant = VARIANTS[name]
    samples = np.random.default_rng(0).standard_normal(4000) * 0.1
    ours = log_mel(torch.from_numpy(samples), variant).numpy()
    half = variant.window // 2
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(variant.window) / variant.window)
    spectrum = power(np.pad(samples, half, mode="reflect"), window, variant.hop)
    assert ours.shape == (4000 // variant.hop + 1, 64) == (len(spectrum), 64)

    def mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + np.log(hz / 1000) / (np.log(6.4) / 27)

    def hz(at: float) -> float:
        return at * 200 / 3 if at < 15 else 1000 * np.exp((at - 15) * np.log(6.4) / 27)

    edges = [hz(at) for at in np.linspace(mel(50.0), mel(variant.highest_hz), 66)]
    bins = np.arange(half + 1) * variant.sample_rate / variant.window
    for band in (0, 20, 63):
        left, top, right = edges[band : band + 3]
        triangle = np.clip(np.minimum((bins - left) / (top - left), (right - bins) / (right - top)), 0, None)
        wanted = 10 * np.log10(np.maximum(spectrum @ triangle * 2 / (right - left), FLOOR))
        np.testing.assert_allclose(ours[:, band], wanted, atol=1e-6)


def saved(path: Path, **changed: torch.Tensor) -> str:
    with torch.device("meta"):
        shapes = {name: (value.shape, value.dtype) for name, value in Cnn14().state_dict().items()}
    state = {name: torch.zeros((), dtype=dtype).expand(shape) for name, (shape, dtype) in shapes.items()}
    state |= {"spectrogram_extractor.stft.conv_real.weight": torch.zeros(1), **changed}
    torch.save({"model": state}, path)
    return str(path)


def test_a_clip_is_heard_as_a_whole(tmp_path: Path) -> None:
    place = saved(tmp_path / "a.pth", **{"fc_audioset.bias": torch.arange(527.0)})
    panns = load_embedder("panns-16k", weights=place, assets=tmp_path)
    assert knows_classes(panns)
    for seconds in (0.1, 3.0):
        vectors, logits = panns.both(np.zeros(round(seconds * 16000), np.float32))
        assert vectors.shape == (1, panns.width)
        np.testing.assert_array_equal(logits, np.arange(527.0))
    assert len(panns.labels) == 527


def test_what_is_not_its_weights_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(ModelNotFoundError, match=r"put Cnn14_mAP=0\.431\.pth into"):
        load_embedder("panns", assets=tmp_path)
    with pytest.raises(ModelNotFoundError, match="There is no file"):
        load_embedder("panns", weights=str(tmp_path / "none.pth"), assets=tmp_path)
    torch.save({"model": {"conv.weight": torch.zeros(1)}}, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match="it has no bn0"):
        load_embedder("panns", weights=str(tmp_path / "b.pth"), assets=tmp_path)
    place = saved(tmp_path / "c.pth", **{"fc1.weight": torch.zeros(3, 3)})
    with pytest.raises(WeightsError, match=r"fc1\.weight is \(3, 3\), not \(2048, 2048\)"):
        load_embedder("panns", weights=place, assets=tmp_path)


def test_the_place_of_its_library_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    folder = tmp_path / "panns_data"
    folder.mkdir()
    torch.save({"model": {"conv.weight": torch.zeros(1)}}, folder / "Cnn14_mAP=0.431.pth")
    with pytest.raises(WeightsError, match="it has no bn0"):  # found, and read
        load_embedder("panns", assets=tmp_path)
