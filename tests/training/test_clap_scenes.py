"""A shipped caption tower learns scenes: they move to the sum of their sounds, single sounds stay."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from studio.models.tokens import tokenize
from studio.training.clap import build_clap
from studio.training.clap_scenes import SceneTexts, teach_scenes
from studio.training.loop import LoopOptions
from studio.training.phrases import VOICE_CAPTIONS
from studio.training.tokens import train_tokenizer

DOG, RAIN = ["a dog", "a dog barks"], ["heavy rain", "rain falls"]
BOTH = ["a dog in heavy rain", "rain falls on a dog"]
TEXTS = SceneTexts(
    captions=[DOG, RAIN, BOTH],
    labels=[["dog"], ["rain"], ["dog", "rain"]],
    voices=[[(DOG * VOICE_CAPTIONS)[:VOICE_CAPTIONS], (RAIN * VOICE_CAPTIONS)[:VOICE_CAPTIONS]]],
    duets=["a dog with heavy rain"],
    pairs=[("a dog", "heavy rain")],
    phrases=["", "table"],
)


@pytest.fixture
def tokenizer(tmp_path: Path) -> PreTrainedTokenizerBase:
    return train_tokenizer([*DOG, *RAIN, *BOTH, "table with"] * 20, tmp_path / "tokens")


def fixed_vectors(texts: list[str] | tuple[str, ...]) -> torch.Tensor:
    """Texts of dogs point one way, all others another."""
    return torch.eye(128)[[0 if "dog" in text else 1 for text in texts]]


def test_pools_hold_single_sounds_scenes_and_duets() -> None:
    single, scenes, duets = TEXTS.pools(fixed_vectors)
    assert single[0] == [*DOG, *RAIN, "", "table"]
    torch.testing.assert_close(single[1], fixed_vectors(single[0]))
    middle = F.normalize(torch.eye(128)[0] + torch.eye(128)[1], dim=0)
    assert scenes[0] == BOTH
    torch.testing.assert_close(scenes[1], middle.expand(2, -1))
    assert duets[0] == ["a dog with heavy rain"]
    torch.testing.assert_close(duets[1], middle[None])


def test_the_tower_learns_the_sum(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    torch.manual_seed(0)
    clap = build_clap(len(tokenizer)).eval()

    def vectors(texts: list[str]) -> torch.Tensor:
        tokens = tokenize(tokenizer, texts)
        with torch.no_grad():
            return F.normalize(clap.get_text_features(**tokens).pooler_output, dim=-1)

    before = vectors([*BOTH, *TEXTS.duets])
    wanted = torch.cat([targets for _, targets in TEXTS.pools(fixed_vectors)[1:]])
    teach_scenes(clap, tokenizer, TEXTS, fixed_vectors, LoopOptions(tmp_path / "run", 40, log_every=1))
    after = vectors([*BOTH, *TEXTS.duets])
    assert not clap.training
    assert ((after * wanted).sum(-1) > (before * wanted).sum(-1) + 0.2).all()
