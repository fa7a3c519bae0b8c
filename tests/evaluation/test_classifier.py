"""The judge's file format and its view of a window."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from studio.core.errors import WeightsError
from studio.evaluation.classifier import EMBEDDING, Classifier

FAMILIES = ["rain", "wind", "dog"]


def test_a_judge_survives_its_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    classifier = Classifier(FAMILIES, (8, 8, 16, 16)).eval()
    classifier.save(tmp_path)
    again = Classifier.load(tmp_path)
    mel = torch.randn(2, 256, 64) - 4
    assert again.families == FAMILIES
    torch.testing.assert_close(again(mel), classifier(mel), atol=2e-2, rtol=2e-2)  # float16 on disk


@pytest.mark.parametrize("frames", [256, 300, 500])
def test_any_length_gives_one_verdict_a_clip(frames: int) -> None:
    classifier = Classifier(FAMILIES, (8, 8, 16, 16)).eval()
    logits, embeddings = classifier.predict(torch.randn(2, frames * 160) * 0.1)
    assert logits.shape == (2, 3)
    assert embeddings.shape == (2, EMBEDDING)
    assert len(classifier.top(logits, 2)[0]) == 2


def test_a_damaged_judge_says_so(tmp_path: Path) -> None:
    Classifier(FAMILIES, (8, 8, 16, 16)).save(tmp_path)
    weights = tmp_path / "judge.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(WeightsError):
        Classifier.load(tmp_path)


@pytest.mark.parametrize(
    "config",
    [b"", b"[]", b"{}", b"[" * 100_000, b'{"families": 5, "widths": [8]}',
     b'{"families": ["a"], "widths": []}',
     b'{"families": ["a"], "widths": [1000000, 1000000]}', b'{"families": ["a"], "widths": "8"}',
     b'{"families": ["a"], "widths": [-1, 0.5, null, true]}'],
)  # fmt: skip
def test_a_damaged_judge_is_one_sentence(tmp_path: Path, config: bytes) -> None:
    Classifier(["a", "b"], (8, 8)).save(tmp_path)
    assert Classifier.load(tmp_path).families == ["a", "b"]
    (tmp_path / "judge.json").write_bytes(config)
    with pytest.raises(WeightsError) as caught:
        Classifier.load(tmp_path)
    assert str(caught.value).isprintable()
    assert str(tmp_path) not in str(caught.value)
