"""A shipped caption tower learns scenes: they move to the sum of their sounds, single sounds stay."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import ClapModel, PreTrainedTokenizerBase

from studio.models.tokens import tokenize
from studio.training.clap import build_clap
from studio.training.clap_scenes import SceneTexts, teach_scenes
from studio.training.loop import LoopOptions
from studio.training.phrases import VOICE_CAPTIONS
from studio.training.tokens import train_tokenizer

Read = Callable[[Sequence[str]], torch.Tensor]

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


def fixed_vectors(texts: Sequence[str]) -> torch.Tensor:
    """Texts of dogs point one way, all others another."""
    return torch.eye(128)[[0 if "dog" in text else 1 for text in texts]]


def test_pools_hold_single_sounds_scenes_and_duets() -> None:
    single, scenes, duets = TEXTS.pools(fixed_vectors)
    assert single[0] == [*DOG, *RAIN, "", "table", "a dog", "heavy rain"], "and what the duets name"
    torch.testing.assert_close(single[1], fixed_vectors(single[0]))
    middle = F.normalize(torch.eye(128)[0] + torch.eye(128)[1], dim=0)
    assert scenes[0] == BOTH
    torch.testing.assert_close(scenes[1], middle.expand(2, -1))
    assert duets[0] == ["a dog with heavy rain"]
    torch.testing.assert_close(duets[1], middle[None])


def test_the_tower_learns_the_sum_and_keeps_single_sounds(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    clap, before = fresh_tower(tokenizer)
    wanted = torch.cat([targets for _, targets in TEXTS.pools(before)[1:]])
    two, single = [*BOTH, *TEXTS.duets], [*DOG, *RAIN, "table"]
    was, stayed = before(two), before(single)
    taught = teach_scenes(clap, tokenizer, TEXTS, before, LoopOptions(tmp_path / "run", 60, log_every=1))
    assert taught is not None
    assert not taught.training
    after = reader(taught, tokenizer)
    far, near = 1 - (was * wanted).sum(-1), 1 - (after(two) * wanted).sum(-1)
    assert (near < 0.5 * far).all()
    assert ((after(single) * stayed).sum(-1) > 0.95).all()


def test_a_run_that_was_stopped_ships_nothing_and_goes_on(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    def teach(name: str, minutes: float | None = None) -> ClapModel | None:
        clap, before = fresh_tower(tokenizer)
        options = LoopOptions(tmp_path / name, 3, log_every=1, max_minutes=minutes)
        return teach_scenes(clap, tokenizer, TEXTS, before, options)

    whole = teach("whole")
    assert teach("parts", 0) is None
    assert teach("parts", 0) is None
    resumed = teach("parts")
    assert whole is not None
    assert resumed is not None
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def fresh_tower(tokenizer: PreTrainedTokenizerBase) -> tuple[ClapModel, Read]:
    """An untrained tower, and how it reads at this moment."""
    torch.manual_seed(0)
    clap = build_clap(len(tokenizer)).eval()
    return clap, reader(copy.deepcopy(clap), tokenizer)


def reader(clap: ClapModel, tokenizer: PreTrainedTokenizerBase) -> Read:
    def read(texts: Sequence[str]) -> torch.Tensor:
        with torch.no_grad():
            return F.normalize(clap.get_text_features(**tokenize(tokenizer, texts)).pooler_output, dim=-1)

    return read
