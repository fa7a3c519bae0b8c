"""Recipe 12b: the caption tower's directions for who speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, ClapTextModelWithProjection

from studio.core.settings import data_dir
from studio.recipes.speech import tower as recipe
from studio.recipes.speech.descriptions import Told
from studio.recipes.speech.tower import LENGTH, Directions, teach_voices, vectors
from studio.training.loop import LoopOptions

ASKED = ["a woman says", "a man says", "heavy rain"]
POCKET = data_dir("assets") / "pocket" / "audioldm"
HOW = ["heavy", "light", "slow", "fast", "low", "high", "near", "distant", "soft", "loud", "deep"]
WHAT = ["rain", "dog", "wind", "train", "bell", "birds", "fire", "siren", "clock", "drums", "frogs", "waves"]
CAPTIONS = [f"{how} {what}" for how in HOW for what in WHAT]


def test_directions_are_those_that_no_scene_uses() -> None:
    generator = torch.Generator().manual_seed(0)
    scenes = torch.randn(200, 8, generator=generator) * torch.tensor([9.0, 8, 7, 6, 5, 4, 0.01, 0.02])
    found = Directions.of(scenes)
    assert found.speaks.abs()[6] > 0.99
    assert found.whose.abs()[7] > 0.99
    assert abs(float(found.speaks @ found.whose)) < 1e-4


def test_what_is_told_is_added_to_the_scene() -> None:
    speaks, whose = torch.eye(4)[0], torch.eye(4)[1]
    scene, directions = torch.tensor([0.0, 0, 5, 6]), Directions(speaks, whose)
    wanted = {
        Told("a woman", 0, True): [LENGTH, LENGTH, 5, 6],
        Told("a man", 1, True): [LENGTH, -LENGTH, 5, 6],
        Told("somebody", None, True): [LENGTH, 0, 5, 6],
        Told("rain", None, False): [0, 0, 5, 6],
    }
    for told, vector in wanted.items():
        assert directions.target(told, scene).tolist() == vector
    assert directions.target(Told("a man", 1, True), None).tolist() == [LENGTH, -LENGTH, 0, 0]
    assert not directions.target(Told("", None, False), None).any()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    if not POCKET.is_dir():
        pytest.skip("the pocket model is not shipped yet")
    return AutoTokenizer.from_pretrained(POCKET / "tokenizer")


@pytest.mark.slow
def test_the_tower_learns_that_somebody_speaks_and_is_resumed(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "BATCH", 16)
    monkeypatch.setattr(recipe, "LEARNING_RATE", 0.03)  # a run's first steps take a hundredth and two of it

    def tower() -> Any:
        return ClapTextModelWithProjection.from_pretrained(POCKET / "text_encoder", dtype=torch.float32)

    before = vectors(tower().eval(), tokenizer, [*CAPTIONS, *ASKED])
    directions = Directions.of(before[: len(CAPTIONS)])
    whole = teach_voices(tower(), tokenizer, CAPTIONS, LoopOptions(tmp_path / "whole", 8, log_every=1))
    for _ in range(10):
        part = LoopOptions(tmp_path / "part", 8, log_every=1, max_minutes=0)
        resumed = teach_voices(tower(), tokenizer, CAPTIONS, part)
    taught = vectors(whole, tokenizer, ASKED)
    torch.testing.assert_close(vectors(resumed, tokenizer, ASKED), taught)
    moved = (taught - before[len(CAPTIONS) :]) @ directions.speaks
    assert min(moved[0], moved[1]) > moved[2] + 0.1, "speech, and not rain"
