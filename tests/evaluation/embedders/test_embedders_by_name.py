"""Embedders by name, and what all of them keep to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import InvalidRequestError, ModelNotFoundError, WeightsError
from studio.evaluation.embedders.base import knows_classes, reads_text
from studio.evaluation.embedders.registry import EMBEDDERS, load_embedder

ASSETS = Path(__file__).resolve().parents[3] / "assets"


def test_a_name_that_is_none_is_told_the_others() -> None:
    with pytest.raises(InvalidRequestError, match="choose of judge"):
        load_embedder("ears", assets=ASSETS)
    assert "judge" in EMBEDDERS


def test_the_judge_listens_in_windows_of_five_seconds() -> None:
    judge = load_embedder("judge", assets=ASSETS)
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, 12 * 16000).astype(np.float32)
    vectors = judge.embed(samples)
    assert vectors.shape == (2, judge.width)
    np.testing.assert_allclose(judge.embed(samples[80000:160000])[0], vectors[1], atol=1e-4)
    assert judge.embed(samples[:8000]).shape == (1, judge.width)
    assert knows_classes(judge)
    assert not reads_text(judge)
    assert judge.logits(samples).shape == (len(judge.labels),) == (28,)


def test_a_judge_elsewhere_is_opened_by_its_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        load_embedder("judge", weights=str(tmp_path), assets=ASSETS)


PUBLISHED = {
    "panns": ("zenodo.org/record/3987831", "Cnn14_mAP=0.431.pth"),
    "panns-16k": ("zenodo.org/record/3987831", "Cnn14_16k_mAP=0.438.pth"),
    "vggish": ("github.com/harritaylor/torchvggish/releases", "vggish-10086976.pth"),
    "clap": ("huggingface.co/laion/clap-htsat-unfused", "config.json"),
    "clap-fused": ("huggingface.co/laion/clap-htsat-fused", "config.json"),
    "clap-music": ("huggingface.co/lukewys/laion_clap", "music_speech_audioset_epoch_15_esc_89.98.pt"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_weights_that_are_not_here_come_with_where_to_get_and_how_to_name_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, file = PUBLISHED[name]
    monkeypatch.setattr("studio.backends.companions.cached", lambda *_: None)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    for weights, said in (
        (None, f"--weights {name}="),
        (str(tmp_path / "nowhere"), f"--weights {name}="),
        (str(empty), file),
    ):
        with pytest.raises(ModelNotFoundError) as failed:
            load_embedder(name, weights=weights, assets=ASSETS)
        assert address in str(failed.value)
        assert said in str(failed.value)
