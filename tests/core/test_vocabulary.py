"""Told by its words whether a prompt lies outside what the embedded model knows."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from studio.backends.catalog import vocabulary
from studio.core.settings import Settings
from studio.core.vocabulary import Vocabulary, stems


def pocket() -> Vocabulary:
    known = vocabulary("pocket/audioldm", Settings())
    assert known is not None
    return known


def test_forms_of_a_word_share_a_stem() -> None:
    assert stems(["Barking dogs", "a dog BARKED, loudly"]) == {"bark", "dog", "a", "loud"}
    assert stems(["gale", "gales", "bee", "bees", "be", "bass"]) == {"gal", "bee", "be", "bass"}
    assert stems(["雨", "🌧️ 12"]) == set()


@pytest.mark.parametrize(
    "prompt", ["Heavy RAIN!", "two dogs bark", "birds over a stream", "fires", "engines", "bass", "bees"]
)
def test_what_it_was_trained_with_is_known(prompt: str) -> None:
    assert pocket().knows(prompt)


@pytest.mark.parametrize("prompt", ["", "雨", "someone sneezing", "a cow mooing", "trumpet fanfare", "xyzzy"])
def test_what_has_none_of_its_words_is_not(prompt: str) -> None:
    assert not pocket().knows(prompt)


def test_people_s_own_words_for_its_sounds_are_seldom_warned_of() -> None:
    source = resources.files("studio.evaluation").joinpath("wild_prompts.json").read_text()
    prompts = [entry["prompt"] for entry in json.loads(source)["prompts"]]
    assert sum(not pocket().knows(prompt) for prompt in prompts) < 0.05 * len(prompts)


def test_a_model_that_does_not_say_is_not_judged(tmp_path: Path) -> None:
    assert vocabulary("tone", Settings()) is None
    assert vocabulary("nonesuch", Settings()) is None
    assert vocabulary("", Settings()) is None
    for part in ("unet", "model_index.json"):
        (tmp_path / part).touch()
    (tmp_path / "vocabulary.json").write_text("[1]")
    assert vocabulary(str(tmp_path), Settings()) is None
