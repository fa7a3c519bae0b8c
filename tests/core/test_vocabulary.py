"""Told by its words what of a prompt the embedded model has not learned."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from studio.backends.catalog import vocabulary
from studio.core.settings import Settings, data_dir
from studio.core.vocabulary import Vocabulary, stem, stems
from studio.recipes.corpus.captions import caption
from studio.recipes.corpus.clip import describe
from studio.recipes.text import phrases
from studio.recipes.text import vocabulary as recipe

UNKNOWN = """
guitar; a man singing; a cat meowing; a car crash; a violin concerto in a cathedral; a woman laughing; a
baby crying; a choir; an opera singer; a piano sonata; a trumpet fanfare; a saxophone solo; a flute;
bagpipes; an accordion; an oboe; a cello suite; a string quartet; a jazz band; a symphony orchestra; a
banjo; a marimba; a church organ; a kangaroo; a camel; a cow mooing; sheep bleating; a chimpanzee; a lion
roaring; an elephant trumpeting; whale song; a pig grunting; a monkey; a snake hissing; a dragon;
gunshots; an explosion; fireworks; a sword fight; breaking glass; a door slamming; a zither; a camera
shutter; a hammer on a nail; sawing wood; a lathe; a jackhammer; frying bacon; pouring a drink; a kiss; a
sneeze; snoring; coughing; a heartbeat; a landslide; a rocket launch; a volcano erupting; an avalanche;
skateboarding; a basketball game; a lullaby; a speech about taxes; rain and a violin; a dog barking at a
cat; birds and a piano; thunder over a screaming crowd; a cat in the rain; rain and a cat meowing
"""


@cache
def pocket() -> Vocabulary:
    known = vocabulary("pocket/audioldm", Settings())
    assert known is not None
    return known


def test_forms_of_a_word_share_a_stem() -> None:
    assert stems(["Barking dogs", "a dog BARKED, loudly"]) == {"bark", "dog", "a", "loud"}
    assert stems(["gale", "gales", "bee", "bees", "be", "bass"]) == {"gal", "bee", "be", "bass"}
    assert stems(["drip", "dripping", "drips", "dripped"]) == {"drip"}
    assert stems(["string", "strings", "sing", "singing", "call", "calling"]) == {"string", "sing", "call"}
    assert stems(["café", "cafés", "it's"]) == {"caf", "it"}
    assert (stem("buzzing"), stem("cities"), stem("city"), stem("wishes")) == ("buzz", "cit", "cit", "wish")


@pytest.mark.parametrize(
    ("prompt", "missing"),
    [
        ("guitar", "guitar"),
        ("a man singing", "man, singing"),
        ("cat meowing", "cat, meowing"),
        ("car crash", "crash"),
        ("a violin concerto in a cathedral", "violin, concerto, cathedral"),
        ("Someone sneezing", "sneezing"),
        ("heavy rain with a trumpet and a Piano", "trumpet, piano"),
        ("a dog barking at a cat, a cat", "cat"),
        ("xyzzy", "xyzzy"),
        ("雨", "雨"),
        ("ein Hund bellt", "ein, hund, bellt"),
    ],
)
def test_what_is_missing_is_named(prompt: str, missing: str) -> None:
    assert ", ".join(pocket().unknown(prompt)) == missing
    assert not pocket().knows(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "Heavy RAIN!", "two dogs bark", "birds over a stream", "fires", "engines", "bass", "bees",
        "heavy rain on a tin roof", "waves crashing on a beach", "footsteps in a cathedral", "a bass guitar",
        "raining cats and dogs", "rain for sleeping, 2 hours please", "cathedral bells, far away",
        "I need the sound of a helicopter for my game", "a car idling", "the sound of it",
    ],
)  # fmt: skip
def test_what_it_was_trained_with_is_known(prompt: str) -> None:
    assert pocket().unknown(prompt) == ()


@pytest.mark.parametrize("prompt", ["", " ", "12 + 3", "🌧️"])
def test_no_words_are_no_reason_to_warn(prompt: str) -> None:
    assert pocket().unknown(prompt) == ()
    assert not pocket().knows(prompt)


def test_known_phrases_and_captions_are_not_warned_of() -> None:
    learnt = phrases.known_phrases()[::6]
    warned = [phrase for phrase in learnt if pocket().unknown(phrase)]
    assert len(warned) < 0.03 * len(learnt), "other instruments than pad, arpeggio and bass"
    captions = [
        caption(np.random.default_rng(seed), describe(seed, scene=seed % 2 == 1, duration_s=10.0))
        for seed in range(300)
    ]
    assert [text for text in captions if pocket().unknown(text)] == []


def test_unknown_things_are_warned_of() -> None:
    things = [thing.strip() for thing in UNKNOWN.replace("\n", " ").split(";")]
    assert len(things) > 60
    assert [thing for thing in things if not pocket().unknown(thing)] == []


def test_people_s_own_words_for_its_sounds_are_seldom_warned_of() -> None:
    source = resources.files("studio.evaluation").joinpath("wild_prompts.json").read_text()
    prompts = [entry["prompt"] for entry in json.loads(source)["prompts"]]
    assert sum(bool(pocket().unknown(prompt)) for prompt in prompts) < 0.05 * len(prompts)


@pytest.mark.parametrize("model", ["audioldm", "audioldm2", "dcldm", "tango"])
def test_what_ships_is_what_training_writes(model: str) -> None:
    file = data_dir("assets") / "pocket" / model / "vocabulary.json"
    assert Vocabulary.model_validate_json(file.read_bytes()) == recipe.vocabulary()


def test_a_model_that_does_not_say_is_not_judged(tmp_path: Path) -> None:
    assert vocabulary("tone", Settings()) is None
    assert vocabulary("nonesuch", Settings()) is None
    assert vocabulary("", Settings()) is None
    for part in ("unet", "model_index.json"):
        (tmp_path / part).touch()
    (tmp_path / "vocabulary.json").write_text("[1]")
    assert vocabulary(str(tmp_path), Settings()) is None
