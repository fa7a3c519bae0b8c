"""A shipped caption tower learns scenes: they move to the sum of their sounds, single sounds stay."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import ClapModel, PreTrainedTokenizerBase

from studio.modules.text import tokenize
from studio.recipes.text.bpe import train_tokenizer
from studio.recipes.text.clap_model import build_clap
from studio.recipes.text.clap_scenes import SceneTexts, said_of_clips, teach_scenes
from studio.recipes.text.duets import Named
from studio.recipes.text.phrases import VOICE_CAPTIONS
from studio.recipes.text.targets import Memory, WordTargets
from studio.training.loop import LoopOptions

pytestmark = pytest.mark.slow

Read = Callable[[Sequence[str]], torch.Tensor]

DOG, RAIN = ["a dog", "a dog barks"], ["heavy rain", "rain falls"]
BOTH = ["a dog in heavy rain", "rain falls on a dog"]
VOICES = [[(DOG * VOICE_CAPTIONS)[:VOICE_CAPTIONS], (RAIN * VOICE_CAPTIONS)[:VOICE_CAPTIONS]]]
SCENE = torch.tensor([False, False, True])
DUETS = ["a dog with heavy rain"]


def texts_of(read: Read) -> SceneTexts:
    """A clip of a dog, one of rain, and one of both, as `read` says them."""
    return SceneTexts(
        captions=[DOG, RAIN, BOTH],
        clips=said_of_clips([DOG[:1], RAIN[:1], BOTH[:1]], VOICES, SCENE, read),
        scene=SCENE,
        duets=DUETS,
        pairs=[(Named("a dog", "a dog", "a dog"), Named("heavy rain", "rain", "heavy rain"))],
        phrases=[Named("table", "table", "table")],
    )


@pytest.fixture
def tokenizer(tmp_path: Path) -> PreTrainedTokenizerBase:
    return train_tokenizer([*DOG, *RAIN, *BOTH, "table with"] * 20, tmp_path / "tokens")


def fixed_vectors(texts: Sequence[str]) -> torch.Tensor:
    """Texts of dogs point one way, all others another."""
    return torch.eye(128)[[0 if "dog" in text else 1 for text in texts]]


def targets(read: Read) -> WordTargets:
    """Every word means what `read` says, whoever is asked."""
    texts = ["a dog", "rain", "table", "heavy rain"]
    families = ["dog", "rain", "table", "rain"]
    return WordTargets(
        Memory(read(texts), read(texts), families), dict(zip(texts, range(4), strict=True)), read, read
    )


def test_pools_hold_single_sounds_scenes_and_duets() -> None:
    single, scenes, duets = texts_of(fixed_vectors).pools(targets(fixed_vectors))
    assert single[0] == ["", *DOG, *RAIN, "a dog", "heavy rain", "table"], "and what the duets name"
    torch.testing.assert_close(single[1], fixed_vectors(single[0]))
    middle = F.normalize(torch.eye(128)[0] + torch.eye(128)[1], dim=0)
    assert scenes[0] == BOTH
    torch.testing.assert_close(scenes[1], middle.expand(2, -1))
    assert duets[0] == ["a dog with heavy rain"]
    torch.testing.assert_close(duets[1], middle[None])


def test_the_tower_learns_what_it_is_told(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    clap, before = fresh_tower(tokenizer)
    pools = texts_of(before).pools(targets(before))
    taught = teach_scenes(clap, tokenizer, pools, LoopOptions(tmp_path / "run", 80, log_every=1))
    assert taught is not None
    assert not taught.training
    after = reader(taught, tokenizer)
    for texts, wanted in pools[1:]:
        far, near = 1 - (before(texts) * wanted).sum(-1), 1 - (after(texts) * wanted).sum(-1)
        assert (near < 0.5 * far).all()
    texts, wanted = pools[0]
    assert ((after(texts) * wanted).sum(-1) > 0.95).all(), "captions of one sound stay, words move"
    torch.testing.assert_close(wanted[0], before([""])[0])
    assert after([""])[0] @ wanted[0] > 0.98, "nothing is still nothing"


def test_a_run_that_was_stopped_ships_nothing_and_goes_on(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    def teach(name: str, minutes: float | None = None) -> ClapModel | None:
        clap, before = fresh_tower(tokenizer)
        options = LoopOptions(tmp_path / name, 3, log_every=1, max_minutes=minutes)
        return teach_scenes(clap, tokenizer, texts_of(before).pools(targets(before)), options)

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
